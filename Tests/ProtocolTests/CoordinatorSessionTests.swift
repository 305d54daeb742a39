import Program
import Protocol
import Testing

@Suite struct CoordinatorSessionTests {
    typealias Session = CoordinatorSession
    static let hello = WorkerSessionTests.hello
    static let terms = Session.Terms(clusterID: "c", modelHash: "abc", heartbeat: .milliseconds(100))
    static let run = Run(call: 1, request: 7, step: 3, programKey: "step", inputs: [:])
    static let install = Install(programKey: "k", program: .init(name: "p", device: 0), sources: [:])

    static func received(_ message: Message, epoch: UInt32 = 1, cluster: String = "c") -> Session.Event {
        .received(Envelope(clusterID: cluster, epoch: epoch, message: message))
    }

    static func sessions() -> [Session] {
        var session = Session(worker: "w0", terms: terms, now: .zero)
        var all = [session]
        func take(_ event: Session.Event) {
            _ = session.handle(event, now: .zero)
            all.append(session)
        }
        take(received(.hello(hello), epoch: 0))
        take(.order(.assign(WorkerSessionTests.assign)))
        take(received(.bound(Bound(endpoint: "e")), epoch: 0))
        take(.order(.connect(epoch: 1, endpoints: ["e"])))
        take(received(.ready))
        take(.order(.shutdown(reason: "r")))
        take(.exited("exit status 0"))
        return all
    }

    static let events: [(name: String, event: Session.Event)] = [
        ("hello", received(.hello(hello), epoch: 0)),
        ("heartbeat", received(.heartbeat(.init(sequence: 1, steps: 4)))),
        ("bound", received(.bound(Bound(endpoint: "e")))), ("ready", received(.ready)),
        ("ready of epoch 0", received(.ready, epoch: 0)),
        ("progress", received(.loadProgress(.init(programKey: "k", phase: "p", bytesDone: 1, bytesTotal: 2)))),
        ("installed", received(.installed(.init(programKey: "k", arenaByteCount: 0, parameterByteCount: 0)))),
        ("unknown result", received(.result(.init(call: 9, outputs: [], duration: .zero, sentByteCount: 0)))),
        ("program failed", received(.failure(.init(subject: .program("k"), code: "c", message: "m")))),
        ("worker failed", received(.failure(.init(subject: .worker, code: "c", message: "m")))),
        ("goodbye", received(.goodbye(reason: "r"))), ("a coordinator's message", received(.abort(reason: "r"))),
        ("another cluster", received(.ready, cluster: "d")),
        ("undecodable", .undecodable(ProtocolError(.malformed, "m"))), ("tick", .tick),
        ("disconnected", .disconnected), ("exited", .exited("signal 9")),
        ("assign", .order(.assign(WorkerSessionTests.assign))),
        ("connect 2", .order(.connect(epoch: 2, endpoints: ["e"]))), ("install", .order(.install(install))),
        ("run", .order(.run(run))), ("release", .order(.release(request: 1))), ("abort", .order(.abort(reason: "r"))),
        ("uninstall", .order(.uninstall(programKey: "k"))),
        ("trace", .order(.trace(.init(number: 1, capacity: 8)))),
        ("traced", received(.traced(.init(number: 1, now: 2)))),
        ("shutdown", .order(.shutdown(reason: "r"))),
    ]

    static func word(_ action: Session.Action) -> String {
        switch action {
        case .send(let envelope): envelope.message.name
        case .joined: "joined"
        case .bound: "bound"
        case .ready: "ready"
        case .progress: "progress"
        case .installed: "installed"
        case .result: "result"
        case .traced: "traced"
        case .failure: "failure"
        case .fail: "fail"
        case .close: "close"
        }
    }

