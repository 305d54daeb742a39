import Coordinator
import Foundation
import Models
import Program
import Sharding
import Tensor
import Testing

@Suite struct ClusterConfigurationTests {
    @Test func everyKeyIsRead() throws {
        let configuration = try ClusterConfiguration.parse(
            """
            name: big-one
            model: {path: checkpoints/amused, dtype: f32, weights: file}
            generation: {steps: 16, guidance_scale: 4.5, temperature: 1}
            mesh: {model: 3, data: 1}
            rules: {heads: model, mlp: [model], batch: [data], rows: ~, vocab: [data, model]}
            overrides:
              - parameter: "transformer.*.wi"
                dimensions: [model, ~, [data]]
            workers:
              launcher: local
              threads: 2
              memory: 1.5GiB
              list:
                - {name: a, speed: 2.5}
                - {threads: 4, memory: 512 MiB}
                - {name: c}
            data_plane:
              {host: 10.0.0.1, join_deadline: 5s, load_deadline: 2m, collective_deadline: 1.5s, call_deadline: 1h}
            control: {host: "::1", port: 0}
            security: {key_file: cluster.key, data_plane: plain}
            server:
              {host: 0.0.0.0, port: 8001, queue: 7, keys: keys.txt, limits: {body: 1MiB, prompt: 1KiB, pictures: 4}}
            """, folder: "/etc/tessera/")
        #expect(configuration.name == "big-one")
        #expect(
            configuration.model
                == ModelSettings(
                    source: .path("/etc/tessera/checkpoints/amused"), dtype: .f32, weights: .file))
        #expect(configuration.generation == GenerationSettings(steps: 16, guidanceScale: 4.5, temperature: 1))
        #expect(configuration.mesh == Mesh([.init("model", 3), .init("data", 1)], speeds: [2.5, 1, 1]))
        #expect(
            configuration.rules
                == LogicalAxisRules(
                    ["heads": ["model"], "mlp": ["model"], "batch": ["data"], "rows": [], "vocab": ["data", "model"]],
                    overrides: [.init(pattern: "transformer.*.wi", dims: [["model"], [], ["data"]])]))
        #expect(
            configuration.workers == [
                WorkerSettings(name: "a", threads: 2, memoryByteCount: 3 << 29, speed: 2.5),
                WorkerSettings(name: "worker-1", threads: 4, memoryByteCount: 512 << 20),
                WorkerSettings(name: "c", threads: 2, memoryByteCount: 3 << 29),
            ])
        #expect(
            configuration.dataPlane
                == DataPlaneSettings(
                    host: "10.0.0.1", joinDeadline: .seconds(5), loadDeadline: .seconds(120),
                    collectiveDeadline: .milliseconds(1500), callDeadline: .seconds(3600)))
        #expect(configuration.control == NetworkAddress(host: "::1", port: 0))
        #expect(
            configuration.security == SecuritySettings(keyFile: "/etc/tessera/cluster.key", linkEncryption: .none))
        #expect(
            configuration.server
                == ServerSettings(
                    address: NetworkAddress(host: "0.0.0.0", port: 8001), queueLimit: 7,
                    keysPath: "/etc/tessera/keys.txt",
                    limits: .init(bodyByteCount: 1 << 20, promptByteCount: 1024, pictures: 4),
                    jobs: .file("/etc/tessera/cluster.jobs.sqlite")))
        #expect(configuration.warnings.isEmpty)
    }

    @Test func generationFillsInWhatARequestLeavesOpen() {
        let settings = GenerationSettings(steps: 16, guidanceScale: 4.5, temperature: 1)
        var open = GenerationRequest(prompt: "a fox")
        settings.complete(&open)
        #expect(open.steps == 16 && open.guidanceScale == 4.5 && open.temperature == TemperatureRange(1))
        var given = GenerationRequest(prompt: "a fox")
        (given.steps, given.guidanceScale) = (3, 1)
        settings.complete(&given)
        #expect(given.steps == 3 && given.guidanceScale == 1 && given.temperature == TemperatureRange(1))
        var untouched = GenerationRequest(prompt: "a fox")
        GenerationSettings().complete(&untouched)
        #expect(untouched == GenerationRequest(prompt: "a fox"))
    }

    @Test func theShortestFileIsOneDevice() throws {
        let configuration = try ClusterConfiguration.parse("model: {preset: amused-256}")
        #expect(configuration.mesh == .single)
        #expect(configuration.workers == [WorkerSettings(name: "worker-0")])
        #expect(configuration.model == ModelSettings(source: .preset("amused-256"), weights: .generated))
        #expect(configuration.rules == LogicalAxisRules([:]))
        #expect(configuration.control == ClusterConfiguration.defaultControl)
    }

    @Test func seedsTakeAll64Bits() throws {
        let model = try ClusterConfiguration.parse("model: {preset: amused-512, seed: 18446744073709551615}").model
        #expect(model == ModelSettings(source: .preset("amused-512"), weights: .generated, seed: .max))
    }

    @Test(arguments: ModelPrecision.allCases) func precisionsAreRead(precision: ModelPrecision) throws {
        let model = try ClusterConfiguration.parse("model: {preset: amused-tiny, dtype: \(precision.rawValue)}").model
        #expect(model.dtype == precision)
        #expect(try ModelLoader.open(model).precision == precision)
    }

    @Test func presetsOpen() throws {
        for preset in ModelSettings.presets {
            let settings = ModelSettings(source: .preset(preset), dtype: .f32, weights: .generated, seed: 3)
            #expect(try ModelLoader.open(settings).precision == .f32)
        }
        #expect(throws: (any Error).self) {
            _ = try ModelLoader.open(ModelSettings(source: .path("/nowhere"), weights: .file))
        }
    }

    @Test func museLeavesTheTextEncoderOpen() throws {
        let text = "model: {preset: muse-tiny, text_encoder: t5-small}"
        let configuration = try ClusterConfiguration.parse("\(text)\ngeneration: {guidance_schedule: constant}")
        #expect(configuration.model.textEncoder == "t5-small")
        #expect(configuration.generation.guidanceSchedule == .constant)
        let model = try #require(try ModelLoader.load(configuration.model) as? MuseImageModel)
        #expect(model.model.configuration.text.hiddenSize == 512)
        #expect(model.model.configuration.transformer.textSize == 512)
        for wrong in [
            "model: {preset: muse-tiny, text_encoder: t5-smal}", "model: {preset: amused-tiny, text_encoder: t5-small}",
            "model: {path: /nowhere, text_encoder: t5-small}", "{\(text), generation: {guidance_schedule: bent}}",
        ] {
            #expect(throws: ConfigurationError.self) { try ClusterConfiguration.parse(wrong) }
        }
    }

    @Test func meshAxesKeepTheirOrder() throws {
        for names in [["data", "guidance", "model"], ["model", "guidance", "data"], ["guidance", "model", "data"]] {
            let mesh = names.map { "\($0): 2" }.joined(separator: ", ")
            let configuration = try ClusterConfiguration.parse("{model: {preset: amused-tiny}, mesh: {\(mesh)}}")
            #expect(configuration.mesh.axes.map(\.name) == names)
            #expect(configuration.workers.count == 8)
        }
    }

    @Test func rulesFollowFromAxisNames() throws {
        let configuration = try ClusterConfiguration.parse(
            "{model: {preset: amused-tiny}, mesh: {guidance: 2, model: 2}}")
        #expect(
            configuration.rules.rules == [
                "guidance": ["guidance"], "heads": ["model"], "mlp": ["model"], "vocab": ["model"],
                "rows": ["guidance", "model"], "sampling": ["guidance"],
            ])
    }

    @Test func flagsWinOverTheFileAndTheFileOverTheEnvironment() throws {
        func port(_ file: String, environment: String?, flag: String?) throws -> Int {
            try ClusterConfiguration.parse(
                "model: {preset: amused-tiny}\n" + file,
                environment: environment.map { ["TESSERA_CONTROL_PORT": $0] } ?? [:],
                flags: flag.map { ["control.port": $0] } ?? [:]
            ).control.port
        }
        let file = "control: {port: 2}"
        #expect(try port("", environment: nil, flag: nil) == 29600)
        #expect(try port("", environment: "1", flag: nil) == 1)
        #expect(try port(file, environment: "1", flag: nil) == 2)
        #expect(try port(file, environment: "1", flag: "3") == 3)
        #expect(try port("", environment: "", flag: nil) == 29600)
    }

    @Test func aModelOfAHigherLayerReplacesTheFiles() throws {
        let file = "model: {preset: amused-tiny}"
        let flagged = try ClusterConfiguration.parse(file, folder: "/x/", flags: ["model.path": "here"])
        #expect(flagged.model.source == .path("here"))
        let inherited = try ClusterConfiguration.parse(file, environment: ["TESSERA_MODEL_PATH": "/there"])
        #expect(inherited.model.source == .preset("amused-tiny"))
        let replaced = try ClusterConfiguration.parse("model: {path: m}", flags: ["model.preset": "amused-512"])
        #expect(replaced.model == ModelSettings(source: .preset("amused-512"), weights: .generated))
    }

    @Test func problemsOfOtherLayersNameThem() throws {
        let error = try #require(throws: ConfigurationError.self) {
            _ = try ClusterConfiguration.parse(
                "model: {preset: amused-tiny}", file: "c.yaml", environment: ["TESSERA_MODEL_DTYPE": "fp32"],
                flags: ["control.prot": "1", "server.port": "x"])
        }
        #expect(
            error.rendered == """
                environment variable TESSERA_MODEL_DTYPE: error: model.dtype: unknown value 'fp32'
                      did you mean 'f32'? allowed: bf16, int8, f32
                --set server.port=x: error: server.port: 'x' is not a whole number from 0 to 65535
                --set control.prot: error: no setting has this name
                      did you mean 'control.port'?
                c.yaml: 3 errors
                """)
    }

    @Test func warningsDoNotStopAFile() throws {
        let configuration = try ClusterConfiguration.parse(
            "{model: {preset: amused-tiny}, mesh: {model: 2, data: 2}, rules: {heads: model}}")
        #expect(
            configuration.warnings.map(\.description) == [
                "1:49: warning: mesh.data: no rule uses this axis: its devices would all do the same work"
            ])
    }

    @Test func filesThatCannotBeReadSayWhy() throws {
        func message(_ path: String) throws -> String {
            try #require(throws: ConfigurationError.self) { _ = try ClusterConfiguration.load(path: path) }.rendered
        }
        let folder = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let file = folder.appending(path: "c.yaml")
        #expect(try message(file.path).contains("cannot be read: no such file or directory"))
        #expect(try message(folder.path).contains("cannot be read: is a directory"))
        try Data(repeating: 0xFF, count: 10).write(to: file)
        #expect(try message(file.path).contains("it is not UTF-8 text"))
        try Data(repeating: 0x20, count: 2 << 20).write(to: file)
        #expect(try message(file.path).contains("it has more than 1048576 bytes"))
        try Data("model: {path: nowhere}".utf8).write(to: file)
        #expect(try message(file.path).contains("model.path: there is no folder '\(folder.path)/nowhere'"))
        try Data("model: {path: .}".utf8).write(to: file)
        #expect(try ClusterConfiguration.load(path: file.path).model.source == .path("\(folder.path)/."))
    }

    @Test(arguments: [
        String(repeating: "[", count: 100_000), String(repeating: "- ", count: 100_000),
        String(repeating: "? ", count: 50_000), String(repeating: "{a: ", count: 5_000),
        (0..<400).map { String(repeating: " ", count: $0) + "a:" }.joined(separator: "\n"),
        "a: &a [x, x]\nb: &b [*a, *a]\n? *b\n: 1", "\"" + String(repeating: "[", count: 900) + "\": 1",
        "x: '\n" + String(repeating: "[", count: 900), "# '\nx: " + String(repeating: "[", count: 900),
        "it's: " + String(repeating: "[", count: 900), "model: \0", "\u{FEFF}model: [", "<<: {a: b}",
        "%YAML 9.9\n---\nmodel: 1", "---\na: 1\n---\nb: 2", "!!binary x: !!set y",
        "model: \(String(repeating: "x", count: 500_000))",
    ])
    func hostileTextIsAnErrorAndNothingWorse(text: String) throws {
        let error = try #require(throws: ConfigurationError.self) { _ = try ClusterConfiguration.parse(text) }
        #expect(error.problems.contains { $0.severity == .error })
        #expect(error.rendered.utf8.count < 10_000)
    }
}
