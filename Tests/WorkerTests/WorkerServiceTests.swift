import Logging
import Program
import Protocol
import Tensor
import Testing
import Transport
import Worker

/// A coordinator that a test plays by hand.
struct HandCoordinator {
    let server: ControlServer
    private var events: AsyncStream<ControlEvent>.Iterator
    private(set) var worker: PeerID?

    init() throws {
        server = try ControlServer(bind: "tcp://127.0.0.1:0", logger: Logger(label: "test"))
        events = server.events.makeAsyncIterator()
    }

    /// The next message that is no heartbeat; nil when the worker is gone.
    mutating func next() async throws -> Message? {
        while let event = await events.next() {
            switch event {
            case .message(let peer, let bytes):
                worker = peer
                let message = try Codec.decode(bytes).message
                if case .heartbeat = message { continue }
                return message
            case .disconnected: return nil
            default: continue
            }
        }
        return nil
    }

    /// The next heartbeat with so many steps; nil when the worker is gone.
    mutating func heartbeat(steps: UInt64) async throws -> Heartbeat? {
        while let event = await events.next() {
            guard case .message(_, let bytes) = event else { return nil }
            if case .heartbeat(let beat) = try Codec.decode(bytes).message, beat.steps == steps { return beat }
        }
        return nil
    }

    func say(_ message: Message, epoch: UInt32 = 1, cluster: String = "c") throws {
        let bytes = try Codec.encode(Envelope(clusterID: cluster, epoch: epoch, message: message))
        if let worker { server.send(bytes, to: worker) }
    }

    func sayRaw(_ bytes: [UInt8]) { if let worker { server.send(bytes, to: worker) } }
}

@Suite struct WorkerServiceTests {
    static let assign = Assign(
        rank: 0, deviceCount: 1, dtype: .f32, threads: 1, heartbeat: .milliseconds(50), silence: .seconds(20),
        callDeadline: .seconds(20))

    /// Runs a worker against a played coordinator; gives the worker's end and what its engine did.
    private func play(
        silence: Duration = .seconds(20), _ scene: (inout HandCoordinator) async throws -> Void
    ) async throws -> (end: WorkerEnd, log: [String]) {
        var coordinator = try HandCoordinator()
        let script = ScriptedEngine.Script()
        let settings = WorkerSettings(connect: coordinator.server.endpoint, name: "w0", clusterID: "c")
        let service = WorkerService(settings: settings, isa: "test", logger: Logger(label: "test")) { _, abortFlag in
            ScriptedEngine(script: script, abortFlag: abortFlag)
        }
        async let running = service.run()
        try await scene(&coordinator)
        let end = try await running
        await coordinator.server.close()
        return (end, script.lines)
    }

    /// Plays until the worker is ready.
    private func join(_ coordinator: inout HandCoordinator) async throws {
        guard case .hello(let hello)? = try await coordinator.next() else { throw CancellationError() }
        #expect(hello.worker == "w0" && hello.isa == "test" && hello.cpuCount >= 1 && !hello.host.isEmpty)
        try coordinator.say(.assign(Self.assign), epoch: 0)
        #expect(try await coordinator.next() == .bound(Bound(endpoint: "tcp://127.0.0.1:1")))
        try coordinator.say(.connect(endpoints: ["tcp://127.0.0.1:1"]))
        #expect(try await coordinator.next() == .ready)
    }

    private func run(_ call: UInt64, _ key: String) -> Message {
        .run(Run(call: call, request: 1, step: UInt32(call), programKey: key, inputs: [:]))
    }

    @Test func joinsInstallsRunsAndLeavesInOrder() async throws {
        let (end, log) = try await play { coordinator in
            try await join(&coordinator)
            try coordinator.say(.install(Install(programKey: "k", program: .init(name: "p", device: 0), sources: [:])))
            let progress = LoadProgress(programKey: "k", phase: "weights", bytesDone: 5, bytesTotal: 10)
            #expect(try await coordinator.next() == .loadProgress(progress))
            let installed = Installed(programKey: "k", arenaByteCount: 1, parameterByteCount: 2)
            #expect(try await coordinator.next() == .installed(installed))
            try coordinator.say(run(7, "k"))
            let result = RunResult(call: 7, outputs: [], duration: .zero, sentByteCount: 0)
            #expect(try await coordinator.next() == .result(result))
            #expect(try await coordinator.heartbeat(steps: 1) != nil)
            try coordinator.say(.release(request: 1))
            try coordinator.say(run(8, "k"))
            _ = try await coordinator.next()
            try coordinator.say(.uninstall(programKey: "k"))
            // What waits when the end is ordered is not done: the next answer says that this was.
            try coordinator.say(run(9, "k"))
            _ = try await coordinator.next()
            try coordinator.say(.shutdown(reason: "the test is over"))
            // The goodbye, or the news of the connection's end where that was faster.
            let last = try await coordinator.next()
            #expect(last == nil || last?.name == "GOODBYE")
        }
        #expect(end == .shutdown("the test is over"))
        #expect(log == ["connect 1", "run 7", "release 1", "run 8", "uninstall k", "run 9", "engine gone"])
    }

