import Program
import Protocol
import Tensor
import Testing

@Suite struct WorkerSessionTests {
    static let hello = Hello(
        worker: "w0", isa: "avx2", cpuCount: 2, memoryByteCount: 1 << 30, processID: 1, host: "h")
    static let assign = Assign(
        rank: 0, deviceCount: 1, dtype: .bf16, threads: 1, heartbeat: .milliseconds(100), silence: .seconds(2),
        callDeadline: .seconds(9))

    static func envelope(_ message: Message, epoch: UInt32 = 1, cluster: String = "c") -> Envelope {
        Envelope(clusterID: cluster, epoch: epoch, message: message)
    }

    /// Sessions in every state, by the state's word.
    static func sessions() -> [(name: String, session: WorkerSession)] {
        var session = WorkerSession(clusterID: "c", hello: hello)
        var all = [("idle", session)]
        func take(_ event: WorkerSession.Event, _ name: String) {
            _ = session.handle(event, now: .zero)
            all.append((name, session))
        }
        take(.started, "greeting")
        take(.received(envelope(.assign(assign), epoch: 0)), "assigned")
        take(.received(envelope(.connect(endpoints: ["e"]))), "connecting")
        take(.connected(epoch: 1), "ready")
        take(.disconnected, "finished")
        return all
    }

    /// Every event, by name.
    static let events: [(name: String, event: WorkerSession.Event)] = {
        let run = Run(call: 1, request: 1, step: 0, programKey: "k", inputs: [:])
        let install = Install(programKey: "k", program: .init(name: "p", device: 0), sources: [:])
        return [
            ("started", .started), ("heartbeat", .received(envelope(.heartbeat(.init(sequence: 1, steps: 0))))),
            ("assign", .received(envelope(.assign(assign)))),
            ("connect 1", .received(envelope(.connect(endpoints: ["e"])))),
            ("connect 2", .received(envelope(.connect(endpoints: ["e"]), epoch: 2))),
            ("install", .received(envelope(.install(install)))), ("run", .received(envelope(.run(run)))),
            ("run of epoch 0", .received(envelope(.run(run), epoch: 0))),
            ("release", .received(envelope(.release(request: 1)))),
            ("uninstall", .received(envelope(.uninstall(programKey: "k")))),
            ("trace", .received(envelope(.trace(.init(number: 1, capacity: 8))))),
            ("abort", .received(envelope(.abort(reason: "r")))),
            ("shutdown", .received(envelope(.shutdown(reason: "r")))),
            ("reject", .received(envelope(.reject(code: "version", message: "m")))),
            ("a worker's message", .received(envelope(.ready))),
            ("another cluster", .received(envelope(.abort(reason: "r"), cluster: "d"))),
            ("undecodable", .undecodable(ProtocolError(.malformed, "m"))), ("tick", .tick),
            ("disconnected", .disconnected), ("bound", .bound(endpoint: "e")), ("connected 1", .connected(epoch: 1)),
            ("progress", .progress(.init(programKey: "k", phase: "p", bytesDone: 1, bytesTotal: 2))),
            ("installed", .installed(.init(programKey: "k", arenaByteCount: 0, parameterByteCount: 0))),
            ("measured", .measured(.init(residentByteCount: 5))),
            ("finished", .finished(.init(call: 1, outputs: [], duration: .zero, sentByteCount: 0))),
            ("traced", .traced(.init(number: 1, now: 2))),
            ("call failed", .failed(.init(subject: .call(1), code: "c", message: "m"))),
            ("worker failed", .failed(.init(subject: .worker, code: "c", message: "m"))),
        ]
    }()

    static func word(_ action: WorkerSession.Action) -> String {
        switch action {
        case .send(let envelope): envelope.message.name
        case .configure: "configure"
        case .connect: "connect"
        case .install: "install"
        case .run: "run"
        case .release: "release"
        case .uninstall: "uninstall"
        case .trace: "trace"
        case .abort: "abort"
        case .finish: "finish"
        }
    }

    /// What every state answers to every event, half a heartbeat after the last word; "-" is nothing.
    static let expected: [String: [String: String]] = {
        let end = "GOODBYE+finish"
        let fatal = ["reject": end, "shutdown": end, "another cluster": end, "undecodable": end]
        let failed = ["worker failed": "FAILURE+GOODBYE+finish", "disconnected": "finish"]
        let orders = [
            "install", "uninstall", "run", "release", "trace", "abort", "a worker's message", "run of epoch 0",
        ]
        let refused = Dictionary(uniqueKeysWithValues: orders.map { ($0, end) })
        func merged(_ parts: [String: String]...) -> [String: String] {
            parts.reduce(into: [:]) { $0.merge($1) { $1 } }
        }
        let connects = ["connect 1": end, "connect 2": end]
        let reports = [
            "progress": "LOAD PROGRESS", "installed": "INSTALLED", "finished": "RESULT", "call failed": "FAILURE",
            "traced": "TRACED",
        ]
        return [
            "idle": [
                "started": "HELLO", "reject": "finish", "shutdown": "finish", "another cluster": "finish",
                "undecodable": "finish", "disconnected": "finish", "worker failed": "FAILURE+finish",
                "assign": "finish", "connect 1": "finish", "connect 2": "finish", "install": "finish",
                "uninstall": "finish",
                "run": "finish", "release": "finish", "trace": "finish", "abort": "finish",
                "a worker's message": "finish",
                "run of epoch 0": "finish",
            ],
            "greeting": merged(fatal, failed, refused, connects, ["assign": "configure"]),
            "assigned": merged(
                fatal, failed, refused,
                ["assign": end, "connect 1": "connect", "connect 2": "connect", "bound": "BOUND"]),
            "connecting": merged(
                fatal, failed, refused, reports,
                [
                    "assign": end, "connect 1": end, "connect 2": "connect", "abort": "abort", "connected 1": "READY",
                    "run of epoch 0": "-",
                ]),
            "ready": merged(
                fatal, failed, refused, reports,
                [
                    "assign": end, "connect 1": end, "connect 2": "connect", "install": "install", "run": "run",
                    "uninstall": "uninstall", "release": "release", "trace": "trace", "abort": "abort",
                    "run of epoch 0": "-",
                ]),
            "finished": [:],
        ]
    }()

