import Program
import Tensor

/// A program after partitioning, for all devices at once: every device runs the same steps on its own boxes.
struct PartitionedProgram: Sendable {
    /// A buffer in all devices' programs.
    struct Buffer: Sendable {
        enum Kind: Hashable, Sendable {
            case arena
            case input(name: String)
            case parameter(ParameterSpec)
            case resident(name: String)
        }
        var type: TensorType
        /// Number of the set of boxes in the partitioner's table.
        var set: Int
        var boxes: [Box]
        /// Tree nodes of each device, for an unreduced sum.
        var nodes: [[ReductionTree.Node]]?
        var leafCount = 0
        /// The one partial result of a device is the sum of all it has.
        var isLocalSum = false
        var kind: Kind
    }

    enum Step: Sendable {
        case compute(ComputeInstruction)
        case exchange(Int)
    }

    /// All devices' sides of a collective; equal collectives of different layers share the lists.
    struct Collective: Sendable {
        var kind: CollectiveKind
        var axes: [String]
        var source: Int
        var destination: Int
        var moves: Moves
        var scope: String
        /// What is combined; nil where nothing is.
        var partial: PartialValue?
        /// How elements travel.
        var wire = WireFormat.exact
    }

    var name: String
    var buffers: [Buffer] = []
    var steps: [Step] = []
    var exchanges: [Collective] = []
    var outputs: [(name: String, buffer: Int, isResident: Bool)] = []
    /// Layouts of the resident outputs.
    var residents: [String: Layout] = [:]
    /// Layouts that parameters are loaded in, by buffer.
    var parameterLayouts: [Int: (value: Program.ValueID, layout: Layout)] = [:]
}

/// Transfers of all devices for one collective.
struct Moves: Sendable {
    struct Side: Sendable {
        var sends: [Exchange.Transfer] = []
        var receives: [Exchange.Transfer] = []
        var copies: [Exchange.LocalCopy] = []
        var reduction: Exchange.Reduction?
    }
    /// The same for equal transfers of one program.
    let number: Int
    /// By device.
    let sides: [Side]
    /// Elements (times partial results) that the busiest device sends.
    let sentMax: Int
    /// Elements (times partial results) that all devices send.
    let sentTotal: Int
    /// By device, whom it sends something, ascending.
    let peers: [[Int]]
    /// Elements (times partial results) of the largest message from one device to another.
    let messageElementMax: Int
    /// True where nothing is sent and nothing combined.
    let isLocal: Bool
    /// Mesh axes along which messages travel.
    let axes: [Int]
    /// Bytes of the staging area of each device, for elements of 1, 2 and 4 bytes.
    private let staging: [[Int]]

    func stagingByteCount(device: Int, elementSize: Int) -> Int {
        staging[elementSize == 4 ? 2 : elementSize - 1][device]
    }

    /// Most bytes that a device's staging area takes.
    func stagingByteCountMax(elementSize: Int) -> Int {
        staging[elementSize == 4 ? 2 : elementSize - 1].max() ?? 0
    }

    init(_ sides: [Side], number: Int, coordinates: [[Int]]) {
        self.sides = sides
        self.number = number
        var travelled: Set<Int> = []
        let all = coordinates.first?.indices ?? 0..<0
        for (device, side) in sides.enumerated() where travelled.count < all.count {
            for send in side.sends {
                for axis in all where coordinates[device][axis] != coordinates[send.peer][axis] {
                    travelled.insert(axis)
                }
            }
        }
        axes = travelled.sorted()
        staging = [1, 2, 4].map { size in
            sides.map { side in
                func bytes(_ sum: Int, _ transfer: Exchange.Transfer) -> Int {
                    sum + (transfer.box.elementCount * transfer.partials * size + 63) / 64 * 64
                }
                return side.receives.reduce(side.sends.reduce(0, bytes), bytes)
            }
        }
        let sent = sides.map { side in side.sends.reduce(0) { $0 + $1.box.elementCount * $1.partials } }
        sentMax = sent.max() ?? 0
        sentTotal = sent.reduce(0, +)
        var largest = 0
        peers = sides.map { side in
            var sizes: [Int: Int] = [:]
            for send in side.sends { sizes[send.peer, default: 0] += send.box.elementCount * send.partials }
            largest = max(largest, sizes.values.max() ?? 0)
            return sizes.keys.sorted()
        }
        messageElementMax = largest
        isLocal = sides.allSatisfy { $0.sends.isEmpty && $0.reduction == nil }
    }
}
