/// Everything that the configuration files of an aMUSEd pipeline say about its shape.
public struct AmusedConfiguration: Sendable, Hashable {
    /// Text encoder.
    public var text: CLIPTextConfiguration
    /// Masked-token transformer.
    public var transformer: UViTConfiguration
    /// Picture tokenizer.
    public var vq: VQConfiguration
    /// Id of a masked token.
    public var maskToken: Int
    /// How many tokens stay hidden after a step.
    public var maskSchedule: MaskSchedule

    /// Parts with weights, which are also the names of their folders.
    static let parts = ["text_encoder", "transformer", "vqvae"]
    /// Files that say what the model is, besides its weights.
    static let textFiles = [
        "model_index.json", "scheduler/scheduler_config.json", "text_encoder/config.json", "tokenizer/merges.txt",
        "tokenizer/special_tokens_map.json", "tokenizer/tokenizer_config.json", "tokenizer/vocab.json",
        "transformer/config.json", "vqvae/config.json",
    ]

    /// Reads and cross-checks the configuration files of a pipeline's folder.
    ///
    /// Throws ``CheckpointError``.
    public static func read(folder: String) throws(CheckpointError) -> AmusedConfiguration {
        guard FileReader.isFolder(folder) else { throw .file(path: folder, problem: "there is no such folder") }
        try checkIndex("\(folder)/model_index.json")
        var scheduler = try ConfigurationReader(file: "\(folder)/scheduler/scheduler_config.json")
        _ = scheduler.word("_class_name", ["AmusedScheduler"])
        let maskToken = scheduler.token("mask_token_id")
        let schedule = scheduler.word(
            "masking_schedule", MaskSchedule.allCases.map(\.rawValue), default: "cosine")
        try scheduler.finish()
        let result = AmusedConfiguration(
            text: try .read("\(folder)/text_encoder/config.json"),
            transformer: try .read("\(folder)/transformer/config.json"), vq: try .read("\(folder)/vqvae/config.json"),
            maskToken: maskToken, maskSchedule: MaskSchedule(rawValue: schedule) ?? .cosine)
        let problems = result.contradictions
        guard problems.isEmpty else { throw .configuration(file: folder, problems: problems) }
        return result
    }

    private static func checkIndex(_ file: String) throws(CheckpointError) {
        var index = try ConfigurationReader(file: file)
        _ = index.word("_class_name", ["AmusedPipeline"])
        let classes = [
            ("scheduler", "AmusedScheduler"), ("text_encoder", "CLIPTextModelWithProjection"),
            ("transformer", "UVit2DModel"), ("vqvae", "VQModel"),
        ]
        for (part, name) in classes {
            let found = index.raw(part)?.array?.last
            if found != .string(name) {
                index.reject("\(part) is \(index.raw(part)?.brief ?? "absent"); supported: \(name)")
            }
        }
        try index.finish()
    }

    /// What the parts say differently about each other.
    private var contradictions: [String] {
        var problems: [String] = []
        if transformer.textSize != text.hiddenSize {
            problems.append("transformer encoder_hidden_size is not text_encoder hidden_size")
        }
        if transformer.pooledSize != text.projectionSize {
            problems.append("transformer cond_embed_dim is not text_encoder projection_dim")
        }
        if transformer.codebookSize > vq.codebookSize {
            problems.append("transformer codebook_size exceeds vqvae num_vq_embeddings")
        }
        if maskToken < transformer.codebookSize || maskToken >= transformer.vocabularySize {
            problems.append("scheduler mask_token_id is not a transformer id above its codes")
        }
        return problems
    }
}
