/// What every operation takes: how many operands, and which attributes of which kind.
///
/// Programs from a peer are checked against it before anything reads an attribute.
public struct OpcodeSignature: Sendable, Hashable {
    /// What an attribute may be.
    public enum Requirement: Sendable, Hashable {
        /// An integer of a range; needed unless it has a default.
        case int(ClosedRange<Int>, isOptional: Bool)
        /// A finite number, 0 or more; an integer is taken too.
        case number(isOptional: Bool)
        /// Dimensions: not negative, each once, at least one.
        case dimensions
        /// One of some words; needed unless it has a default.
        case word([String], isOptional: Bool)
        /// Any name.
        case name
    }

    /// Numbers of operands.
    public let operands: ClosedRange<Int>
    /// By attribute name.
    public let attributes: [String: Requirement]

    /// Largest integer that any attribute needs.
    private static let integerMax = 1 << 31

    private init(_ operands: ClosedRange<Int>, _ attributes: [String: Requirement] = [:]) {
        self.operands = operands
        self.attributes = attributes
    }

    /// The signature of an operation.
    public static func of(_ opcode: Opcode) -> OpcodeSignature {
        let count = Requirement.int(1...integerMax, isOptional: false)
        let noise = Requirement.word(["generated", "given", "none"], isOptional: false)
        let token = Requirement.int(0...integerMax, isOptional: false)
        switch opcode {
        case .parameter, .input: return .init(0...0, ["name": .name])
        case .dot: return .init(2...2, ["contract": .int(1...16, isOptional: false)])
        case .gather, .takeRow, .add, .multiply, .modulate, .nearestCode, .guide, .sumExp: return .init(2...2)
        case .depthwiseConv: return .init(2...2)
        case .activation:
            return .init(1...1, ["kind": .word(["silu", "gelu", "geluTanh", "quickGelu"], isOptional: false)])
        case .gatedGelu, .cast, .pixels, .choiceIndex, .spaceToDepth, .depthToSpace: return .init(1...1)
        case .concat: return .init(1...64)
        case .sinusoid: return .init(1...1, ["width": count, "maxPeriod": .number(isOptional: true)])
        case .rmsNorm, .layerNorm: return .init(2...3, ["eps": .number(isOptional: false)])
        case .reduce:
            return .init(
                1...1,
                ["dims": .dimensions, "kind": .word(["sum", "sumSquares", "sumSqrt", "max"], isOptional: false)])
        case .groupSum: return .init(1...1, ["groups": count])
        case .groupSquares: return .init(2...2, ["groups": count, "count": count])
        case .groupNormalize:
            return .init(
                5...5,
                [
                    "groups": count, "count": count, "eps": .number(isOptional: false),
                    "activation": .word(["none", "silu"], isOptional: true),
                ])
        case .globalResponseNorm: return .init(5...5, ["channels": count, "eps": .number(isOptional: false)])
        case .attention:
            let dims = Requirement.int(1...8, isOptional: false)
            return .init(
                3...3,
                [
                    "queryDims": dims, "keyDims": dims, "causal": .int(0...1, isOptional: true),
                    "scale": .number(isOptional: false),
                ])
        case .conv:
            let padding = Requirement.int(0...64, isOptional: false)
            return .init(
                3...3,
                [
                    "stride": .int(1...16, isOptional: true), "padLow": padding, "padHigh": padding,
                    "upsample": .int(1...2, isOptional: true),
                ])
        case .choose: return .init(1...2, ["noise": noise])
        case .acceptTokens: return .init(2...2, ["maskToken": token])
        case .confidence: return .init(5...6, ["maskToken": token, "noise": noise])
        case .remask: return .init(3...3, ["maskToken": token])
        }
    }

    /// What is wrong with an operation's operand count and attributes; nil where nothing is.
    public func problem(operandCount: Int, attributes given: Attributes) -> String? {
        guard operands.contains(operandCount) else { return "it takes \(operands) operands, not \(operandCount)" }
        for (name, requirement) in attributes.sorted(by: { $0.key < $1.key }) {
            if let problem = Self.problem(name, requirement, given.values[name]) { return problem }
        }
        return nil
    }

    private static func problem(_ name: String, _ requirement: Requirement, _ value: Attribute?) -> String? {
        switch (requirement, value) {
        case (.int(_, isOptional: true), nil), (.number(isOptional: true), nil), (.word(_, isOptional: true), nil): nil
        case (.int(let range, _), .int(let value)):
            range.contains(value) ? nil : "attribute \(name) is \(value), not in \(range)"
        case (.number, .int(let value)): value >= 0 ? nil : "attribute \(name) is negative"
        case (.number, .float(let value)):
            value.isFinite && value >= 0 ? nil : "attribute \(name) is \(value), not a number from 0"
        case (.dimensions, .ints(let dims)):
            !dims.isEmpty && dims.allSatisfy { $0 >= 0 } && Set(dims).count == dims.count
                ? nil : "attribute \(name) does not list dimensions"
        case (.word(let words, _), .text(let word)):
            words.contains(word) ? nil : "attribute \(name) is \(word), not one of \(words.joined(separator: ", "))"
        case (.name, .text): nil
        default: "attribute \(name) is missing or of another kind"
        }
    }
}
