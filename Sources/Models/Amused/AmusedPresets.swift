extension AmusedConfiguration {
    /// Names of the built-in configurations, for models with generated weights.
    public static let presets = ["amused-256", "amused-512", "amused-tiny"]

    /// A built-in configuration: the two published ones, or a small one of the same shape as amused-256.
    ///
    /// Throws ``ModelError/unknownPreset(name:known:)``.
    public static func preset(_ name: String) throws(ModelError) -> AmusedConfiguration {
        switch name {
        case "amused-256": published(sampleSize: 16, isDownsampled: false)
        case "amused-512": published(sampleSize: 32, isDownsampled: true)
        case "amused-tiny": tiny
        default: throw .unknownPreset(name: name, known: presets)
        }
    }

    private static func published(sampleSize: Int, isDownsampled: Bool) -> AmusedConfiguration {
        AmusedConfiguration(
            text: CLIPTextConfiguration(
                vocabularySize: 49408, length: 77, hiddenSize: 768, layerCount: 12, headCount: 12, mlpSize: 3072,
                projectionSize: 768, activation: .quickGelu, epsilon: 1e-5, startToken: 49406, endToken: 49407,
                padToken: 49407),
            transformer: UViTConfiguration(
                hiddenSize: 1024, layerCount: 22, headCount: 16, mlpSize: 2816, embeddingSize: 768, blockSize: 768,
                blockCount: 3, blockHeadCount: 12, vocabularySize: 8256, codebookSize: 8192, textSize: 768,
                pooledSize: 768, microSize: 256, isDownsampled: isDownsampled, epsilon: 1e-6, sampleSize: sampleSize),
            vq: VQConfiguration(
                levels: [128, 256, 256, 512, 768], blockCount: 2, latentSize: 64, codeSize: 64, codebookSize: 8192,
                groupCount: 32),
            maskToken: 8255, maskSchedule: .cosine)
    }

    private static let tiny = AmusedConfiguration(
        text: CLIPTextConfiguration(
            vocabularySize: 520, length: 77, hiddenSize: 64, layerCount: 3, headCount: 4, mlpSize: 128,
            projectionSize: 64, activation: .quickGelu, epsilon: 1e-5, startToken: 518, endToken: 519, padToken: 519),
        transformer: UViTConfiguration(
            hiddenSize: 96, layerCount: 4, headCount: 6, mlpSize: 256, embeddingSize: 64, blockSize: 64, blockCount: 2,
            blockHeadCount: 4, vocabularySize: 288, codebookSize: 256, textSize: 64, pooledSize: 64, microSize: 32,
            isDownsampled: false, epsilon: 1e-6, sampleSize: 16),
        vq: VQConfiguration(
            levels: [8, 16, 16, 24, 32], blockCount: 1, latentSize: 16, codeSize: 16, codebookSize: 256, groupCount: 4),
        maskToken: 287, maskSchedule: .cosine)
}
