import Coordinator
import Foundation
import Program
import Sharding
import Tensor
import Testing

/// `mesh: auto`, `links` and `profile` in the cluster file.
@Suite struct MachineSettingsTests {
    private static let automatic = """
        model: {preset: amused-tiny}
        mesh: auto
        workers: {count: 3, threads: 2}

        """

    private func sample() -> MachineProfile {
        var profile = MachineProfile(
            workers: ["worker-1", "worker-0"].map { name in
                MachineProfile.Worker(
                    name: name, origin: .measured, cores: 4,
                    matrixRates: [.init(precision: .bf16, rows: 512, depth: 2048, columns: 2048, rate: 7e11)],
                    attentionRate: 1e11, elementRate: 2e9, memoryBandwidth: 12.5e9, instructionSeconds: 3e-6)
            })
        profile[0, 1] = .init(latency: 30e-6, bandwidth: 1.7e9, origin: .measured)
        profile[1, 0] = .init(latency: 40e-6, bandwidth: 1.6e9, origin: .measured)
        return profile
    }

    @Test func automaticMeshNeedsNoSizes() throws {
        let configuration = try ClusterConfiguration.parse(Self.automatic)
        #expect(configuration.automatic == .latency)
        #expect(configuration.workers.count == 3)
        #expect(configuration.warnings.isEmpty)
        let other = try ClusterConfiguration.parse(Self.automatic + "objective: throughput\n")
        #expect(other.automatic == .throughput)
        let flagged = try ClusterConfiguration.parse(
            "model: {preset: amused-tiny}\nmesh: {model: 2}\nworkers: {count: 2}\n", flags: ["mesh": "auto"])
        #expect(flagged.automatic == .latency)
    }

    @Test func theChosenMeshTakesTheConfigurationsPlace() throws {
        let configuration = try ClusterConfiguration.parse(
            Self.automatic + "links: {latency: 20us, bandwidth: 40Gbit/s}\n")
        let (resolved, choice) = try configuration.resolved()
        let best = try #require(choice?.best)
        #expect(resolved.automatic == nil)
        #expect(resolved.mesh.deviceCount == resolved.workers.count)
        #expect(resolved.mesh == best.mesh)
        #expect(resolved.workers.map(\.name) == best.workers)
        #expect(resolved.batchDivisor == 1)
        #expect(choice?.compiledCount ?? 0 > 3)
        _ = try resolved.plan()
        let again = try configuration.resolved().choice
        #expect(again == choice)
    }

    @Test func memoryThatNothingFitsIsAnError() throws {
        let configuration = try ClusterConfiguration.parse(
            "model: {preset: amused-tiny}\nmesh: auto\nworkers: {count: 2, memory: 1MiB}\n")
        let error = try #require(throws: MeshSearchError.self) { _ = try configuration.resolved() }
        #expect("\(error)".contains("worker-1 needs"))
    }

    @Test func pairsWinOverTheProfileAndTheProfileOverTheRest() throws {
        var configuration = try ClusterConfiguration.parse(
            Self.automatic + """
                links:
                  latency: 1ms
                  bandwidth: 100MB/s
                  pairs:
                    - {between: [worker-2, worker-0], bandwidth: 10Gbit/s}
                """)
        configuration.measured = sample()
        let profile = configuration.machineProfile
        #expect(profile.workers.map(\.origin) == [.measured, .measured, .assumed])
        #expect(profile.workers[0].memoryBandwidth == 12.5e9)
        #expect(profile[1, 0] == .init(latency: 30e-6, bandwidth: 1.7e9, origin: .measured))
        #expect(profile[0, 1] == .init(latency: 40e-6, bandwidth: 1.6e9, origin: .measured))
        #expect(profile[1, 2].bandwidth == 100e6)
        #expect(profile[1, 2].origin == .configured)
        #expect(profile[0, 2].bandwidth == 1.25e9)
        #expect(abs(profile[2, 0].latency - 1e-3) < 1e-12)
        #expect(profile.linkCosts.bandwidth == 100e6)
        #expect(!profile.isMeasured)
    }

    @Test func withoutFiguresTheCompilersOwnChoiceHolds() throws {
        let configuration = try ClusterConfiguration.parse("model: {preset: amused-tiny}\nmesh: {model: 2}\n")
        #expect(configuration.compilerOptions.links == CompilerOptions().links)
    }

    @Test func partialSumsInTheActivationTypeAreAskedForByNameAndThePlanSaysSo() throws {
        let file = "model: {preset: amused-tiny}\nmesh: {model: 2}\n"
        let usual = try ClusterConfiguration.parse(file)
        #expect(usual.compilerOptions.partialSums == .f32)
        #expect(try !usual.plan().text().contains("change pixels"))
        let asked = try ClusterConfiguration.parse(file + "partial_sums: activations\n")
        #expect(asked.compilerOptions.partialSums == .activations)
        #expect(asked.warnings.isEmpty)
        let (plan, wide) = (try asked.plan(), try usual.plan())
        #expect(plan.inexactSettings == ["partial_sums: activations"])
        #expect(plan.text().hasSuffix("These settings change pixels between meshes: partial_sums: activations"))
        #expect(zip(plan.programs, wide.programs).allSatisfy { $0.sentBytes.reduce(0, +) <= $1.sentBytes.reduce(0, +) })
        #expect(plan.programs[1].sentBytes.reduce(0, +) < wide.programs[1].sentBytes.reduce(0, +))
    }

