public import Models
import Tensor

/// Opens the model that a cluster file names: configurations and weight headers only, never weights.
public enum ModelLoader {
    /// Opens a checkpoint folder or a preset with generated weights, of any family.
    ///
    /// A folder says its family itself: with a `model.json` it has our own layout, else that of a diffusers pipeline.
    /// Throws `CheckpointError`, `ModelError` or `TokenizerError` with everything that is wrong.
    ///
    /// - Parameter exposesInternals: programs also give logits, for comparisons.
    public static func load(
        _ settings: ModelSettings, exposesInternals: Bool = false
    ) throws -> any LoadedImageModel {
        switch settings.source {
        case .path(let folder) where MuseConfiguration.isFolder(folder):
            MuseImageModel(
                try MuseModel(folder: folder, precision: settings.dtype), exposesInternals: exposesInternals)
        case .path(let folder):
            try AmusedImageModel(
                try AmusedModel(folder: folder, precision: settings.dtype), exposesInternals: exposesInternals)
        case .preset(let name) where MuseConfiguration.presets.contains(name):
            MuseImageModel(
                try MuseModel(
                    preset: name, textEncoder: settings.textEncoder, seed: settings.seed, precision: settings.dtype),
                exposesInternals: exposesInternals)
        case .preset(let name):
            try AmusedImageModel(
                try AmusedModel(preset: name, seed: settings.seed, precision: settings.dtype),
                exposesInternals: exposesInternals)
        }
    }

    /// As ``load(_:)``: its name, fingerprint and weights.
    public static func open(_ settings: ModelSettings) throws -> any TokenModel { try load(settings).loaded }
}
