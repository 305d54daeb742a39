/// Reads a configuration file key by key and collects everything that is wrong with it.
struct ConfigurationReader {
    /// The largest number that a size or count may have: far above any model, far below an overflow.
    static let sizeMax = 1 << 24
    private let file: String
    private let members: [String: JSONValue]
    private(set) var problems: [String] = []

    /// Opens a file that must hold a JSON object.
    init(file: String) throws(CheckpointError) {
        self.file = file
        guard let members = try FileReader.readJSON(file).object else {
            throw .json(path: file, problem: "it is not an object")
        }
        self.members = members
    }

    /// Throws all problems together, if there are any.
    func finish() throws(CheckpointError) {
        if !problems.isEmpty { throw .configuration(file: file, problems: problems) }
    }

    /// A value as it stands.
    func raw(_ key: String) -> JSONValue? { members[key] }

    /// Notes a problem.
    mutating func reject(_ problem: String) { problems.append(problem) }

    /// A size or count of at least 1.
    mutating func size(_ key: String) -> Int {
        if let value = members[key]?.int, value >= 1, value <= Self.sizeMax { return value }
        reject("\(key) is \(found(key)); a whole number from 1 to \(Self.sizeMax) is needed")
        return 1
    }

    /// A token id.
    mutating func token(_ key: String) -> Int {
        if let value = members[key]?.int, value >= 0, value <= Self.sizeMax { return value }
        reject("\(key) is \(found(key)); a token id is needed")
        return 0
    }

    /// Several sizes.
    mutating func sizes(_ key: String) -> [Int] {
        if let values = members[key]?.array, !values.isEmpty, values.count <= 16 {
            let sizes = values.compactMap(\.int).filter { $0 >= 1 && $0 <= Self.sizeMax }
            if sizes.count == values.count { return sizes }
        }
        reject("\(key) is \(found(key)); a list of 1 to 16 sizes is needed")
        return [1]
    }

    /// A small positive number: an epsilon.
    mutating func epsilon(_ key: String) -> Double {
        if let value = members[key]?.number, value > 0, value < 1 { return value }
        reject("\(key) is \(found(key)); a number between 0 and 1 is needed")
        return 1e-6
    }

    /// A number of a range.
    mutating func number(_ key: String, in range: ClosedRange<Double>) -> Double {
        if let value = members[key]?.number, range.contains(value) { return value }
        reject("\(key) is \(found(key)); a number from \(range.lowerBound) to \(range.upperBound) is needed")
        return range.lowerBound
    }

    /// A flag; `fallback` where the key is absent.
    mutating func flag(_ key: String, default fallback: Bool) -> Bool {
        guard let value = members[key] else { return fallback }
        if let flag = value.bool { return flag }
        reject("\(key) is \(found(key)); true or false is needed")
        return fallback
    }

    /// A flag that must have one value; `fallback` is what the reference assumes where the key is absent.
    mutating func expect(_ key: String, _ supported: Bool, default fallback: Bool) {
        if flag(key, default: fallback) != supported {
            reject("\(key) is \(found(key, default: fallback ? "true" : "false")); only \(supported) is supported")
        }
    }

    /// A word out of a closed set.
    mutating func word(_ key: String, _ supported: [String], default fallback: String? = nil) -> String {
        if members[key] == nil, let fallback { return fallback }
        if let value = members[key]?.string, supported.contains(value) { return value }
        reject("\(key) is \(found(key)); supported: \(supported.joined(separator: ", "))")
        return supported[0]
    }

    private func found(_ key: String, default fallback: String = "absent") -> String { members[key]?.brief ?? fallback }
}