    @Test func failuresCarryTheirNames() async throws {
        let (end, _) = try await play { coordinator in
            try await join(&coordinator)
            try coordinator.say(run(1, "unknown"))
            guard case .failure(let failure)? = try await coordinator.next() else {
                return #expect(Bool(false), "no failure")
            }
            #expect(failure.subject == .call(1) && failure.code == "unknownProgram")
            try coordinator.say(
                .install(Install(programKey: "broken", program: .init(name: "p", device: 0), sources: [:])))
            _ = try await coordinator.next()
            guard case .failure(let second)? = try await coordinator.next() else {
                return #expect(Bool(false), "no failure")
            }
            #expect(second.subject == .program("broken") && second.code == "memoryLimit")
            try coordinator.say(.shutdown(reason: "done"))
        }
        #expect(end.isOrderly)
    }

    @Test func abortEndsTheRunningAndTheWaitingCalls() async throws {
        let (end, log) = try await play { coordinator in
            try await join(&coordinator)
            try coordinator.say(run(1, "waits"))
            try coordinator.say(run(2, "k"))
            try coordinator.say(.abort(reason: "another worker is gone"))
            for call: UInt64 in 1...2 {
                guard case .failure(let failure)? = try await coordinator.next() else {
                    return #expect(Bool(false), "no failure")
                }
                #expect(failure.subject == .call(call) && failure.code == Failure.abortedCode)
            }
            // A new epoch makes it useful again.
            try coordinator.say(.connect(endpoints: ["tcp://127.0.0.1:1"]), epoch: 2)
            #expect(try await coordinator.next() == .ready)
            try coordinator.say(run(3, "k"), epoch: 2)
            guard case .result(let result)? = try await coordinator.next() else {
                return #expect(Bool(false), "no result")
            }
            #expect(result.call == 3)
            try coordinator.say(.shutdown(reason: "done"), epoch: 2)
        }
        #expect(end.isOrderly)
        #expect(log.contains("connect 2") && log.contains("run 3"))
    }

    @Test func endsWhenTheCoordinatorIsGoneEvenInsideACall() async throws {
        let (end, log) = try await play { coordinator in
            try await join(&coordinator)
            try coordinator.say(run(1, "waits"))
            await coordinator.server.close()
        }
        #expect(end == .disconnected)
        #expect(log.last == "engine gone")
    }

    @Test func garbageEndsTheConversation() async throws {
        let (end, _) = try await play { coordinator in
            try await join(&coordinator)
            coordinator.sayRaw([0xFF, 0x00, 0x12])
            // The goodbye, or the news of the connection's end where that was faster.
            let last = try await coordinator.next()
            #expect(last == nil || last?.name == "GOODBYE")
        }
        guard case .violation(let error) = end else { return #expect(Bool(false), "\(end)") }
        #expect(error.code == .malformed)
    }

    @Test func aRejectionIsTheEnd() async throws {
        let (end, _) = try await play { coordinator in
            _ = try await coordinator.next()
            try coordinator.say(.reject(code: "build_version", message: "worker runs 1, coordinator 2"), epoch: 0)
        }
        #expect(end == .violation(ProtocolError(.buildVersion, "worker runs 1, coordinator 2")))
    }

    @Test func aCancelledWorkerEnds() async throws {
        var coordinator = try HandCoordinator()
        let settings = WorkerSettings(connect: coordinator.server.endpoint, name: "w0", clusterID: "c")
        let script = ScriptedEngine.Script()
        let service = WorkerService(settings: settings, isa: "test", logger: Logger(label: "test")) { _, abortFlag in
            ScriptedEngine(script: script, abortFlag: abortFlag)
        }
        let task = Task { try await service.run() }
        try await join(&coordinator)
        try coordinator.say(run(1, "waits"))
        task.cancel()
        let end = try await task.value
        #expect(!end.isOrderly)
        #expect(script.lines.last == "engine gone")
        await coordinator.server.close()
    }
}
