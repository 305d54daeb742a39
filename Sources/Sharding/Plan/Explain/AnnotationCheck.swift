public import Program

/// Finds what compiling would stumble over, all at once and with places: contradictions between rules, and overrides that
/// name nothing.
public struct AnnotationCheck: Sendable {
    private let mesh: Mesh
    private let rules: LogicalAxisRules
    private let places: RulePlaces

    /// Makes a check of a cluster's rules.
    public init(mesh: Mesh, rules: LogicalAxisRules, places: RulePlaces = RulePlaces()) {
        self.mesh = mesh
        self.rules = rules
        self.places = places
    }

    /// A dimension's annotation.
    private struct Annotation: Hashable {
        var subject: AnnotationProblem.Subject
        var axes: [String]
    }

    /// Two annotations that want one mesh axis, wherever that happens.
    private struct Pair: Hashable {
        var axis: String
        var first: Annotation
        var second: Annotation
    }

    /// All problems; none where the rules fit.
    ///
    /// - Parameter parameters: all weights of the model, those of programs that are not compiled included.
    public func problems(programs: [Program], parameters: some Sequence<String>) -> [AnnotationProblem] {
        var order: [Pair] = []
        var found: [Pair: [(tensor: String, dims: [Int])]] = [:]
        var ranks: [AnnotationProblem] = []
        for program in programs {
            for (value, operation) in program.operations.enumerated() {
                var annotations = operation.axes.enumerated().map {
                    annotation($0.element, operation.type.dims[$0.offset])
                }
                if operation.opcode == .parameter, let index = override(of: program.name(of: value)) {
                    let dims = rules.overrides[index].dims
                    guard dims.count == operation.type.rank else {
                        ranks.append(rankProblem(index, program.describe(value), operation.type.rank))
                        continue
                    }
                    annotations = dims.enumerated().map { dim, axes in
                        operation.type.dims[dim].granuleCount > 1
                            ? Annotation(subject: .override(index), axes: axes) : nil
                    }
                }
                for (pair, dims) in contradictions(annotations) {
                    if found[pair] == nil { order.append(pair) }
                    found[pair, default: []].append((program.describe(value), dims))
                }
            }
        }
        var seen: Set<AnnotationProblem.Subject> = []
        return order.map { problem($0, found[$0] ?? []) } + ranks.filter { seen.insert($0.subject).inserted }
            + unmatched(Array(parameters))
    }

    private func annotation(_ logical: String?, _ dim: Dim) -> Annotation? {
        guard let logical, dim.granuleCount > 1, let axes = rules.rules[logical] else { return nil }
        return Annotation(subject: .rule(logical), axes: axes)
    }

    private func override(of name: String?) -> Int? {
        guard let name else { return nil }
        return rules.overrides.firstIndex { LogicalAxisRules.matches($0.pattern, name) }
    }

    /// Mesh axes of more than one device, or parts of them, that two dimensions want.
    private func contradictions(_ annotations: [Annotation?]) -> [(pair: Pair, dims: [Int])] {
        var taken: [(axis: AxisRef, annotation: Annotation, dim: Int)] = []
        var result: [(pair: Pair, dims: [Int])] = []
        for (dim, annotation) in annotations.enumerated() {
            guard let annotation else { continue }
            for axis in annotation.axes.compactMap({ AxisRef($0, mesh: mesh) }) where axis.size > 1 {
                if let other = taken.first(where: { $0.axis.overlaps(axis) && $0.dim != dim }) {
                    result.append(
                        (Pair(axis: axis.text(mesh), first: other.annotation, second: annotation), [other.dim, dim]))
                } else {
                    taken.append((axis, annotation, dim))
                }
            }
        }
        return result
    }

    // MARK: Words

    private func problem(_ pair: Pair, _ found: [(tensor: String, dims: [Int])]) -> AnnotationProblem {
        let (tensor, dims) = found.first ?? ("", [0, 0])
        let more = Set(found.map(\.tensor)).count - 1
        let others = more > 0 ? " (and of \(more == 1 ? "another tensor" : "\(more) other tensors"))" : ""
        return AnnotationProblem(
            subject: pair.second.subject,
            message:
                "mesh axis \(pair.axis) would split dimensions \(dims[0]) and \(dims[1]) of \(tensor)\(others): "
                + "dimension \(dims[0]) by \(words(pair.first)), dimension \(dims[1]) by \(words(pair.second)); "
                + "map the two logical axes to different mesh axes", nearest: [])
    }

    private func words(_ annotation: Annotation) -> String {
        let axes = "[\(annotation.axes.joined(separator: ", "))]"
        switch annotation.subject {
        case .rule(let logical):
            let place = places.rules[logical].map(places.text) ?? (places.file.isEmpty ? "" : "a rule by default")
            return "\(logical): \(axes)" + (place.isEmpty ? "" : " (\(place))")
        case .override(let index):
            let place = places.overrides.indices.contains(index) ? " (\(places.text(places.overrides[index])))" : ""
            return "the override of \(rules.overrides[index].pattern)\(place)"
        }
    }

    private func rankProblem(_ index: Int, _ parameter: String, _ rank: Int) -> AnnotationProblem {
        let override = rules.overrides[index]
        return AnnotationProblem(
            subject: .override(index),
            message: "the override of \(override.pattern) lists \(override.dims.count) dimensions but \(parameter) has "
                + "\(rank)", nearest: [])
    }

    private func unmatched(_ parameters: [String]) -> [AnnotationProblem] {
        rules.overrides.enumerated().compactMap { index, override in
            guard !parameters.contains(where: { LogicalAxisRules.matches(override.pattern, $0) }) else { return nil }
            return AnnotationProblem(
                subject: .override(index), message: "no weight of the model matches '\(override.pattern)'",
                nearest: NearNames.of(override.pattern, among: parameters))
        }
    }
}
