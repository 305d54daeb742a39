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
        /// Any finite number; an integer is taken too.
        case real
        /// Dimensions: not negative, each once, at least one.
        case dimensions
        /// Dimensions: not negative, each once, perhaps none.
        case dimensionList
        /// Integers of a range, perhaps none; needed unless they have a default.
        case integers(ClosedRange<Int>, isOptional: Bool)
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
        let dimension = Requirement.int(0...15, isOptional: false)
        let token = Requirement.int(0...integerMax, isOptional: false)
        switch opcode {
        case .parameter, .input: return .init(0...0, ["name": .name])
        case .constant: return .init(0...0, ["value": .real])
        case .iota: return .init(0...0, ["dim": dimension])
        case .dot:
            return .init(
                2...2, ["contract": .int(1...16, isOptional: false), "precision": .word(["int8"], isOptional: true)])
        case .gather, .takeRow, .add, .multiply, .modulate, .nearestCode, .guide, .sumExp: return .init(2...2)
        case .depthwiseConv: return .init(2...2)
        case .activation:
            return .init(1...1, ["kind": .word(["silu", "gelu", "geluTanh", "quickGelu"], isOptional: false)])
        case .gatedGelu, .cast, .annotate, .pixels, .choiceIndex, .spaceToDepth, .depthToSpace: return .init(1...1)
        case .unary, .binary, .compare, .select: return elementwise(opcode)
        case .concat, .broadcast, .transpose, .reshape, .slice, .pad, .reverse, .dynamicSlice, .dynamicUpdate:
            return movement(opcode)
        case .dotGeneral, .convGeneral, .maxPool, .resize: return general(opcode)
        case .sort, .argMax: return .init(1...1, ["dim": dimension])
        case .topK, .mergeTopK: return .init(1...1, ["k": count])
        case .sinusoid: return .init(1...1, ["width": count, "maxPeriod": .number(isOptional: true)])
        case .rmsNorm, .layerNorm: return .init(2...3, ["eps": .number(isOptional: false)])
        case .reduce:
            return .init(
                1...1,
                [
                    "dims": .dimensions,
                    "kind": .word(["sum", "sumSquares", "sumSqrt", "max", "min"], isOptional: false),
                ])
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

    private static func elementwise(_ opcode: Opcode) -> OpcodeSignature {
        func words(_ list: String) -> Requirement {
            .word(list.split(separator: " ").map(String.init), isOptional: false)
        }
        switch opcode {
        case .unary: return .init(1...1, ["kind": words("exp log tanh logistic rsqrt sqrt negate abs")])
        case .binary: return .init(2...2, ["kind": words("add subtract multiply divide maximum minimum")])
        case .compare: return .init(2...2, ["direction": words("eq ne lt le gt ge")])
        default: return .init(3...3)
        }
    }

    private static func movement(_ opcode: Opcode) -> OpcodeSignature {
        let sizes = Requirement.integers(0...integerMax, isOptional: false)
        let granules = Requirement.integers(1...integerMax, isOptional: true)
        switch opcode {
        case .concat: return .init(1...64, ["dim": .int(0...15, isOptional: true), "granules": granules])
        case .broadcast: return .init(1...1, ["sizes": sizes, "dims": .dimensionList, "granules": granules])
        case .transpose: return .init(1...1, ["permutation": .dimensionList])
        case .reshape: return .init(1...1, ["sizes": sizes, "granules": granules])
        case .slice:
            let strides = Requirement.integers(1...integerMax, isOptional: true)
            return .init(1...1, ["start": sizes, "limit": sizes, "strides": strides, "granules": granules])
        case .pad: return .init(1...1, ["low": sizes, "high": sizes, "granules": granules])
        case .reverse: return .init(1...1, ["dims": .dimensionList])
        case .dynamicSlice: return .init(1...17, ["sizes": sizes, "granules": granules])
        default: return .init(2...18)
        }
    }

    private static func general(_ opcode: Opcode) -> OpcodeSignature {
        let padding = Requirement.integers(0...integerMax, isOptional: false)
        let steps = Requirement.integers(1...1024, isOptional: false)
        let granules = Requirement.integers(1...integerMax, isOptional: true)
        switch opcode {
        case .dotGeneral:
            let list = Requirement.dimensionList
            return .init(2...2, ["lhsBatch": list, "rhsBatch": list, "lhsContract": list, "rhsContract": list])
        case .convGeneral:
            return .init(
                2...2,
                [
                    "strides": steps, "padLow": padding, "padHigh": padding,
                    "groups": .int(1...integerMax, isOptional: false), "dilation": steps, "granules": granules,
                ])
        case .maxPool:
            return .init(
                1...1,
                [
                    "window": .integers(1...1024, isOptional: false), "strides": steps, "padLow": padding,
                    "padHigh": padding, "granules": granules,
                ])
        default: return .init(1...1, ["factor": .int(1...1024, isOptional: false), "granules": granules])
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
        case (.int(_, isOptional: true), nil), (.number(isOptional: true), nil), (.word(_, isOptional: true), nil),
            (.integers(_, isOptional: true), nil):
            nil
        case (.int(let range, _), .int(let value)):
            range.contains(value) ? nil : "attribute \(name) is \(value), not in \(range)"
        case (.number, .int(let value)): value >= 0 ? nil : "attribute \(name) is negative"
        case (.number, .float(let value)):
            value.isFinite && value >= 0 ? nil : "attribute \(name) is \(value), not a number from 0"
        case (.real, .int): nil
        case (.real, .float(let value)): value.isFinite ? nil : "attribute \(name) is \(value), not a number"
        case (.integers(let range, _), .ints(let values)):
            values.allSatisfy(range.contains) ? nil : "attribute \(name) has an entry that is not in \(range)"
        case (.dimensionList, .ints(let dims)):
            dims.allSatisfy { $0 >= 0 } && Set(dims).count == dims.count
                ? nil : "attribute \(name) does not list dimensions"
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
