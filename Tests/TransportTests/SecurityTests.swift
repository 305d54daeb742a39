import Foundation
import Glibc
import Logging
import Program
import Synchronization
import Testing

@testable import Transport

/// Who is let in with a key, who is not, and what either side hears of it.
struct SecurityTests {
    private let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    private let anyPort = "tcp://127.0.0.1:0"

    /// Keys of a server and a client that do not go together, and what the client is told.
    struct Pairing: Sendable, CustomTestStringConvertible {
        var server: ClusterKey?
        var client: ClusterKey?
        var expected: KeyMismatch
        var testDescription: String { expected.rawValue }
    }

    static let pairings = [
        Pairing(server: try? .random(), client: try? .random(), expected: .different),
        Pairing(server: try? .random(), client: nil, expected: .missingHere),
        Pairing(server: nil, client: try? .random(), expected: .missingThere),
    ]

    @Test(
        "a client whose key is not the server's ends with the reason, and the server writes it down",
        arguments: pairings)
    func control(pairing: Pairing) async throws {
        let lines = LogLines()
        let server = try ControlServer(bind: anyPort, key: pairing.server, logger: lines.logger)
        let client = try ControlClient(connect: server.endpoint, key: pairing.client, logger: logger)
        client.send([1])
        let end = await client.events.first { event in
            if case .failed = event { true } else { false }
        }
        // A server without a key may hang up before the client has seen that it has none.
        let reasons = [pairing.expected] + (pairing.server == nil ? [.different] : [])
        let expected = reasons.map { ControlEvent.failed(.keyMismatch(endpoint: server.endpoint, reason: $0)) }
        #expect(end.map(expected.contains) == true, "\(String(describing: end))")
        await client.close()
        // A member comes all the same, and is the only one that the server hears.
        let member = try ControlClient(connect: server.endpoint, key: pairing.server, logger: logger)
        member.send([2])
        var events = server.events.makeAsyncIterator()
        #expect(await events.next(isolation: nil) == .message(from: member.id, [2]))
        await member.close()
        await server.close()
        let refusals = lines.all.filter { $0.contains("a connection was refused") }
        // Attempts go on for some seconds, and ten later there may be another line.
        #expect((1...4).contains(refusals.count), "\(lines.all)")
        // A connection that has ended before the server came to look it up has no address any more.
        let addresses = ["address=127.0.0.1:", "address=unknown"]
        #expect(addresses.contains { refusals.first?.contains($0) == true }, "\(refusals)")
    }

    @Test("each mismatch says what to do")
    func descriptions() {
        for reason in [KeyMismatch.different, .missingHere, .missingThere] {
            let error = TransportError.keyMismatch(endpoint: "tcp://10.0.0.1:29600", reason: reason)
            #expect(error.code == "keyMismatch" && error.description.contains("10.0.0.1:29600"))
            #expect(error.description.contains("key file"))
        }
    }