    @Test func partialSumsOfAnF32ModelAreF32() throws {
        let configuration = try ClusterConfiguration.parse(
            "model: {preset: amused-tiny, dtype: f32}\nmesh: {model: 2}\npartial_sums: activations\n")
        #expect(configuration.warnings.map(\.keyPath) == ["partial_sums"])
        #expect(configuration.inexactSettings.isEmpty)
        let error = try #require(throws: ConfigurationError.self) {
            _ = try ClusterConfiguration.parse("model: {preset: amused-tiny}\npartial_sums: bf16\n")
        }
        #expect(error.problems.map(\.keyPath) == ["partial_sums"])
        #expect("\(error)".contains("activations"))
    }

    @Test func messagesAsInt8AreAskedForByNameAndThePlanSaysSo() throws {
        let file = "model: {preset: amused-256}\nmesh: {model: 2}\n"
        let usual = try ClusterConfiguration.parse(file)
        #expect(usual.compilerOptions.wire == .exact)
        let asked = try ClusterConfiguration.parse(file + "wire: int8\n")
        #expect(asked.compilerOptions.wire == .int8 && asked.warnings.isEmpty)
        let (plan, plain) = (try asked.plan(), try usual.plan())
        #expect(plan.inexactSettings == ["wire: int8"])
        #expect(plan.text().hasSuffix("These settings change pixels between meshes: wire: int8"))
        // Partial sums of four bytes and results of two become one and a thirty-second each.
        #expect(2 * plan.programs[1].sentBytes.reduce(0, +) < plain.programs[1].sentBytes.reduce(0, +))
    }

    @Test(arguments: ["dtype: f32}\nmesh: {model: 2}", "dtype: bf16}\nmesh: {model: 1}"])
    func messagesAsInt8WhereThereAreNoneGetAWarning(file: String) throws {
        let configuration = try ClusterConfiguration.parse("model: {preset: amused-tiny, \(file)\nwire: int8\n")
        #expect(configuration.warnings.map(\.keyPath) == ["wire"])
        #expect(configuration.warnings.contains { "\($0)".contains("has no effect") })
        #expect(configuration.inexactSettings.isEmpty && configuration.compilerOptions.wire == .exact)
    }

    @Test func allProblemsOfHowThingsTravelAreSaidAtOnce() {
        let error = #expect(throws: ConfigurationError.self) {
            try ClusterConfiguration.parse("model: {preset: amused-tiny}\nwire: int4\npartial_sums: f16\n")
        }
        #expect("\(error, default: "")".contains("exact") && "\(error, default: "")".contains("activations"))
        #expect("\(error, default: "")".contains("int4") && "\(error, default: "")".contains("f16"))
    }

    @Test func aProfileReadsBackAsItWasWritten() throws {
        let bytes = ProfileFile.encode(sample())
        #expect(try ProfileFile.decode(bytes, path: "p.json") == sample())
    }

    @Test(arguments: [
        ("", "it is not JSON"), ("{}", "'version' is missing"), ("[1]", "another kind"),
        (#"{"version":2,"workers":[],"links":[]}"#, "version 2"),
        (#"{"version":1,"workers":[],"links":[]}"#, "0 workers"),
    ])
    func aFileThatIsNoProfileIsRefused(text: String, reason: String) throws {
        let error = try #require(throws: ProfileError.self) {
            _ = try ProfileFile.decode(Array(text.utf8), path: "p.json")
        }
        #expect("\(error)".contains(reason), "\(error)")
        #expect("\(error)".contains("p.json"))
    }

    @Test(arguments: ["\"flopsPerSecond\" : 700000000000", "\"latencySeconds\" : 3e-05", "\"cores\" : 4"])
    func impossibleFiguresAreRefused(figure: String) throws {
        let text = String(decoding: ProfileFile.encode(sample()), as: UTF8.self)
        try #require(text.contains(figure), "\(text)")
        let key = figure.prefix { $0 != ":" }
        let changed = text.replacingOccurrences(of: figure, with: "\(key): -1")
        #expect(throws: ProfileError.self) { _ = try ProfileFile.decode(Array(changed.utf8), path: "p.json") }
    }

    @Test func theFileNamesItsProfile() throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "profile-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        try ProfileFile.write(sample(), to: folder.appending(path: "machines.json").path)
        let file = folder.appending(path: "cluster.yaml")
        try (Self.automatic + "profile: machines.json\n").write(to: file, atomically: true, encoding: .utf8)
        let configuration = try ClusterConfiguration.load(path: file.path)
        #expect(configuration.measured == sample())
        #expect(configuration.warnings.map(\.message).contains { $0.contains("no figures of worker-2") })
        try (Self.automatic + "profile: absent.json\n").write(to: file, atomically: true, encoding: .utf8)
        let error = try #require(throws: ConfigurationError.self) {
            _ = try ClusterConfiguration.load(path: file.path)
        }
        #expect(error.problems.first?.keyPath == "profile")
        #expect(error.description.contains("tessera calibrate"))
    }
}
