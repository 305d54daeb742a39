import Program
import Tensor

/// A partitioned program some of whose steps are done block by block.
struct BlockProgram: Sendable {
    var partitioned: PartitionedProgram
    /// By step: which block it belongs to; nil for what is done whole.
    var blocks: [Int?] = []
}

/// Buffers of a program that is written anew: those of the old one, whole and in blocks.
struct BlockBuffers {
    /// A buffer in blocks.
    struct Parts {
        /// Numbers of the new buffers, by block.
        var buffers: [Int]
        /// Along which the blocks are cut.
        var dim: Int
    }

    /// By old buffer: the new one that holds all of it; nil where there is none yet.
    var wholes: [Int?]
    /// By old buffer.
    var parts: [Parts?]
    /// Cut out of whole buffers, by old buffer and set of boxes.
    var slices: [Slice: Int] = [:]

    struct Slice: Hashable {
        var buffer: Int
        var set: Int
    }

    init(count: Int) {
        wholes = Array(repeating: nil, count: count)
        parts = Array(repeating: nil, count: count)
    }
}