    @Test("every state answers every event as the table says", arguments: 0..<6)
    func table(index: Int) {
        let (state, start) = Self.sessions()[index]
        for (name, event) in Self.events {
            var session = start
            let actions = session.handle(event, now: .milliseconds(50)).map(Self.word).joined(separator: "+")
            #expect((actions.isEmpty ? "-" : actions) == Self.expected[state]?[name] ?? "-", "\(state), \(name)")
        }
    }

    @Test func heartbeatsCarryTheStepCounter() {
        var session = Self.sessions()[4].session
        _ = session.handle(.finished(.init(call: 1, outputs: [], duration: .zero, sentByteCount: 0)), now: .zero)
        #expect(session.handle(.tick, now: .milliseconds(99)).isEmpty)
        let actions = session.handle(.tick, now: .milliseconds(100))
        #expect(actions == [.send(Self.envelope(.heartbeat(.init(sequence: 1, steps: 1, report: WorkerReport()))))])
    }

    @Test func heartbeatsCarryTheLastReportHoweverMuchElseIsSaid() {
        var session = Self.sessions()[4].session
        let report = WorkerReport(
            residentByteCount: 7, heldByteCount: 5, computeTime: .seconds(2), collectiveTime: .seconds(1),
            sentByteCounts: [0, 9], running: .init(programKey: "step", request: 4, step: 2))
        #expect(session.handle(.measured(report), now: .zero).isEmpty)
        let progress = LoadProgress(programKey: "k", phase: "p", bytesDone: 1, bytesTotal: 2)
        _ = session.handle(.progress(progress), now: .milliseconds(90))
        #expect(!session.isBeatDue(.milliseconds(99)) && session.isBeatDue(.milliseconds(100)))
        let beat = Heartbeat(sequence: 1, steps: 0, report: report)
        #expect(session.handle(.tick, now: .milliseconds(100)) == [.send(Self.envelope(.heartbeat(beat)))])
        #expect(!session.isBeatDue(.milliseconds(199)))
    }

    /// Other workers may be long in coming, and the coordinator listens from the greeting on.
    @Test func whoWaitsForItsRankGivesSignsOfLifeOnceItIsHeard() {
        var session = WorkerSession(clusterID: "c", hello: Self.hello, heartbeat: .milliseconds(100))
        _ = session.handle(.started, now: .zero)
        #expect(session.handle(.tick, now: .seconds(1)).isEmpty)
        _ = session.handle(
            .received(Self.envelope(.heartbeat(.init(sequence: 1, steps: 0)), epoch: 0)), now: .seconds(1))
        #expect(session.handle(.tick, now: .seconds(2)).map(Self.word) == ["HEARTBEAT"])
        #expect(session.handle(.tick, now: .milliseconds(2050)).isEmpty)
    }

    @Test func aSilentCoordinatorIsGone() {
        var session = Self.sessions()[4].session
        var actions: [WorkerSession.Action] = []
        for tick in 1...20 { actions += session.handle(.tick, now: .milliseconds(100 * tick)) }
        #expect(!actions.contains { if case .finish = $0 { true } else { false } })
        #expect(
            session.handle(.tick, now: .milliseconds(2100)) == [.finish(.coordinatorSilent(.milliseconds(2100)))])
    }

    @Test func anOwnPauseIsNotTheCoordinatorsSilence() {
        var session = Self.sessions()[4].session
        #expect(session.handle(.tick, now: .seconds(60)).map(Self.word) == ["HEARTBEAT"])
    }

    @Test func aCoordinatorThatNeverAnswersIsGone() {
        var session = WorkerSession(clusterID: "c", hello: Self.hello, silence: .seconds(3))
        _ = session.handle(.started, now: .zero)
        for second in 1...3 { #expect(session.handle(.tick, now: .seconds(second)).isEmpty) }
        #expect(session.handle(.tick, now: .seconds(4)) == [.finish(.coordinatorAbsent(.seconds(4)))])
    }

    @Test func rejectionNamesTheRule() {
        var session = Self.sessions()[1].session
        let actions = session.handle(
            .received(Self.envelope(.reject(code: "build_version", message: "other build"))), now: .zero)
        #expect(actions.last == .finish(.violation(ProtocolError(.buildVersion, "other build"))))
    }
}
