import Coordinator
import Models
import Program
import Protocol
import Tensor
import TestSupport
import Testing
import Worker

/// Clusters whose workers die and come back.
@Suite(.timeLimit(.minutes(10))) struct ClusterRecoveryTests {
    private static func mendable(_ change: (inout ClusterSettings) -> Void = { _ in }) -> ClusterSettings {
        twoWorkers {
            $0.restartLimit = 6
            $0.restartDelay = .milliseconds(10)
            change(&$0)
        }
    }

    private static func installDouble(_ cluster: Cluster) async throws {
        try await cluster.install("double", locals: [HandPrograms.double(0), HandPrograms.double(1)], sources: [:])
    }

    private static let doubled = (0..<8).map { Float(2 * $0) }

    @Test(arguments: ["w0", "w1"])
    func anIdleWorkerIsStartedAnewWithItsPrograms(name: String) async throws {
        let launcher = InProcessLauncher()
        try await withCluster(Self.mendable(), launcher: launcher, logger: testLogger) { cluster in
            try await Self.installDouble(cluster)
            // It comes back when what the loss looks like has been seen.
            launcher.hold()
            launcher.kill(name)
            while await cluster.status.state == "ready" { await Task.yield() }
            let lost = await cluster.status
            #expect(lost.state == "recovering" && lost.reason.contains(name))
            #expect(lost.workers.contains { $0.name == name && ["lost", "returning"].contains($0.state) })
            launcher.letGo()
            let report = try await cluster.call("double", request: 1, inputs: HandPrograms.input())
            #expect(report.outputs["whole"]?.floats == Self.doubled)
            let status = await cluster.status
            #expect(status.state == "ready" && status.epoch == 2 && status.reason.isEmpty)
            #expect(status.workers.map(\.restarts) == (name == "w0" ? [1, 0] : [0, 1]))
            let incidents = await cluster.incidents
            #expect(incidents.map(\.worker) == [name] && incidents[0].doing == "idle")
            #expect(incidents[0].absence.map { $0 > .zero && $0 <= incidents[0].age } == true)
        }
    }

    @Test func aCallInFlightIsInterruptedAndMayBeMadeAnew() async throws {
        let (running, started) = AsyncStream.makeStream(of: Void.self)
        let launcher = InProcessLauncher { _ in { WaitingEngine(abortFlag: $1, running: started) } }
        try await withCluster(Self.mendable(), launcher: launcher, logger: testLogger) { cluster in
            try await cluster.install(
                "step", locals: (0..<2).map { LocalProgram(name: "step", device: $0) }, sources: [:])
            var signs = running.makeAsyncIterator()
            for round in 1...2 {
                async let error = failure { _ = try await cluster.run("step", request: 4, inputs: [:]) }
                for _ in 0..<2 { await signs.next() }
                launcher.kill("w1")
                let outcome = await error
                guard case .interrupted("w1", 1, _, let doing) = outcome else {
                    return #expect(Bool(false), "\(String(describing: outcome))")
                }
                #expect(doing.hasPrefix("running step (request 4, step "))
                #expect(await cluster.status.workers[1].restarts == round)
            }
        }
    }

    /// The other worker waits for it in a collective, and is not taken for the one that hangs.
    @Test(arguments: ["w0", "w1"])
    func onlyTheWorkerThatHangsIsStartedAnew(name: String) async throws {
        let hang = Hang()
        defer { hang.release() }
        let settings = Self.mendable {
            $0.callDeadline = .seconds(2)
            $0.abortDeadline = .seconds(3)
        }
        try await withCluster(settings, launcher: hang.launcher, logger: testLogger) { cluster in
            try await Self.installDouble(cluster)
            _ = try await cluster.run("double", request: 1, inputs: HandPrograms.input())
            hang.strike(name)
            let error = await failure { _ = try await cluster.run("double", request: 1, inputs: HandPrograms.input()) }
            guard case .interrupted(name, _, let loss, "running double (request 1, step 1)") = error else {
                return #expect(Bool(false), "\(String(describing: error))")
            }
            #expect(loss.contains("hangs"))
            let report = try await cluster.call("double", request: 1, inputs: HandPrograms.input())
            #expect(report.outputs["whole"]?.floats == Self.doubled)
            #expect(await cluster.status.workers.map(\.restarts) == (name == "w0" ? [1, 0] : [0, 1]))
            let incidents = await cluster.incidents
            #expect(incidents.map(\.worker) == [name] && incidents[0].loss == loss)
        }
    }

    @Test func bothWorkersMayBeLostAtOnce() async throws {
        let launcher = InProcessLauncher()
        try await withCluster(Self.mendable(), launcher: launcher, logger: testLogger) { cluster in
            try await Self.installDouble(cluster)
            launcher.kill("w0")
            launcher.kill("w1")
            while await cluster.status.workers.contains(where: { $0.restarts == 0 }) { await Task.yield() }
            let report = try await cluster.call("double", request: 1, inputs: HandPrograms.input())
            #expect(report.outputs["whole"]?.floats == Self.doubled)
        }
    }

    @Test func aWorkerThatJoinsByItselfIsAwaited() async throws {
        let settings = Self.mendable { $0.workers[1].isLaunched = false }
        let cluster = Cluster(settings: settings, launcher: InProcessLauncher(), logger: testLogger)
        async let start: Void = cluster.start()
        func join() async -> any LaunchedWorker {
            while true {
                if let endpoint = await cluster.endpoint,
                    let worker = try? InProcessLauncher().launch(
                        LaunchOrder(name: "w1", connect: endpoint, clusterID: "harbour"), ended: { _ in })
                {
                    return worker
                }
                await Task.yield()
            }
        }
        let first = await join()
        try await start
        try await Self.installDouble(cluster)
        first.kill()
        while await cluster.status.state == "ready" { await Task.yield() }
        #expect(await cluster.status.workers[1].state == "lost")
        _ = await join()
        let report = try await cluster.call("double", request: 1, inputs: HandPrograms.input())
        #expect(report.outputs["whole"]?.floats == Self.doubled)
        await cluster.shutdown(reason: "done")
    }

    @Test func tooManyLossesEndTheCluster() async throws {
        let launcher = InProcessLauncher()
        let cluster = Cluster(
            settings: Self.mendable { $0.restartLimit = 2 }, launcher: launcher, logger: testLogger)
        try await cluster.start()
        try await Self.installDouble(cluster)
        for round in 1...2 {
            launcher.kill("w0")
            while await cluster.status.workers[0].restarts < round { await Task.yield() }
            _ = try await cluster.run("double", request: 1, inputs: HandPrograms.input())
        }
        launcher.kill("w0")
        while await cluster.status.state != "failed" { await Task.yield() }
        let error = await failure { _ = try await cluster.run("double", request: 1, inputs: HandPrograms.input()) }
        guard case .workerLostTooOften("w0", 0, _, 2, _, _) = error else {
            return #expect(Bool(false), "\(String(describing: error))")
        }
        await cluster.shutdown(reason: "done")
    }

    @Test func figuresOfAWorkerReachTheStatus() async throws {
        try await withCluster(twoWorkers(), launcher: InProcessLauncher(), logger: testLogger) { cluster in
            try await Self.installDouble(cluster)
            _ = try await cluster.run("double", request: 1, inputs: HandPrograms.input())
            func sent() async -> [[Int]] { await cluster.status.workers.map { $0.report?.sentByteCounts ?? [] } }
            while await sent() != [[0, 16], [16, 0]] { try await Task.sleep(for: .milliseconds(10)) }
            for report in await cluster.status.workers.compactMap(\.report) {
                #expect(report.residentByteCount > 1 << 20 && report.heldByteCount >= 320 && report.running == nil)
                #expect(report.computeTime > .zero && report.collectiveTime > .zero)
            }
        }
    }

    /// Workers die or hang at random steps of a picture, and the picture is the same.
    @Test(arguments: [(1, false), (2, false), (3, false), (4, true)] as [(UInt64, Bool)])
    func aPictureSurvivesLosses(seed: UInt64, isHang: Bool) async throws {
        let configuration = try ClusterConfiguration.parse("model: {preset: amused-tiny}\nmesh: {model: 2}\n")
        let model = try AmusedModel(preset: "amused-tiny", seed: 0)
        var request = GenerationRequest(prompt: "a lighthouse", seed: 5)
        request.steps = 6
        let fixed = request
        let settings = Self.mendable {
            $0.dtype = .bf16
            if isHang { ($0.callDeadline, $0.abortDeadline) = (.seconds(12), .seconds(6)) }
        }
        func generate(killing: [(step: Int, worker: String)]) async throws -> (GenerationResult, restarts: Int) {
            let hang = Hang()
            defer { hang.release() }
            let launcher = hang.launcher
            return try await withCluster(settings, launcher: launcher, logger: testLogger) { cluster in
                let loop = DecodingLoop(
                    model: try AmusedImageModel(model),
                    runner: ClusterRunner(
                        cluster: cluster, configuration: configuration, sources: try model.sources()),
                    requests: RequestIdentifiers())
                let result = try await loop.generate(fixed) { event in
                    guard case .stepped(let step) = event else { return }
                    for kill in killing where kill.step == step.done {
                        if isHang { hang.strike(kill.worker) } else { launcher.kill(kill.worker) }
                    }
                }
                return (result, await cluster.status.workers.reduce(0) { $0 + $1.restarts })
            }
        }
        var random = SeededGenerator(seed: seed)
        let kills = (0..<(isHang ? 1 : 2)).map { _ in
            (step: Int(random.next() % 6) + 1, worker: "w\(random.next() % 2)")
        }
        let (calm, _) = try await generate(killing: [])
        let (disturbed, restarts) = try await generate(killing: kills)
        #expect(restarts >= 1, "\(kills)")
        #expect(calm.pictures.map(\.pixels) == disturbed.pictures.map(\.pixels), "\(kills)")
    }
}
