import Models

extension ModelSettings {
    /// Opens the model: reads its configuration, its tokenizer and the headers of its weights, not the weights.
    ///
    /// Throws `ModelError`, `CheckpointError` or `TokenizerError`.
    public func open() throws -> AmusedImageModel {
        switch source {
        case .preset(let name): try AmusedImageModel(AmusedModel(preset: name, seed: seed, activation: dtype))
        case .path(let folder): try AmusedImageModel(AmusedModel(folder: folder, activation: dtype))
        }
    }
}
