/// What is wrong with a program's annotations or the cluster's rules.
public enum ShardingError: Error, Sendable, Hashable, CustomStringConvertible {
    /// One mesh axis would split one dimension twice.
    case axisRepeated(axis: String, usedBy: String)
    /// One mesh axis would split two dimensions of one value; the annotations that say so, in their order.
    case axisUsedTwice(value: String, axis: String, dims: [Int], annotations: [String])
    /// An override lists another number of dimensions than the parameter has.
    case overrideRank(pattern: String, parameter: String, expected: Int, found: Int)
    /// A resident input that no earlier program left, or with another rank.
    case residentMissing(name: String, program: String)
    /// A rule or override names a mesh axis that the mesh does not have.
    case unknownMeshAxis(name: String, usedBy: String, known: [String])

    /// What, where, what to do.
    public var description: String {
        switch self {
        case .axisRepeated(let axis, let usedBy):
            "\(usedBy) names mesh axis \(axis), or a part of it, twice; name it once"
        case .axisUsedTwice(let value, let axis, let dims, let annotations):
            "mesh axis \(axis) would split dimensions \(dims.map(String.init).joined(separator: " and ")) of \(value)"
                + (annotations.isEmpty ? "" : ", as \(annotations.joined(separator: " and ")) say")
                + "; map the two logical axes to different mesh axes"
        case .overrideRank(let pattern, let parameter, let expected, let found):
            "override \(pattern) lists \(found) dimensions but \(parameter) has \(expected)"
        case .residentMissing(let name, let program):
            "program \(program) needs \(name), which no earlier program of the request left on the devices"
        case .unknownMeshAxis(let name, let usedBy, let known):
            "\(usedBy) names mesh axis \(name), which the mesh does not have; it has \(known.joined(separator: ", "))"
        }
    }
}
