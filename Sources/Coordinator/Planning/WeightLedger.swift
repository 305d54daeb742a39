public import Program
import Tensor

/// Which slices of the weights lie on which device, by the plan.
public struct WeightLedger: Sendable {
    private var held: [Set<StoredWeight>]

    /// A ledger of devices that hold nothing.
    public init(deviceCount: Int) { held = Array(repeating: [], count: deviceCount) }

    /// Notes a program's slices, one local program a device.
    ///
    /// - Returns: bytes of those that were not there yet, by rank.
    public mutating func add(_ locals: [LocalProgram]) -> [Int] {
        locals.enumerated().map { rank, local in
            local.storedWeights.reduce(0) { sum, weight in
                held[rank].insert(weight).inserted ? sum + weight.byteCount : sum
            }
        }
    }
}
