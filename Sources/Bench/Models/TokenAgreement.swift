import Coordinator
import Tensor

/// How far a model in one precision chooses the same codes as in another, from the same inputs.
public struct TokenAgreement: Sendable, Hashable {
    /// Positions that were open when a step began, over all steps.
    public private(set) var open = 0
    /// Open positions at which the same code was drawn, with the same random numbers.
    public private(set) var equalCodes = 0
    /// Open positions whose most likely code is the same.
    public private(set) var equalLikeliest = 0
    /// Steps that were compared.
    public private(set) var steps = 0
    private var squaredError = 0.0
    private var square = 0.0

    /// Root mean square of the difference of logits, over that of the reference's; at open positions.
    public var logitError: Double { square > 0 ? (squaredError / square).squareRoot() : 0 }

    /// Compares the steps of two transcripts of the same calls.
    ///
    /// - Parameter maskToken: id of an open position.
    ///
    /// Throws ``BenchError/otherCalls(subject:)`` where calls, or what they give, do not match.
    public init(_ transcript: Transcript, reference: Transcript, maskToken: Int32) throws(BenchError) {
        guard transcript.calls.count == reference.calls.count else { throw .otherCalls(subject: "a picture") }
        for (mine, other) in zip(transcript.calls, reference.calls) {
            guard let tokens = other.inputs["tokens"], other.outputs["sampled"] != nil else { continue }
            guard let drawn = mine.outputs["sampled"], let wanted = other.outputs["sampled"],
                let logits = mine.outputs["logits"], let exact = other.outputs["logits"], drawn.dims == wanted.dims,
                logits.dims == exact.dims, tokens.dims == drawn.dims
            else { throw .otherCalls(subject: other.program) }
            steps += 1
            add(tokens.integers.map { $0 == maskToken }, drawn.integers, wanted.integers, logits.floats, exact.floats)
        }
    }

    private mutating func add(
        _ isOpen: [Bool], _ drawn: [Int32], _ wanted: [Int32], _ logits: [Float], _ exact: [Float]
    ) {
        let count = logits.count / max(1, isOpen.count)
        for position in isOpen.indices where isOpen[position] {
            open += 1
            if drawn[position] == wanted[position] { equalCodes += 1 }
            let row = (position * count)..<((position + 1) * count)
            if Self.likeliest(logits, row) == Self.likeliest(exact, row) { equalLikeliest += 1 }
            for index in row {
                let difference = Double(logits[index] - exact[index])
                squaredError += difference * difference
                square += Double(exact[index]) * Double(exact[index])
            }
        }
    }

    private static func likeliest(_ logits: [Float], _ row: Range<Int>) -> Int {
        var best = row.lowerBound
        for index in row where logits[index] > logits[best] { best = index }
        return best - row.lowerBound
    }
}