    @Test("a server that ends in the middle of a handshake is no refusal; one that does so thrice is")
    func judging() {
        let start = ContinuousClock.now
        for (hasKey, reason, seconds) in [(true, KeyMismatch.different, 2), (false, .missingHere, 10)] {
            let expected = TransportError.keyMismatch(endpoint: "tcp://h:1", reason: reason)
            var judge = HandshakeJudge(endpoint: "tcp://h:1", hasKey: hasKey)
            func fails(_ failure: HandshakeFailure, _ second: Int) -> TransportError? {
                judge.fail(failure, at: start + .seconds(second))
            }
            #expect(fails(.brokenOff(EPIPE), 0) == nil && fails(.brokenOff(ECONNRESET), 100) == nil)
            judge.succeed()
            for _ in 0..<10 { #expect(fails(.brokenOff(EPIPE), 200) == nil) }
            #expect(fails(.brokenOff(ETIMEDOUT), 300) == nil)
            #expect(fails(.brokenOff(EPIPE), 200 + seconds) == expected)
        }
        var judge = HandshakeJudge(endpoint: "tcp://h:1", hasKey: true)
        #expect(judge.fail(.refused(status: 400)) == .keyMismatch(endpoint: "tcp://h:1", reason: .different))
        #expect(judge.fail(.cipher) == .keyMismatch(endpoint: "tcp://h:1", reason: .different))
        #expect(judge.fail(.mechanism) == .keyMismatch(endpoint: "tcp://h:1", reason: .missingThere))
        var open = HandshakeJudge(endpoint: "tcp://h:1", hasKey: false)
        #expect(open.fail(.mechanism) == .keyMismatch(endpoint: "tcp://h:1", reason: .missingHere))
    }

    @Test("only whoever has proved to have the cluster's key is admitted; any question has an answer")
    func admission() throws {
        let (key, other) = (try ClusterKey.random().publicKey, try ClusterKey.random().publicKey)
        func ask(_ mechanism: String, _ credentials: [UInt8], version: String = "1.0") -> [[UInt8]] {
            let frames = [version, "7", "tessera", "10.0.0.9", "", mechanism].map { Array($0.utf8) } + [credentials]
            return Admission.answer(to: frames, admitting: key)
        }
        func status(_ answer: [[UInt8]]) -> String { String(decoding: answer[2], as: UTF8.self) }
        #expect(ask("CURVE", key).prefix(2).map { String(decoding: $0, as: UTF8.self) } == ["1.0", "7"])
        #expect(status(ask("CURVE", key)) == "200")
        #expect(status(ask("CURVE", other)) == "400")
        #expect(status(ask("CURVE", Array(key.dropLast()))) == "400")
        #expect(status(ask("CURVE", key + [0])) == "400")
        #expect(status(ask("NULL", key)) == "400" && status(ask("PLAIN", key)) == "400")
        #expect(status(ask("CURVE", key, version: "2.0")) == "400")
        for count in 0..<7 {
            let answer = Admission.answer(to: [[UInt8]](repeating: Array("CURVE".utf8), count: count), admitting: key)
            #expect(answer.count == 6 && status(answer) == "400")
        }
    }

    @Test("who knocks often fills no log")
    func rateLimit() {
        let lines = LogLines()
        var log = RefusalLog(lines.logger)
        let start = ContinuousClock.now
        for index in 0..<100 { log.note(address: "a:\(index)", reason: "r", at: start + .milliseconds(100 * index)) }
        log.note(address: "b", reason: "r", at: start + .seconds(10))
        #expect(lines.all.count == 2)
        #expect(lines.all[0].contains("address=a:0") && lines.all[0].contains("untold=0"))
        #expect(lines.all[1].contains("address=b") && lines.all[1].contains("untold=99"))
    }

    @Test("what travels can be read without a key, and not with one", arguments: [false, true])
    func secrecy(isKeyed: Bool) async throws {
        let key = isKeyed ? try ClusterKey.random() : nil
        let server = try ControlServer(bind: anyPort, key: key, logger: logger)
        let wire = try Wiretap(to: server.endpoint)
        let client = try ControlClient(connect: wire.endpoint, key: key, logger: logger)
        let secret = Array("a red fox in snow".utf8)
        async let answers: Void = {
            for await event in server.events {
                guard case .message(let peer, secret) = event else { continue }
                server.send(secret.reversed(), to: peer)
            }
        }()
        // A connection that was slow to introduce itself is given up, and what was said over it is said again.
        for await event in client.events {
            if event == .connected { client.send(secret) }
            if event == .message(from: .server, secret.reversed()) { break }
        }
        await client.close()
        await server.close()
        await answers
        let heard = wire.end()
        for text in [secret, secret.reversed()] { #expect((heard.firstRange(of: text) == nil) == isKeyed) }
        #expect(heard.count > 200)
    }
}

/// Keys in the data plane.
struct FabricSecurityTests {
    /// Connects ranks that have these keys and rules, and has them say something to each other.
    private func connected(
        _ keys: [ClusterKey?], _ encryptions: [LinkEncryption], carrier: Carrier = .zeroMQ,
        deadlines: [Duration] = [.seconds(20), .seconds(20), .seconds(20)],
        _ body: @escaping @Sendable (ZeroMQFabric) throws -> Void = { _ in }
    ) async -> [Int: any Error] {
        let endpoints = Board<String>()
        let isDone = Board<Bool>()
        return await onThreads(keys.count) { rank in
            let fabric = try ZeroMQFabric(
                rank: rank, carrier: carrier, key: keys[rank], encryption: encryptions[rank])
            defer {
                isDone.post(true, by: rank)
                _ = isDone.all(keys.count)
            }
            endpoints.post(fabric.endpoint, by: rank)
            try fabric.connect(peers: endpoints.all(keys.count), epoch: 1, deadline: deadlines[rank])
            for peer in 0..<keys.count where peer != rank { try fabric.send([UInt8(rank)], to: peer, tag(0)) }
            for peer in 0..<keys.count where peer != rank {
                #expect(try fabric.receive(1, from: peer, tag(0)) == [UInt8(peer)])
            }
            try body(fabric)
        }
    }

    @Test("the rule says which links are encrypted", arguments: LinkEncryption.allCases)
    func rules(encryption: LinkEncryption) async throws {
        let key = try ClusterKey.random()
        let failures = await connected([key, key, key], [encryption, encryption, encryption]) { fabric in
            #expect(fabric.encryptedPeers == (encryption == .everywhere ? Set(0..<3).subtracting([fabric.rank]) : []))
        }
        #expect(failures.isEmpty, "\(failures)")
        // Memory that is shared stays as it is.
        let sharing = await connected([key, key], [encryption, encryption], carrier: .automatic) { fabric in
            #expect(fabric.carriers == [1 - fabric.rank: .sharedMemory])
        }
        #expect(sharing.isEmpty, "\(sharing)")
    }

    @Test("hosts are told apart by the addresses that they give")
    func hosts() throws {
        func isSame(_ endpoint: String, _ own: String) throws -> Bool {
            try TCPAddress(parsing: endpoint).isSameHost(as: own)
        }
        #expect(try isSame("tcp://127.0.0.1:1", "127.0.0.2") && isSame("tcp://localhost:1", "127.0.0.1"))
        #expect(try isSame("tcp://10.0.0.1:1", "10.0.0.1") && isSame("tcp://node1:1", "node1"))
        #expect(try !isSame("tcp://10.0.0.1:1", "10.0.0.2") && !isSame("tcp://127.0.0.1.evil:1", "127.0.0.1"))
        #expect(try !isSame("tcp://10.0.0.1:1", "127.0.0.1") && !isSame("tcp://node1:1", "node2"))
    }

    @Test("a rank with another key, or with none, is named")
    func strangers() async throws {
        let (key, other) = (try ClusterKey.random(), try ClusterKey.random())
        let pairs: [(keys: [ClusterKey?], expected: [KeyMismatch])] = [
            ([key, other], [.different]), ([key, nil], [.missingThere, .different]), ([nil, key], [.missingHere]),
        ]
        for (keys, expected) in pairs {
            // The higher rank hears nothing that it could believe, and waits until its time is over.
            let failures = await connected(
                keys, [.everywhere, .everywhere], deadlines: [.seconds(60), .milliseconds(50)])
            guard case .keyMismatch(_, let reason)? = failures.transportErrors[0], expected.contains(reason) else {
                #expect(Bool(false), "\(expected): \(failures)")
                continue
            }
            #expect(failures.transportErrors[1]?.code == "connectDeadline", "\(failures)")
        }
    }

    @Test("ranks that disagree about encryption end with the reason")
    func disagreement() async throws {
        let key = try ClusterKey.random()
        let failures = await connected(
            [key, key], [.everywhere, .none], deadlines: [.seconds(4), .seconds(20)])
        #expect(failures.count == 2, "\(failures)")
        #expect(failures.transportErrors[1].map { "\($0)".contains("its link was not made") } == true, "\(failures)")
    }
}
