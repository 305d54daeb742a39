public import Program
import Tensor

/// A model's folder in the layout of diffusers: `model_index.json` and one folder a part.
///
/// Only headers are read.
public struct Checkpoint: Sendable {
    /// The folder.
    public let folder: String
    /// Parts with weights, by name.
    public let parts: [String: CheckpointPart]

    /// Reads the headers of all weight files.
    ///
    /// - Parameters:
    ///   - parts: names of the parts to open.
    ///   - replacing: files to take instead of what a part's folder holds, by part.
    ///
    /// Throws ``CheckpointError``.
    public init(
        folder: String, parts: [String], variant: WeightVariant = .full, replacing: [String: String] = [:]
    ) throws(CheckpointError) {
        guard FileReader.isFolder(folder) else { throw .file(path: folder, problem: "there is no such folder") }
        self.folder = folder
        var opened: [String: CheckpointPart] = [:]
        for name in parts {
            if let file = replacing[name] {
                opened[name] = try CheckpointPart(name: name, file: file)
            } else {
                opened[name] = try CheckpointPart(name: name, folder: "\(folder)/\(name)", variant: variant)
            }
        }
        self.parts = opened
    }

    /// Where a weight's values are.
    ///
    /// Throws ``CheckpointError/weights(folder:problems:)`` where it is missing, or has another shape or element type.
    public func source(of spec: ParameterSpec) throws(CheckpointError) -> ParameterSource {
        let result = find(spec)
        if let problem = result.problem { throw .weights(folder: folder, problems: [problem]) }
        guard let source = result.source else { preconditionFailure("a weight without a problem has a source") }
        return source
    }

    /// Where the values of many weights are, by ``ParameterSpec/name``; all that is wrong is reported at once.
    ///
    /// Throws ``CheckpointError/weights(folder:problems:)``.
    public func sources(of specs: some Sequence<ParameterSpec>) throws(CheckpointError) -> [String: ParameterSource] {
        var sources: [String: ParameterSource] = [:]
        var problems: [String] = []
        for spec in specs.sorted(by: { $0.name < $1.name }) {
            let result = find(spec)
            if let problem = result.problem { problems.append(problem) }
            if let source = result.source { sources[spec.name] = source }
        }
        let limit = 20
        if problems.count > limit { problems = problems.prefix(limit) + ["and \(problems.count - limit) more"] }
        guard problems.isEmpty else { throw .weights(folder: folder, problems: problems) }
        return sources
    }

    private func find(_ spec: ParameterSpec) -> (source: ParameterSource?, problem: String?) {
        guard let part = parts[spec.part] else { return (nil, "there is no part \(spec.part)") }
        guard let found = part.tensors[spec.tensor] else {
            let near = Spelling.suggestion(for: spec.tensor, among: part.tensors.keys)
            return (nil, "\(spec.part) has no tensor \(spec.tensor)\(near)")
        }
        guard found.entry.dims == spec.fileDims else {
            return (nil, "\(spec.part) \(spec.tensor) has shape \(found.entry.dims), not \(spec.fileDims)")
        }
        switch found.entry.dtype {
        case .f32?, .f16?, .bf16?:
            guard let dtype = found.entry.dtype else { return (nil, nil) }
            return (.file(path: found.path, offset: found.entry.range.lowerBound, dtype: dtype), nil)
        default:
            let found = "\(spec.part) \(spec.tensor) has the element type \(found.entry.typeName)"
            return (nil, "\(found); F32, F16 and BF16 are supported")
        }
    }
}
