import Program
import Tensor

/// Where a value is while the partitioner walks through the program.
struct ValueState {
    /// Buffers that hold it, or a part of it, by set of boxes, in the order in which they came to be.
    var copies: [(set: Int, buffer: Int)] = []
    /// How it lay when it was complete first, for the choices of those who read it.
    var layout: Layout?
    /// Partial results that nobody has combined yet.
    var pending: Pending?
    /// Where nothing was computed yet because readers compute the boxes that they need: how many operations deep.
    var deferred = 0

    struct Pending {
        var buffer: Int
        var partial: PartialValue
        var layout: Layout
        var scope: String
    }

    /// The buffer that holds exactly these boxes.
    func buffer(of set: Int) -> Int? { copies.first { $0.set == set }?.buffer }
}

/// What one assignment of mesh axes to an operation's factors means for its operands and its result.
struct Assignment {
    /// Axes of each factor.
    var axes: [[AxisRef]]
    var layout: Layout
    /// Boxes of the result.
    var set: Int
    /// Boxes of each operand.
    var operands: [Int]
    var operandLayouts: [Layout]
    /// Where reduced factors are split.
    var partial: PartialValue?
    /// Where V of a top-k is split.
    var candidates: Bool
}

/// A choice's price, least first: bytes that the busiest device sends, then rounds of messages.
struct StrategyCost: Comparable {
    var bytes = 0
    var rounds = 0

    static func < (a: StrategyCost, b: StrategyCost) -> Bool { (a.bytes, a.rounds) < (b.bytes, b.rounds) }

    static func + (a: StrategyCost, b: StrategyCost) -> StrategyCost {
        StrategyCost(bytes: a.bytes + b.bytes, rounds: a.rounds + b.rounds)
    }
}
