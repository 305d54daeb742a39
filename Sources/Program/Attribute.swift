/// A compile-time argument of an operation.
public enum Attribute: Sendable, Hashable {
    /// A number, a count, a flag (0 or 1) or a dimension.
    case int(Int)
    /// A scale, an epsilon.
    case float(Double)
    /// Several dimensions.
    case ints([Int])
    /// A name or one of a closed set of words.
    case text(String)
}

/// The named arguments of an operation.
///
/// Which names an operation takes is said at its ``Opcode``.
public struct Attributes: Sendable, Hashable, ExpressibleByDictionaryLiteral {
    /// All of them.
    public var values: [String: Attribute]

    /// From a literal.
    public init(dictionaryLiteral elements: (String, Attribute)...) {
        values = Dictionary(uniqueKeysWithValues: elements)
    }

    /// From a dictionary.
    public init(_ values: [String: Attribute]) { self.values = values }

    /// An integer; absent or of another kind is a programmer error unless a default is given.
    public func int(_ name: String, default fallback: Int? = nil) -> Int {
        if case .int(let value)? = values[name] { return value }
        guard let fallback else { preconditionFailure("the operation has an integer attribute \(name)") }
        return fallback
    }

    /// A real number; an integer is taken too.
    public func float(_ name: String, default fallback: Double? = nil) -> Double {
        if case .float(let value)? = values[name] { return value }
        if case .int(let value)? = values[name] { return Double(value) }
        guard let fallback else { preconditionFailure("the operation has a real attribute \(name)") }
        return fallback
    }

    /// A list of integers.
    public func ints(_ name: String, default fallback: [Int]? = nil) -> [Int] {
        if case .ints(let value)? = values[name] { return value }
        guard let fallback else { preconditionFailure("the operation has an integer list attribute \(name)") }
        return fallback
    }

    /// A word.
    public func text(_ name: String, default fallback: String? = nil) -> String {
        if case .text(let value)? = values[name] { return value }
        guard let fallback else { preconditionFailure("the operation has a text attribute \(name)") }
        return fallback
    }

    /// Name and value, by name.
    public var sorted: [(name: String, value: Attribute)] {
        values.sorted { $0.key < $1.key }.map { (name: $0.key, value: $0.value) }
    }
}
