/// What is wrong with a model's files.
public enum CheckpointError: Error, Sendable, Hashable, CustomStringConvertible {
    /// A configuration file asks for what this program cannot do, or contradicts another one.
    case configuration(file: String, problems: [String])
    /// A file or folder cannot be read.
    case file(path: String, problem: String)
    /// The header of a safetensors file is malformed or lies about its contents.
    case header(path: String, tensor: String?, problem: String)
    /// A configuration or index file is not JSON, or not of the expected form.
    case json(path: String, problem: String)
    /// Weights that the model needs are missing, or have another shape or element type.
    case weights(folder: String, problems: [String])

    /// One sentence: what, where, what to do; several problems are joined by semicolons.
    public var description: String {
        switch self {
        case .configuration(let file, let problems):
            "The model configuration \(file) cannot be used: \(problems.joined(separator: "; "))."
        case .file(let path, let problem):
            "The file \(path) cannot be read: \(problem)."
        case .header(let path, let tensor, let problem):
            "The safetensors file \(path) is damaged\(tensor.map { " at tensor \($0)" } ?? ""): \(problem)."
        case .json(let path, let problem):
            "The file \(path) is not the JSON that is expected there: \(problem)."
        case .weights(let folder, let problems):
            "The weights in \(folder) do not fit the model: \(problems.joined(separator: "; "))."
        }
    }

    /// Stable word for logs, metrics and JSON.
    public var code: String {
        switch self {
        case .configuration: "model_configuration"
        case .file: "model_file"
        case .header: "model_header"
        case .json: "model_json"
        case .weights: "model_weights"
        }
    }
}
