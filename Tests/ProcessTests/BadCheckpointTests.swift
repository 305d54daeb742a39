import Foundation
import Testing

/// A checkpoint that cannot be used ends in one sentence and exit code 1, before anything starts.
@Suite(.timeLimit(.minutes(5)), .serialized) struct BadCheckpointTests {
    /// One thing that is wrong with a checkpoint, and what is said about it.
    struct Damage: Sendable, CustomTestStringConvertible {
        var testDescription: String
        /// Parts of the sentence.
        var says: [String]
        var make: @Sendable (DamagedCheckpoint) throws -> Void

        init(_ name: String, says: [String], _ make: @escaping @Sendable (DamagedCheckpoint) throws -> Void) {
            testDescription = name
            self.says = says
            self.make = make
        }
    }

    static let weights = DamagedCheckpoint.weights
    static let damages = [
        Damage("missing weights", says: ["vqvae", "holds none of diffusion_pytorch_model.safetensors"]) {
            try $0.remove(weights)
            try $0.remove("vqvae/diffusion_pytorch_model.fp16.safetensors")
        },
        Damage("missing shard", says: ["diffusion_pytorch_model-00003-of-00006.safetensors", "no such file"]) {
            try $0.remove("transformer/diffusion_pytorch_model-00003-of-00006.safetensors")
        },
        Damage("truncated", says: [weights, "is damaged at tensor ", "the file is cut off"]) {
            try $0.truncate(to: 0.5)
        },
        Damage("truncated in the header", says: [weights, "is damaged", "its header claims"]) {
            try $0.truncate(to: 0.001)
        },
        Damage("empty", says: [weights, "is damaged", "fewer than 8 bytes"]) { try $0.truncate(to: 0) },
        Damage("offsets past the end", says: [weights, "quantize.embedding.weight", "ends at byte 497052 of the data"])
        {
            try $0.edit { entries, _ in
                entries["quantize.embedding.weight"]?.offsets = [495_516, 497_052]
            }
        },
        Damage("overlapping tensors", says: [weights, "quant_conv.weight", "overlaps"]) {
            try $0.edit { entries, _ in
                let other = entries["post_quant_conv.weight"]?.offsets ?? []
                entries["quant_conv.weight"]?.offsets = other
            }
        },
        Damage("shape that does not fill its bytes", says: [weights, "quant_conv.bias", "does not fill its 24 bytes"]) {
            try $0.edit { entries, _ in entries["quant_conv.bias"]?.shape = [7] }
        },
        Damage(
            "wrong shape", says: ["do not fit the model", "decoder.conv_in.weight", "[3, 3, 6, 24], not [24, 6, 3, 3]"]
        ) {
            try $0.edit { entries, _ in entries["decoder.conv_in.weight"]?.shape.reverse() }
        },
        Damage("wrong element type", says: ["quantize.embedding.weight", "I64", "F32, F16 and BF16 are supported"]) {
            try $0.edit { entries, data in
                entries["quantize.embedding.weight"]?.dtype = "I64"
                entries["quantize.embedding.weight"]?.offsets[1] += 64 * 6 * 4
                data += Data(count: 64 * 6 * 4)
            }
        },
        Damage("unknown pipeline", says: ["model_index.json", "StableDiffusionPipeline", "supported: AmusedPipeline"]) {
            try $0.replace("AmusedPipeline", with: "StableDiffusionPipeline", in: "model_index.json")
        },
        Damage("unknown model", says: ["transformer/config.json", "UNet2DModel", "supported: UVit2DModel"]) {
            try $0.replace("UVit2DModel", with: "UNet2DModel", in: "transformer/config.json")
        },
        Damage("configuration that is no JSON", says: ["vqvae/config.json", "is not the JSON"]) {
            try $0.truncate("vqvae/config.json", to: 0.5)
        },
    ]

    @Test(arguments: damages)
    func aBadCheckpointStartsNothing(damage: Damage) throws {
        let atelier = try Atelier()
        let checkpoint = try DamagedCheckpoint(in: atelier.folder)
        try damage.make(checkpoint)
        // A relative path counts from the file's folder.
        let file = try atelier.cluster("model: {path: model}\n")
        for command in [["plan", file], ["up", file], ["generate", "x", "-c", file, "-o", atelier.path("x.png")]] {
            let outcome = try ObservedCommand.run(command)
            #expect(outcome.code == 1, "\(command[0]): \(outcome.errors)")
            #expect(outcome.output.isEmpty)
            let lines = outcome.errors.split(separator: "\n")
            #expect(lines.count == 1 && outcome.errors.hasPrefix("tessera: error: "), "\(outcome.errors)")
            for part in damage.says { #expect(outcome.errors.contains(part), "\(outcome.errors)") }
        }
        #expect(!FileManager.default.fileExists(atPath: atelier.path("x.png")))
    }
}
