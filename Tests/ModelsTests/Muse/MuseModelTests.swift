import Models
import Program
import Tensor
import Testing

@Suite("Muse models")
struct MuseModelTests {
    private func count(_ model: MuseModel, _ part: String) -> Int {
        model.parameters.values.filter { $0.part == part }.reduce(0) { $0 + $1.fileDims.reduce(1, *) }
    }

    @Test("the published shapes have about the published parameter counts")
    func counts() throws {
        let large = try MuseModel(preset: "muse-3b", seed: 1)
        // 48 layers of 8·d² + 2·d·4d, two tables of 8192 (and a mask token), positions, head, projection and norms.
        let (d, layers) = (2048, 48)
        let blocks = layers * (16 * d * d + 3 * d)
        #expect(count(large, "transformer") == blocks + 8193 * d + 8192 * d + 32 * d + d * d + 512 * d + d)
        let paper = try MuseModel(preset: "muse-3b", textEncoder: "t5-xxl", seed: 1)
        #expect(count(paper, "transformer") - count(large, "transformer") == (4096 - 512) * d)
        // Without the embedding table, whose vocabulary is the byte tokenizer's.
        #expect(count(paper, "text_encoder") - 384 * 4096 == 4_630_714_368)
        let small = try MuseModel(preset: "muse-632m", seed: 1)
        #expect((615_000_000...640_000_000).contains(count(small, "transformer")))
    }

    @Test("steps read exactly what the text program leaves", arguments: GuidanceRows.allCases)
    func residents(rows: GuidanceRows) throws {
        let model = try MuseModel(preset: "muse-tiny", seed: 1)
        let text = model.textProgram(batch: 1, guided: rows != .single)
        let step = model.stepProgram(batch: 3, guidance: rows, rows: 4, columns: 6, noise: .generated)
        let read = try step.residentsRead(slots: 3)[0]
        #expect(try step.residentsRead(slots: 3) == .init(repeating: text.residentsLeft, count: 3))
        #expect(read["layers.2.cross_attention.value"]?.sizes == [rows == .single ? 1 : 2, 1, 64, 6, 16])
        #expect(step.name == (rows == .conditional ? "conditionalStep" : "step"))
        let products = step.operations.filter { $0.opcode == .dot }
        #expect(products.allSatisfy { $0.type.sizes[0] == (rows == .both ? 2 : 1) })
    }

    @Test("annotations name known axes, and splittable dimensions have granules", arguments: MuseConfiguration.presets)
    func annotations(preset: String) throws {
        for program in Self.programs(try MuseModel(preset: preset, seed: 1)) {
            for operation in program.operations where !operation.axes.isEmpty {
                #expect(operation.axes.count == operation.type.rank)
                #expect(operation.axes.allSatisfy { $0.map(GraphAxis.all.contains) ?? true })
                let named = zip(operation.axes, operation.type.dims).filter { $0.0 != nil && $0.1.size > 1 }
                let isSplittable = named.allSatisfy { $0.1.granuleCount > 1 || $0.1.size == 2 }
                #expect(isSplittable, "\(program.name) \(operation.opcode) \(operation.scope)")
            }
        }
    }

    @Test("every program of every preset reads back as it was", arguments: MuseConfiguration.presets)
    func text(preset: String) throws {
        for program in Self.programs(try MuseModel(preset: preset, seed: 1)) {
            #expect(try ProgramParser.parse(ProgramPrinter(program).text) == program, "\(preset) \(program.name)")
        }
    }

    @Test("one weight has one view in all programs")
    func views() throws {
        let model = try MuseModel(preset: "muse-tiny", seed: 1)
        var seen: [String: ParameterSpec] = [:]
        for program in Self.programs(model) {
            for (name, spec) in program.parameters {
                #expect(seen[name] == nil || seen[name] == spec, "\(name)")
                #expect(spec.name == "\(spec.part).\(spec.tensor)")
                seen[name] = spec
            }
        }
        #expect(Set(seen.keys) == Set(model.parameters.keys))
    }