    /// What every state answers to every event, half a heartbeat after the last word; "-" is nothing.
    static let expected: [Session.State: [String: String]] = {
        let (lost, turnedAway) = ("fail+close", "REJECT+fail+close")
        let messages = [
            "hello", "bound", "ready", "ready of epoch 0", "progress", "installed", "unknown result", "program failed",
            "traced",
            "a coordinator's message", "another cluster", "undecodable",
        ]
        let refused = Dictionary(uniqueKeysWithValues: messages.map { ($0, turnedAway) })
        let ends = [
            "worker failed": lost, "goodbye": lost, "disconnected": lost, "exited": lost, "shutdown": "SHUTDOWN",
        ]
        func merged(_ parts: [String: String]...) -> [String: String] {
            parts.reduce(into: [:]) { $0.merge($1) { $1 } }
        }
        let reports = [
            "progress": "progress", "installed": "installed", "program failed": "failure", "unknown result": "-",
            "traced": "traced",
        ]
        return [
            .expecting: merged(
                refused,
                [
                    "hello": "joined+HEARTBEAT", "disconnected": lost, "exited": lost, "shutdown": "close",
                    "heartbeat": turnedAway, "worker failed": turnedAway, "goodbye": turnedAway,
                ]),
            .joined: merged(refused, ends, ["assign": "ASSIGN"]),
            .assigned: merged(refused, ends, ["bound": "bound"]),
            .bound: merged(refused, ends, ["connect 2": "CONNECT"]),
            .connecting: merged(
                refused, ends, reports,
                ["ready": "ready", "ready of epoch 0": "-", "connect 2": "CONNECT", "abort": "ABORT"]),
            .ready: merged(
                refused, ends, reports,
                [
                    "connect 2": "CONNECT", "install": "INSTALL", "run": "RUN", "release": "RELEASE", "abort": "ABORT",
                    "trace": "TRACE", "uninstall": "UNINSTALL",
                ]),
            .leaving: [
                "goodbye": "close", "disconnected": "close", "exited": "close", "another cluster": "REJECT+close",
            ],
            .closed: [:],
        ]
    }()

    @Test("every state answers every event as the table says", arguments: 0..<8)
    func table(index: Int) {
        let start = Self.sessions()[index]
        #expect(start.state == Session.State.allCases[index])
        for (name, event) in Self.events {
            var session = start
            let actions = session.handle(event, now: .milliseconds(50)).map(Self.word).joined(separator: "+")
            #expect(
                (actions.isEmpty ? "-" : actions) == Self.expected[start.state]?[name] ?? "-",
                "\(start.state), \(name)")
        }
    }

    @Test func disagreementsAreNamed() {
        func loss(_ change: (inout Hello) -> Void, cluster: String = "c") -> ProtocolError.Code? {
            var hello = Self.hello
            change(&hello)
            var session = Self.sessions()[0]
            let actions = session.handle(Self.received(.hello(hello), epoch: 0, cluster: cluster), now: .zero)
            for case .fail(.violation(let error)) in actions { return error.code }
            return nil
        }
        #expect(loss { _ in } == nil)
        #expect(loss { $0.buildVersion = "0.0.9" } == .buildVersion)
        #expect(loss { $0.modelHash = "xyz" } == .modelHash)
        #expect(loss { $0.modelHash = "abc" } == nil)
        #expect(loss({ _ in }, cluster: "d") == .clusterID)
    }

    @Test func activityNamesProgramAndStep() {
        var session = Self.sessions()[5]
        #expect(session.activity == "idle")
        _ = session.handle(.order(.install(Self.install)), now: .zero)
        #expect(session.activity == "installing k")
        _ = session.handle(.order(.run(Self.run)), now: .zero)
        #expect(session.activity == "running step (request 7, step 3)")
        let result = RunResult(call: 1, outputs: [], duration: .zero, sentByteCount: 0)
        #expect(session.handle(Self.received(.result(result)), now: .zero) == [.result(result)])
        #expect(session.handle(Self.received(.result(result)), now: .zero).isEmpty)
        #expect(session.activity == "installing k")
    }

    @Test func aSilentWorkerIsLostAndALateTickIsNotItsFault() {
        var session = Self.sessions()[5]
        #expect(session.handle(.tick, now: .seconds(60)).map(Self.word) == ["HEARTBEAT"])
        for tick in 1...20 {
            _ = session.handle(.tick, now: .seconds(60) + .milliseconds(100 * tick))
        }
        #expect(session.state == .ready)
        #expect(
            session.handle(.tick, now: .milliseconds(62_100)) == [.fail(.silent(.milliseconds(2100))), .close])
    }

    @Test func heartbeatsKeepAWorkerAndCountItsSteps() {
        var session = Self.sessions()[5]
        for tick in 1...50 {
            let beat = Heartbeat(sequence: UInt64(tick), steps: UInt64(tick / 2))
            _ = session.handle(Self.received(.heartbeat(beat)), now: .milliseconds(100 * tick))
            _ = session.handle(.tick, now: .milliseconds(100 * tick))
        }
        #expect(session.state == .ready)
        #expect(session.steps == 25)
    }

    @Test func aWorkerThatNeverSaysHelloIsNamed() {
        var session = Self.sessions()[0]
        #expect(session.handle(.tick, now: .seconds(30)).isEmpty)
        #expect(
            session.handle(.tick, now: .seconds(31)) == [.fail(.neverJoined(.seconds(30))), .close])
    }
}
