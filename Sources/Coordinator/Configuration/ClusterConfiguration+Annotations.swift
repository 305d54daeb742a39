public import Program
import Sharding

extension ClusterConfiguration {
    /// Checks the file's rules and overrides against the model's programs.
    ///
    /// - Parameter parameters: all weights of the model.
    /// - Throws: ``ConfigurationError`` with every contradiction and every override that names nothing, at its place.
    public func checkAnnotations(
        of programs: [Program], parameters: some Sequence<String>
    ) throws(ConfigurationError) {
        let found = AnnotationCheck(mesh: mesh, rules: rules, places: places)
            .problems(programs: programs, parameters: parameters)
        guard !found.isEmpty else { return }
        let problems = found.map { problem -> ConfigurationProblem in
            let place: RulePlaces.Place?
            let keyPath: String
            switch problem.subject {
            case .rule(let logical):
                place = places.rules[logical]
                keyPath = "rules.\(logical)"
            case .override(let index):
                place = places.overrides.indices.contains(index) ? places.overrides[index] : nil
                keyPath = "overrides[\(index)]"
            }
            let near =
                problem.nearest.count > 1
                ? " (others near: \(problem.nearest.dropFirst().joined(separator: ", ")))" : ""
            return ConfigurationProblem(
                location: place.map { .text(line: $0.line, column: $0.column, length: $0.length) } ?? .file,
                keyPath: keyPath, message: problem.message + near, nearest: problem.nearest.first)
        }
        let sorted = problems.enumerated().sorted {
            ($0.element.order, $0.offset) < ($1.element.order, $1.offset)
        }
        throw ConfigurationError(
            file: places.file.isEmpty ? "cluster.yaml" : places.file, source: source, problems: sorted.map(\.element))
    }
}
