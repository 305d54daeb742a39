import Coordinator
import Foundation
import Logging
import Program
import Protocol
import Tensor
import Testing
import Transport
import Worker

/// A peer of the coordinator that a test plays by hand.
private struct HandPeer {
    let client: ControlClient
    /// True from when it is to say nothing by itself any more.
    private let isSilent = ConditionLock(false)
    private var events: AsyncStream<ControlEvent>.Iterator

    init(_ endpoint: String) throws {
        client = try ControlClient(connect: endpoint, logger: testLogger)
        events = client.events.makeAsyncIterator()
    }

    func say(_ message: Message, epoch: UInt32 = 0, cluster: String = "harbour", version: UInt32? = nil) throws {
        let envelope = Envelope(clusterID: cluster, epoch: epoch, message: message)
        client.send(try version.map { try Codec.encode(envelope, version: $0) } ?? Codec.encode(envelope))
    }

    /// Gives signs of life from a thread of its own, whatever keeps the test's task waiting.
    func beat() throws {
        let (client, isSilent) = (client, isSilent)
        let sign = try Codec.encode(
            Envelope(clusterID: "harbour", epoch: 0, message: .heartbeat(Heartbeat(sequence: 1, steps: 0))))
        _ = try NamedThread(name: "beats") {
            while isSilent.wait(milliseconds: 100, { $0 ? true : nil }) == nil { client.send(sign) }
        }
    }

    /// Gives no more signs of life.
    func fallSilent() { isSilent.update { $0 = true } }

    mutating func next() async throws -> Message? {
        while let event = await events.next() {
            guard case .message(_, let bytes) = event else { continue }
            let message = try Codec.decode(bytes).message
            if case .heartbeat = message { continue }
            return message
        }
        return nil
    }
}

@Suite struct ClusterFaultTests {
    private static let hello = Hello(worker: "w0", isa: "", cpuCount: 1, memoryByteCount: 1, processID: 1, host: "h")

    private static func one(_ change: (inout ClusterSettings) -> Void = { _ in }) -> ClusterSettings {
        // A played peer says nothing by itself.
        var settings = ClusterSettings(
            name: "harbour", workers: [.init(name: "w0", isLaunched: false)], dtype: .f32, joinDeadline: .seconds(120),
            silence: .seconds(120))
        change(&settings)
        return settings
    }

    private static func endpoint(of cluster: Cluster) async -> String {
        while true {
            if let endpoint = await cluster.endpoint { return endpoint }
            await Task.yield()
        }
    }

    private static func join(_ peer: inout HandPeer) async throws {
        try peer.say(.hello(hello))
        try peer.beat()
        _ = try await peer.next()
        try peer.say(.bound(Bound(endpoint: "tcp://127.0.0.1:1")))
        _ = try await peer.next()
        try peer.say(.ready, epoch: 1)
    }

    /// The code of the cluster's answer to a client.
    private static func code(_ body: () async throws -> Void) async -> String? {
        do {
            try await body()
            return nil
        } catch {
            return (error as? ClientError)?.code ?? (error as? ProtocolError)?.code.rawValue
        }
    }

    @Test func aWorkerThatNeverSaysHelloIsNamed() async throws {
        let settings = twoWorkers {
            $0.workers[1].isLaunched = false
            $0.joinDeadline = .seconds(1)
        }
        let error = await failure {
            try await Cluster(settings: settings, launcher: InProcessLauncher(), logger: testLogger).start()
        }
        guard case .startFailed("harbour", let problems)? = error else {
            return #expect(Bool(false), "\(String(describing: error))")
        }
        #expect(problems.count == 2 && problems[0].contains("w1"))
        #expect(problems.last?.hasPrefix("start w1 with: tessera worker --connect tcp://127.0.0.1:") == true)
    }

    @Test func anotherBuildIsNamedWithBothVersions() async throws {
        let settings = twoWorkers { $0.buildVersion = "9.9.9" }
        let error = await failure {
            try await Cluster(settings: settings, launcher: InProcessLauncher(), logger: testLogger).start()
        }
        let text = "\(error!)"
        #expect(error?.code == "startFailed" && text.contains("9.9.9") && text.contains(ProtocolVersion.build))
    }

