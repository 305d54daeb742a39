import Program
import Tensor

/// A program after partitioning, for all devices at once: every device runs the same steps on its own boxes.
struct PartitionedProgram {
    /// A buffer in all devices' programs.
    struct Buffer {
        enum Kind: Hashable {
            case arena
            case input(name: String)
            case parameter(ParameterSpec)
            case resident(name: String)
        }
        var type: TensorType
        var boxes: [Box]
        /// Tree nodes of each device, for an unreduced sum.
        var nodes: [[ReductionTree.Node]]?
        var leafCount = 0
        var kind: Kind
        /// Mesh axes that the value is split over; devices that differ in others hold the same box.
        var axes: [Int]
    }

    enum Step {
        case compute(ComputeInstruction)
        case exchange(Int)
    }

    var name: String
    var buffers: [Buffer] = []
    var steps: [Step] = []
    /// By exchange, then by device.
    var exchanges: [[Exchange]] = []
    var outputs: [(name: String, buffer: Int, isResident: Bool)] = []
    /// Layouts of the resident outputs.
    var residents: [String: Layout] = [:]
    /// Layouts that parameters are loaded in, by buffer.
    var parameterLayouts: [Int: (value: Program.ValueID, layout: Layout)] = [:]
}
