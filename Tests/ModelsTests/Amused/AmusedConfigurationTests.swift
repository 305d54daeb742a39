import Models
import Testing

@Suite("aMUSEd configurations")
struct AmusedConfigurationTests {
    private let folder = TemporaryFolder()

    init() { folder.copy(from: Fixture.folder("amused_tiny256")) }

    private func replace(_ file: String, _ old: String, _ new: String) {
        let text = String(decoding: Fixture.bytes("\(folder.path)/\(file)"), as: UTF8.self)
        let parts = text.split(separator: old, omittingEmptySubsequences: false)
        precondition(parts.count > 1, "\(file) holds \(old)")
        folder.write(file, Array(parts.joined(separator: new).utf8))
    }

    @Test("reads the files of a pipeline")
    func reads() throws {
        let c = try AmusedConfiguration.read(folder: folder.path)
        #expect(c.text.hiddenSize == 32 && c.text.activation == .quickGelu && c.text.endToken == 993)
        #expect(c.transformer.hiddenSize == 48 && c.transformer.hasTextMapper && !c.transformer.isDownsampled)
        #expect(c.vq.levels == [8, 16, 16, 16, 24] && c.vq.tokenPixels == 16 && c.vq.codeSize == 8)
        #expect(c.maskToken == 79 && c.maskSchedule == .cosine)
        let other = try AmusedConfiguration.read(folder: Fixture.folder("amused_tiny512"))
        #expect(other.transformer.isDownsampled && !other.transformer.hasTextMapper)
        #expect(other.text.activation == .gelu)
    }

    @Test(
        "rejects what is not supported, naming the key and what is",
        arguments: [
            ("model_index.json", "\"AmusedPipeline\"", "\"StableDiffusionPipeline\"", "_class_name", "AmusedPipeline"),
            ("model_index.json", "\"UVit2DModel\"", "\"UNet2DModel\"", "transformer", "UVit2DModel"),
            ("transformer/config.json", "UVit2DModel", "UNet", "_class_name", "UVit2DModel"),
            ("transformer/config.json", "\"use_bias\": false", "\"use_bias\": true", "use_bias", "false"),
            (
                "transformer/config.json", "\"ln_elementwise_affine\": true", "\"ln_elementwise_affine\": false",
                "ln_elementwise_affine", "true"
            ),
            ("transformer/config.json", "\"upsample\": false", "\"upsample\": true", "downsample", "both or neither"),
            (
                "transformer/config.json", "\"hidden_size\": 48", "\"hidden_size\": \"48\"", "hidden_size",
                "whole number"
            ),
            ("transformer/config.json", "\"hidden_size\": 48", "\"hidden_size\": 0", "hidden_size", "whole number"),
            ("transformer/config.json", "\"hidden_size\": 48", "\"hidden_size\": 47", "num_attention_heads", "divide"),
            ("transformer/config.json", "\"micro_cond_embed_dim\": 80", "\"x\": 80", "micro_cond_embed_dim", "absent"),
            (
                "transformer/config.json", "\"encoder_hidden_size\": 32", "\"encoder_hidden_size\": 64", "hidden_size",
                "not"
            ),
            ("vqvae/config.json", "\"act_fn\": \"silu\"", "\"act_fn\": \"relu\"", "act_fn", "silu"),
            ("vqvae/config.json", "\"norm_type\": \"group\"", "\"norm_type\": \"spatial\"", "norm_type", "group"),
            (
                "vqvae/config.json", "\"mid_block_add_attention\": false", "\"x\": false", "mid_block_add_attention",
                "false"
            ),
            (
                "vqvae/config.json", "\"UpDecoderBlock2D\"\n", "\"AttnUpDecoderBlock2D\"\n", "up_block_types",
                "UpDecoder"
            ),
            ("vqvae/config.json", "\"norm_num_groups\": 4", "\"norm_num_groups\": 5", "norm_num_groups", "divide"),
            ("text_encoder/config.json", "quick_gelu", "relu", "hidden_act", "quick_gelu"),
            (
                "text_encoder/config.json", "CLIPTextModelWithProjection", "T5EncoderModel", "architectures",
                "CLIPTextModelWithProjection"
            ),
            ("scheduler/scheduler_config.json", "cosine", "sqrt", "masking_schedule", "cosine, linear"),
            (
                "scheduler/scheduler_config.json", "\"mask_token_id\": 79", "\"mask_token_id\": 80", "mask_token_id",
                "id"
            ),
        ])
    func rejects(file: String, old: String, new: String, key: String, allowed: String) throws {
        replace(file, old, new)
        let error = #expect(throws: CheckpointError.self) { try AmusedModel(folder: folder.path) }
        let text = error?.description ?? ""
        #expect(error?.code == "model_configuration")
        #expect(text.contains(key) && text.contains(allowed), "\(text)")
    }

    @Test("reports several problems at once")
    func several() {
        replace("transformer/config.json", "\"use_bias\": false", "\"use_bias\": true")
        replace("transformer/config.json", "\"hidden_size\": 48", "\"hidden_size\": -1")
        let error = #expect(throws: CheckpointError.self) { try AmusedModel(folder: folder.path) }
        #expect(error?.description.contains("use_bias") == true && error?.description.contains("hidden_size") == true)
    }

    @Test("finds the pooled position")
    func pooled() throws {
        var text = try AmusedConfiguration.preset("amused-tiny").text
        text.endToken = 9
        #expect(text.pooledPosition(of: [1, 9, 11, 9]) == 1)
        #expect(text.pooledPosition(of: [1, 2]) == 0)
        text.endToken = 2
        #expect(text.pooledPosition(of: [5, 2, 11, 11, 7]) == 2)
    }
}
