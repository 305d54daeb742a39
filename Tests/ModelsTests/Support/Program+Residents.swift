import Program
import Tensor
import Testing

extension Program {
    /// What it leaves on the devices.
    var residentsLeft: [String: TensorType] {
        outputs.reduce(into: [:]) { left, output in
            if output.isResident { left[output.name] = type(of: output.value) }
        }
    }

    /// What it reads from each slot, one a picture of the batch.
    func residentsRead(slots count: Int) throws -> [[String: TensorType]] {
        var slots = [[String: TensorType]](repeating: [:], count: count)
        for operation in operations where operation.opcode == .input {
            let name = operation.attributes.text("name")
            guard residentInputs.contains(name) else { continue }
            let resident = ResidentName(name)
            slots[try #require(resident.slot)][resident.base] = operation.type
        }
        return slots
    }
}
