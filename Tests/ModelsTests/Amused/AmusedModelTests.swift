import Models
import Program
import Tensor
import Testing

@Suite("aMUSEd models")
struct AmusedModelTests {
    private func count(_ model: AmusedModel, _ part: String) -> Int {
        model.parameters.values.filter { $0.part == part }.reduce(0) { $0 + $1.fileDims.reduce(1, *) }
    }

    @Test("the published shapes have the published parameter counts")
    func counts() throws {
        let small = try AmusedModel(preset: "amused-256", seed: 1)
        #expect(count(small, "transformer") == 603_537_664)
        #expect(count(small, "vqvae") == 146_244_675)
        #expect(count(small, "text_encoder") == 123_650_304)
        let large = try AmusedModel(preset: "amused-512", seed: 1)
        #expect(count(large, "transformer") == 608_257_792)
        #expect(large.parameters.values.filter { $0.part == "transformer" }.count == 478)
        #expect(large.parameters.values.filter { $0.part == "vqvae" }.count == 277)
    }

    @Test("every tensor of a checkpoint is used, in its own shape", arguments: Fixture.amused)
    func tensors(name: String) throws {
        let model = try AmusedModel(folder: Fixture.folder(name))
        guard case .checkpoint(let checkpoint) = model.weights else {
            Issue.record("a folder is a checkpoint")
            return
        }
        for (part, files) in checkpoint.parts {
            let specs = model.parameters.values.filter { $0.part == part }
            #expect(Set(specs.map(\.tensor)) == Set(files.tensors.keys), "\(part)")
            for spec in specs {
                #expect(files.tensors[spec.tensor]?.entry.dims == spec.fileDims)
                #expect(spec.view.reduce(1, *) == spec.fileDims.reduce(1, *))
                #expect(spec.permutation.sorted() == Array(spec.view.indices))
                #expect(spec.name == "\(part).\(spec.tensor)")
            }
        }
    }

    @Test("weights may come from half precision files and from replaced ones")
    func variants() throws {
        let folder = Fixture.folder("amused_tiny512")
        let model = try AmusedModel(
            folder: folder, variant: .half, replacing: ["transformer": "\(folder)/transformer_bf16.safetensors"])
        func dtype(_ program: Program, _ name: String) throws -> DType? {
            if case .file(_, _, let dtype)? = try model.sources(of: program)[name] { dtype } else { nil }
        }
        let step = model.stepProgram(batch: 1, guidance: .single, rows: 4, columns: 4, noise: .none)
        #expect(try dtype(step, "transformer.embed.conv.weight") == .bf16)
        #expect(try dtype(model.decodeProgram(batch: 1, rows: 1, columns: 1), "vqvae.decoder.conv_in.bias") == .f16)
        #expect(model.identity != (try AmusedModel(folder: folder)).identity)
    }

    @Test("one weight has one view, and one element type, in all programs", arguments: Fixture.amused)
    func views(name: String) throws {
        let model = try AmusedModel(folder: Fixture.folder(name))
        var seen: [String: ParameterSpec] = [:]
        for program in Self.programs(model) {
            for (name, spec) in program.parameters {
                #expect(seen[name] == nil || seen[name] == spec, "\(name)")
                seen[name] = spec
            }
        }
    }

    @Test("steps read exactly what the text program leaves", arguments: [false, true])
    func residents(guided: Bool) throws {
        let model = try AmusedModel(preset: "amused-tiny", seed: 1)
        let text = model.textProgram(batch: 1, guided: guided)
        let step = model.stepProgram(
            batch: 3, guidance: GuidanceRows(isGuided: guided), rows: 4, columns: 6, noise: .generated)
        let read = try step.residentsRead(slots: 3)[0]
        #expect(try step.residentsRead(slots: 3) == .init(repeating: text.residentsLeft, count: 3))
        #expect(!read.isEmpty && text.outputs.allSatisfy(\.isResident))
        #expect(read["transformer_layers.0.attn2.key"]?.sizes == [guided ? 2 : 1, 1, 77, 6, 16])
    }

    @Test("annotations name known axes, and splittable dimensions have granules")
    func annotations() throws {
        for name in AmusedConfiguration.presets {
            for program in Self.programs(try AmusedModel(preset: name, seed: 1)) {
                for operation in program.operations where !operation.axes.isEmpty {
                    #expect(operation.axes.count == operation.type.rank)
                    #expect(operation.axes.allSatisfy { $0.map(GraphAxis.all.contains) ?? true })
                    let named = zip(operation.axes, operation.type.dims).filter { $0.0 != nil && $0.1.size > 1 }
                    let isSplittable = named.allSatisfy { $0.1.granuleCount > 1 || $0.1.size == 2 }
                    #expect(isSplittable, "\(program.name) \(operation.opcode) \(operation.scope)")
                }
            }
        }
    }