    @Test("a model is saved and opened again; its fingerprint is its files'")
    func saving() throws {
        let scratch = TemporaryFolder()
        let model = try MuseModel(preset: "muse-tiny", seed: 3)
        let folder = "\(scratch.path)/model"
        try model.save(to: folder, dtype: .bf16) { spec, dtype in
            [UInt8](repeating: 1, count: spec.fileDims.reduce(dtype.byteCount, *))
        }
        let opened = try MuseModel(folder: folder)
        #expect(opened.configuration == model.configuration)
        #expect(opened.parameters == model.parameters)
        guard case .checkpoint(let checkpoint) = opened.weights else {
            Issue.record("a folder is a checkpoint")
            return
        }
        for (part, files) in checkpoint.parts {
            let specs = model.parameters.values.filter { $0.part == part }
            #expect(Set(specs.map(\.tensor)) == Set(files.tensors.keys), "\(part)")
        }
        let types = try opened.sources().mapValues { source -> DType? in
            if case .file(_, let offset, let dtype) = source { offset % 4 == 0 ? dtype : nil } else { nil }
        }
        #expect(types["transformer.layers.0.mlp.in.weight"] == .bf16)
        #expect(types["transformer.layers.0.mlp.norm.weight"] == .f32)
        #expect(types["vqgan.quantize.embedding.weight"] == .f32)
        // Nothing is overwritten.
        #expect(throws: CheckpointError.self) {
            try model.save(to: folder, dtype: .f32) { _, _ in [] }
        }
    }

    @Test("what is wrong with a folder is said by file and key")
    func damage() throws {
        let damages = [
            ("model.json", "\"muse\"", "\"mouse\"", "family"),
            ("model.json", "\"linear\"", "\"bent\"", "guidance_schedule"),
            ("model.json", "\"steps\": 8", "\"steps\": 0", "steps"),
            ("model.json", "\"temperature\": 4.5", "\"temperature\": -1", "temperature"),
            ("transformer/config.json", "\"heads\": 6", "\"heads\": 7", "heads does not divide"),
            ("transformer/config.json", "\"text_size\": 48", "\"text_size\": 49", "text_size is not"),
            ("text_encoder/config.json", "\"bytes\"", "\"sentencepiece\"", "tokenizer"),
            ("text_encoder/config.json", "\"vocab_size\": 384", "\"vocab_size\": 258", "no room"),
            ("text_encoder/config.json", "\"gated-gelu\"", "\"relu\"", "feed_forward_proj"),
            ("vqgan/config.json", "\"groups\": 4", "\"groups\": 5", "groups does not divide"),
            ("vqgan/config.json", "\"codes\": 256", "\"codes\": 255", "exceeds"),
        ]
        let files = try MuseConfiguration.preset("muse-tiny").files
        for (name, old, new, says) in damages {
            let folder = TemporaryFolder()
            for (path, text) in files {
                let damaged = path == name ? text.replacing(old, with: new) : text
                #expect(path != name || damaged != text, "\(name) holds \(old)")
                folder.write(path, damaged.utf8)
            }
            let error = #expect(throws: CheckpointError.self) { try MuseConfiguration.read(folder: folder.path) }
            #expect(error?.description.contains(says) == true, "\(String(describing: error)) says \(says)")
        }
    }

    @Test("an unknown preset or text encoder is named, with the known ones")
    func presets() {
        let preset = #expect(throws: ModelError.self) { try MuseModel(preset: "muse-3", seed: 1) }
        #expect(preset?.description.contains("did you mean muse-3b?") == true)
        let encoder = #expect(throws: ModelError.self) {
            try MuseModel(preset: "muse-tiny", textEncoder: "t5-smal", seed: 1)
        }
        #expect(encoder?.description.contains("did you mean t5-small?") == true)
    }

    @Test("generated models are told apart")
    func identities() throws {
        let one = try MuseModel(preset: "muse-tiny", seed: 1)
        #expect(one.identity == (try MuseModel(preset: "muse-tiny", seed: 1)).identity)
        #expect(one.identity != (try MuseModel(preset: "muse-tiny", seed: 2)).identity)
        #expect(one.identity != (try MuseModel(preset: "muse-tiny", textEncoder: "t5-small", seed: 1)).identity)
    }

    @Test("int8 marks products with weights of the text encoder and the transformer")
    func int8() throws {
        let model = try MuseModel(preset: "muse-tiny", seed: 1, precision: .int8)
        func marked(_ program: Program) -> Int {
            program.operations.count { $0.attributes.values["precision"] != nil }
        }
        #expect(marked(model.textProgram(batch: 1, guided: true)) == 2 * 7 + 1 + 3 * 2)
        let step = model.stepProgram(batch: 1, guidance: .both, rows: 8, columns: 8, noise: .generated)
        #expect(marked(step) == 3 * 8 + 2)
        #expect(marked(model.decodeProgram(batch: 1, rows: 8, columns: 8)) == 0)
    }

    private static func programs(_ model: MuseModel) -> [Program] {
        let side = model.configuration.transformer.gridSize
        return [
            model.textProgram(batch: 2, guided: true, exposesFeatures: true),
            model.stepProgram(
                batch: 2, guidance: .both, rows: side, columns: side, noise: .given, exposesLogits: true),
            model.stepProgram(batch: 2, guidance: .conditional, rows: 4, columns: 6, noise: .generated),
            model.stepProgram(batch: 1, guidance: .single, rows: 4, columns: 6, noise: .none),
            model.decodeProgram(batch: 2, rows: 2, columns: 3, exposesImage: true),
            model.encodeProgram(batch: 2, rows: 2, columns: 3, exposesLatents: true),
        ]
    }
}
