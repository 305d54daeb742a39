public import Models
import Tensor

/// Opens the model that a cluster file names: configurations and weight headers only, never weights.
public enum ModelLoader {
    /// Opens a checkpoint folder or a preset with generated weights.
    ///
    /// Throws `CheckpointError` or `ModelError` with everything that is wrong.
    public static func open(_ settings: ModelSettings) throws -> AmusedModel {
        switch settings.source {
        case .path(let folder): try AmusedModel(folder: folder, precision: settings.dtype)
        case .preset(let name): try AmusedModel(preset: name, seed: settings.seed, precision: settings.dtype)
        }
    }
}