    @Test("an MLP and a vocabulary are cut into at most sixteen granules")
    func granules() throws {
        let model = try AmusedModel(preset: "amused-256", seed: 1)
        let step = model.stepProgram(batch: 1, guidance: .both, rows: 16, columns: 16, noise: .generated)
        func dims(_ name: String) throws -> [Dim] {
            let operation = try #require(
                step.operations.first { $0.opcode == .parameter && $0.attributes.text("name") == name })
            return operation.type.dims
        }
        let layer = "transformer.transformer_layers.0"
        #expect(try dims("\(layer).ff.net.0.proj.weight") == [Dim(2), Dim(2816, granule: 176), Dim(1024)])
        #expect(try dims("\(layer).attn1.to_q.weight") == [Dim(16, granule: 1), Dim(64), Dim(1024)])
        #expect(try dims("\(layer).attn1.to_out.0.weight") == [Dim(1024), Dim(16, granule: 1), Dim(64)])
        #expect(try dims("transformer.mlm_layer.conv2.weight") == [Dim(8192, granule: 512), Dim(768)])
    }

    @Test("programs have the agreed signatures")
    func signatures() throws {
        let model = try AmusedModel(preset: "amused-512", seed: 1)
        let text = Self.inputs(model.textProgram(batch: 2, guided: true))
        #expect(text == ["ids": "i32[2, 2, 77]", "eosIndex": "i32[2, 2]", "microConditions": "f32[2, 2, 5]"])
        let step = model.stepProgram(
            batch: 2, guidance: .both, rows: 32, columns: 16, noise: .generated, exposesLogits: true)
        #expect(
            Self.inputs(step) == [
                "grid": "i32[2, 2, 32, 16]", "tokens": "i32[2, 32, 16]", "scale": "f32[2]", "temperature": "f32[2]",
                "maskCount": "i32[2]", "rng": "i32[2, 4]",
            ])
        #expect(
            Self.outputs(step) == [
                "tokens": "i32[2, 32, 16]", "sampled": "i32[2, 32, 16]", "logits": "f32[2, 32, 16, 8192]",
            ])
        let given = Self.inputs(model.stepProgram(batch: 1, guidance: .single, rows: 4, columns: 2, noise: .given))
        #expect(given["expNoise"] == "f32[1, 4, 2, 8192]" && given["gumbel"] == "f32[1, 4, 2]" && given["rng"] == nil)
        let none = Self.inputs(model.stepProgram(batch: 1, guidance: .single, rows: 4, columns: 2, noise: .none))
        #expect(Set(none.keys) == ["grid", "tokens", "scale", "temperature", "maskCount"])
        let decode = model.decodeProgram(batch: 1, rows: 3, columns: 2, exposesImage: true)
        #expect(Self.inputs(decode) == ["tokens": "i32[1, 3, 2]"])
        #expect(Self.outputs(decode) == ["pixels": "u8[1, 48, 32, 3]", "image": "f32[1, 48, 32, 3]"])
        let encode = model.encodeProgram(batch: 1, rows: 3, columns: 2, exposesLatents: true)
        #expect(Self.inputs(encode) == ["image": "f32[1, 48, 32, 3]"])
        #expect(Self.outputs(encode) == ["tokens": "i32[1, 3, 2]", "latents": "f32[1, 3, 2, 64]"])
    }

    @Test("reference mode computes everything in f32; bf16 mode keeps logits and latents in f32")
    func precision() throws {
        let reference = try AmusedModel(preset: "amused-tiny", seed: 1, precision: .f32)
        for program in Self.programs(reference) {
            #expect(!program.operations.contains { $0.type.dtype == .bf16 })
        }
        let fast = try AmusedModel(preset: "amused-tiny", seed: 1)
        let step = fast.stepProgram(batch: 1, guidance: .both, rows: 4, columns: 4, noise: .generated)
        let guide = try #require(step.operations.first { $0.opcode == .guide })
        #expect(step.type(of: guide.operands[0]).dtype == .f32)
        let encode = fast.encodeProgram(batch: 1, rows: 1, columns: 1)
        let nearest = try #require(encode.operations.first { $0.opcode == .nearestCode })
        #expect(nearest.operands.allSatisfy { encode.type(of: $0).dtype == .f32 })
    }

    @Test("int8 mode is bf16 mode with int8 products in text encoder and transformer")
    func int8() throws {
        let (half, int8) = (
            try AmusedModel(preset: "amused-tiny", seed: 1),
            try AmusedModel(preset: "amused-tiny", seed: 1, precision: .int8)
        )
        #expect(int8.identity == half.identity)
        for (program, plain) in zip(Self.programs(int8), Self.programs(half)) {
            let isTokenizer = program.name == "decode" || program.name == "encode"
            for operation in program.operations where operation.opcode == .dot {
                #expect((operation.attributes.values["precision"] == .text("int8")) == !isTokenizer)
            }
            var stripped = program
            for index in stripped.operations.indices {
                stripped.operations[index].attributes.values["precision"] = nil
            }
            #expect(stripped == plain)
        }
    }

    @Test("sizes become token grids or clear errors")
    func sizes() throws {
        let small = try AmusedModel(preset: "amused-256", seed: 1)
        #expect(try small.grid(width: 256, height: 128) == (8, 16))
        #expect(small.defaultSize == 256)
        let large = try AmusedModel(preset: "amused-512", seed: 1)
        #expect(try large.grid(width: 512, height: 512) == (32, 32))
        for (width, height) in [(0, 256), (-16, 256), (250, 256), (1 << 40, 1 << 40), (Int.max - 15, 16), (2048, 1024)]
        {
            #expect(throws: ModelError.self) { try small.grid(width: width, height: height) }
        }
        let error = #expect(throws: ModelError.self) { try large.grid(width: 272, height: 512) }
        #expect(error?.description.contains("multiples of 32") == true)
    }

    @Test("an unknown preset is answered with the known ones")
    func presets() {
        let error = #expect(throws: ModelError.self) { try AmusedModel(preset: "amused-265", seed: 1) }
        #expect(error?.description.contains("did you mean amused-256?") == true)
    }

    @Test("generated models differ by preset and seed")
    func identities() throws {
        let first = try AmusedModel(preset: "amused-tiny", seed: 1)
        #expect(first.identity == (try AmusedModel(preset: "amused-tiny", seed: 1)).identity)
        #expect(first.identity != (try AmusedModel(preset: "amused-tiny", seed: 2)).identity)
        let sources = try first.sources(of: first.textProgram(batch: 1, guided: true))
        #expect(sources.values.allSatisfy { $0 == .generated(seed: 1) })
    }

    @Test("a missing weight is named before anything loads")
    func missing() throws {
        let folder = TemporaryFolder()
        folder.copy(from: Fixture.folder("amused_tiny512"))
        folder.remove(file: "vqvae/diffusion_pytorch_model.safetensors")
        folder.remove(file: "vqvae/diffusion_pytorch_model.fp16.safetensors")
        let name = "decoder.conv_out.bias"
        folder.write("vqvae/diffusion_pytorch_model.safetensors", safetensors("{}", dataByteCount: 0))
        let error = #expect(throws: CheckpointError.self) { try AmusedModel(folder: folder.path) }
        #expect(error?.description.contains(name) == true && error?.description.contains("more") == true)
    }

    @Test("built-in shapes fit the tokenizer of models without files")
    func tokenizer() throws {
        for preset in AmusedConfiguration.presets {
            let text = try AmusedConfiguration.preset(preset).text
            let tokenizer = CLIPTokenizer.byteLevel(vocabularySize: text.vocabularySize, maxLength: text.length)
            #expect(Int(tokenizer.startToken) == text.startToken && Int(tokenizer.endToken) == text.endToken)
            #expect(Int(tokenizer.padToken) == text.padToken)
            let ids = tokenizer.encode("a fox").ids
            #expect(ids.allSatisfy { $0 >= 0 && $0 < text.vocabularySize })
            #expect(text.pooledPosition(of: ids) == ids.count - 1)
        }
    }

    private static func programs(_ model: AmusedModel) -> [Program] {
        [
            model.textProgram(batch: 2, guided: true),
            model.stepProgram(batch: 2, guidance: .both, rows: 4, columns: 6, noise: .given, exposesLogits: true),
            model.decodeProgram(batch: 2, rows: 2, columns: 3, exposesImage: true),
            model.encodeProgram(batch: 2, rows: 2, columns: 3, exposesLatents: true),
            model.textEncoderProgram(batch: 2), model.transformerProgram(batch: 2, rows: 4, columns: 6),
        ]
    }

    private static func inputs(_ program: Program) -> [String: String] {
        var result: [String: String] = [:]
        for operation in program.operations where operation.opcode == .input {
            let name = operation.attributes.text("name")
            if !program.residentInputs.contains(name) { result[name] = describe(operation.type) }
        }
        return result
    }

    private static func outputs(_ program: Program) -> [String: String] {
        Dictionary(uniqueKeysWithValues: program.outputs.map { ($0.name, describe(program.type(of: $0.value))) })
    }

    private static func describe(_ type: TensorType) -> String { "\(type.dtype.rawValue)\(type.sizes)" }
}