    @Test func anotherProtocolVersionAndGarbageAreTurnedAwayAndNamed() async throws {
        let cluster = Cluster(settings: Self.one(), launcher: nil, logger: testLogger)
        async let start = failure { try await cluster.start() }
        let endpoint = await Self.endpoint(of: cluster)
        var old = try HandPeer(endpoint)
        try old.say(.hello(Self.hello), version: 9)
        guard case .reject("version", let text)? = try await old.next() else { return #expect(Bool(false), "taken") }
        #expect(text.contains("version 9") && text.contains("version \(ProtocolVersion.current)"))
        var noise = try HandPeer(endpoint)
        noise.client.send([0xFF, 0xFF, 0xFF])
        guard case .reject("malformed", _)? = try await noise.next() else { return #expect(Bool(false), "taken") }
        var early = try HandPeer(endpoint)
        try early.say(.ready)
        guard case .reject("order", _)? = try await early.next() else { return #expect(Bool(false), "taken") }
        var lost = try HandPeer(endpoint)
        try lost.say(.hello(Self.hello), cluster: "elsewhere")
        guard case .reject("cluster_id", _)? = try await lost.next() else { return #expect(Bool(false), "taken") }
        var hello = Self.hello
        hello.buildVersion = "0.0.1"
        let last = try HandPeer(endpoint)
        try last.say(.hello(hello))
        // The start's error also names who was turned away before.
        let problems = "\(await start!)"
        #expect(problems.contains("runs tessera 0.0.1") && problems.contains("version 9"))
        for peer in [old, noise, early, lost, last] { await peer.client.close() }
    }

    @Test func garbageFromAMemberLosesItByName() async throws {
        let cluster = Cluster(settings: Self.one(), launcher: nil, logger: testLogger)
        async let start: Void = cluster.start()
        var peer = try HandPeer(await Self.endpoint(of: cluster))
        try await Self.join(&peer)
        try await start
        async let installing = failure {
            try await cluster.install("k", locals: [LocalProgram(name: "k", device: 0)], sources: [:])
        }
        _ = try await peer.next()
        peer.client.send([0xFF, 0xFF, 0xFF])
        guard case .workerLost("w0", 0, _, let doing, _) = await installing else {
            return #expect(Bool(false), "not lost")
        }
        #expect(doing == "installing k")
        peer.fallSilent()
        await cluster.shutdown(reason: "done")
        await peer.client.close()
    }

    @Test func aSilentMemberIsLostInTheMiddleOfACall() async throws {
        let settings = Self.one { $0.silence = .seconds(3) }
        let cluster = Cluster(settings: settings, launcher: nil, logger: testLogger)
        async let start: Void = cluster.start()
        var peer = try HandPeer(await Self.endpoint(of: cluster))
        try await Self.join(&peer)
        try await start
        async let error = failure {
            try await cluster.install("k", locals: [LocalProgram(name: "k", device: 0)], sources: [:])
            _ = try await cluster.run("k", request: 3, inputs: [:])
        }
        _ = try await peer.next()
        try peer.say(.installed(Installed(programKey: "k", arenaByteCount: 0, parameterByteCount: 0)), epoch: 1)
        guard case .run = try await peer.next() else { return #expect(Bool(false), "no order to run") }
        peer.fallSilent()
        guard case .workerLost("w0", 0, let loss, let doing, _) = await error else {
            return #expect(Bool(false), "not lost")
        }
        #expect(loss.contains("no sign of life"))
        #expect(doing == "running k (request 3, step 0)")
        #expect(await failure { _ = try await cluster.run("k", request: 3, inputs: [:]) }?.code == "workerLost")
        await cluster.shutdown(reason: "done")
        await peer.client.close()
    }

    @Test func aWorkerThatDiesInACallFailsEverythingByName() async throws {
        let (running, started) = AsyncStream.makeStream(of: Void.self)
        let launcher = InProcessLauncher { _ in { WaitingEngine(abortFlag: $1, running: started) } }
        let cluster = Cluster(settings: twoWorkers(), launcher: launcher, logger: testLogger)
        try await cluster.start()
        try await cluster.install(
            "step", locals: (0..<2).map { LocalProgram(name: "step", device: $0) }, sources: [:])
        async let error = failure { _ = try await cluster.run("step", request: 4, inputs: [:]) }
        var signs = running.makeAsyncIterator()
        for _ in 0..<2 { await signs.next() }
        launcher.kill("w1")
        guard case .workerLost("w1", 1, let loss, let doing, let log) = await error else {
            return #expect(Bool(false), "not lost")
        }
        #expect(loss.contains("exit status 1"))
        #expect(doing == "running step (request 4, step 0)")
        #expect(!log.isEmpty)
        #expect(await cluster.status.state == "failed")
        await cluster.shutdown(reason: "done")
    }

    /// While all threads of the cooperative pool compute, the coordinator still gives its signs of life.
    @Test func aPoolThatComputesSilencesNobody() async throws {
        let cluster = Cluster(settings: Self.one(), launcher: nil, logger: testLogger)
        async let start = failure { try await cluster.start() }
        let peer = try HandPeer(await Self.endpoint(of: cluster))
        let client = peer.client
        let count = ConditionLock(0)
        let listening = Task(executorPreference: ThreadExecutor(name: "listener")) {
            for await event in client.events {
                guard case .message(_, let bytes) = event else { continue }
                if case .heartbeat? = try? Codec.decode(bytes).message { count.update { $0 += 1 } }
            }
        }
        try peer.say(.hello(Self.hello))
        while count.update({ $0 }) == 0 { await Task.yield() }
        let begin = count.update { $0 }
        await withTaskGroup(of: Bool.self) { group in
            for _ in 0..<2 * ProcessInfo.processInfo.activeProcessorCount {
                group.addTask { count.wait(milliseconds: 30_000) { $0 >= begin + 3 ? true : nil } ?? false }
            }
            for await isAlive in group { #expect(isAlive) }
        }
        await cluster.shutdown(reason: "done")
        #expect(await start?.code == "stopped")
        await client.close()
        await listening.value
    }

    @Test func aCallThatTakesTooLongIsGivenUpAndNamesTheWorkers() async throws {
        let (_, started) = AsyncStream.makeStream(of: Void.self)
        let launcher = InProcessLauncher { _ in { WaitingEngine(abortFlag: $1, running: started) } }
        let settings = twoWorkers {
            $0.callDeadline = .milliseconds(200)
            $0.abortDeadline = .seconds(60)
        }
        try await withCluster(settings, launcher: launcher, logger: testLogger) { cluster in
            try await cluster.install(
                "step", locals: (0..<2).map { LocalProgram(name: "step", device: $0) }, sources: [:])
            // All workers give up what they wait for, so the cluster goes on.
            for step in 0..<2 {
                let error = await failure { _ = try await cluster.run("step", request: 4, inputs: [:]) }
                #expect(
                    error == .stuck(workers: ["w0", "w1"], doing: "step, step \(step)", after: .milliseconds(200)))
            }
            #expect(await cluster.status.epoch >= 2)
        }
    }

    @Test func aWorkerThatHangsIsNamed() async throws {
        let hang = Hang()
        defer { hang.release() }
        let settings = twoWorkers {
            $0.callDeadline = .milliseconds(500)
            $0.abortDeadline = .seconds(2)
        }
        let cluster = Cluster(settings: settings, launcher: hang.launcher, logger: testLogger)
        try await cluster.start()
        try await cluster.install("double", locals: [HandPrograms.double(0), HandPrograms.double(1)], sources: [:])
        hang.strike("w0")
        let error = await failure { _ = try await cluster.run("double", request: 1, inputs: HandPrograms.input()) }
        guard case .workerLost("w0", 0, let loss, "running double (request 1, step 0)", _) = error else {
            return #expect(Bool(false), "\(String(describing: error))")
        }
        #expect(loss.contains("hangs"))
        await cluster.shutdown(reason: "done")
    }

    @Test func aCancelledCallerGetsItsTaskBack() async throws {
        let (running, started) = AsyncStream.makeStream(of: Void.self)
        let launcher = InProcessLauncher { _ in { WaitingEngine(abortFlag: $1, running: started) } }
        try await withCluster(twoWorkers(), launcher: launcher, logger: testLogger) { cluster in
            try await cluster.install(
                "step", locals: (0..<2).map { LocalProgram(name: "step", device: $0) }, sources: [:])
            let task = Task { try await cluster.run("step", request: 4, inputs: [:]) }
            var signs = running.makeAsyncIterator()
            await signs.next()
            task.cancel()
            await #expect(throws: CancellationError.self) { _ = try await task.value }
        }
    }

    @Test func clientsOrderPicturesAndAskForTheStatus() async throws {
        try await withCluster(twoWorkers(), launcher: InProcessLauncher(), logger: testLogger) { cluster in
            let client = ClusterClient(endpoint: await cluster.endpoint ?? "", logger: testLogger)
            let status = try await client.status(patience: .seconds(30))
            #expect(status.state == "ready")
            let order = Generate(job: 11, prompt: "a lighthouse", seed: 1)
            async let pictures = client.generate(order, patience: .seconds(30))
            async let refusal = Self.code {
                _ = try await client.generate(Generate(job: 12, prompt: "", seed: 1), patience: .seconds(30))
            }
            var answered = 0
            for await request in cluster.clientRequests {
                guard case .generate(let peer, let order) = request else { continue }
                if order.job == 11 {
                    #expect(order.prompt == "a lighthouse")
                    await cluster.answer(peer, JobProgress(job: 11, phase: "step", done: 1, total: 2))
                    await cluster.answer(peer, Pictures(job: 11, files: [[1, 2, 3]], warnings: ["short"]))
                } else {
                    let error = ClientError(job: order.job, code: "emptyPrompt", message: "the prompt is empty")
                    await cluster.answer(peer, error)
                }
                answered += 1
                if answered == 2 { break }
            }
            let received = try await pictures
            #expect(received == Pictures(job: 11, files: [[1, 2, 3]], warnings: ["short"]))
            #expect(await refusal == "emptyPrompt")
            let other = ClusterClient(endpoint: await cluster.endpoint ?? "", logger: testLogger, buildVersion: "0.0.1")
            #expect(
                await Self.code { _ = try await other.status(patience: .seconds(30)) }
                    == ProtocolError.Code.buildVersion.rawValue)
        }
    }

    @Test func anAbsentClusterIsUnreachable() async throws {
        let server = try ControlServer(bind: "tcp://127.0.0.1:0", logger: testLogger)
        let endpoint = server.endpoint
        await server.close()
        let client = ClusterClient(endpoint: endpoint, logger: testLogger)
        do {
            _ = try await client.status(patience: .milliseconds(200))
            Issue.record("nobody answered, but there was an answer")
        } catch let error as ClientError {
            #expect(error.code == "unreachable" && error.message.contains(endpoint))
        }
    }
}
