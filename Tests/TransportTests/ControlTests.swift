import Logging
import Testing
import Transport

/// The control plane over real sockets on loopback, without a key and with one.
struct ControlTests {
    private let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    private let anyPort = "tcp://127.0.0.1:0"
    /// Without a key, and with one.
    private static let keys: [ClusterKey?] = [nil, try? .random()]

    /// The next message, whatever else happens before.
    private func message(
        _ iterator: inout AsyncStream<ControlEvent>.Iterator
    ) async throws -> (peer: PeerID, bytes: [UInt8]) {
        while let event = await iterator.next(isolation: nil) {
            switch event {
            case .message(let peer, let bytes): return (peer, bytes)
            case .failed(let error): throw error
            default: continue
            }
        }
        throw CancellationError()
    }

    @Test("messages go both ways, in order, empty and large ones too", arguments: keys)
    func exchange(key: ClusterKey?) async throws {
        let server = try ControlServer(bind: anyPort, key: key, logger: logger)
        #expect(server.endpoint.hasPrefix("tcp://127.0.0.1:") && !server.endpoint.hasSuffix(":0"))
        let client = try ControlClient(connect: server.endpoint, key: key, logger: logger)
        var atServer = server.events.makeAsyncIterator()
        var atClient = client.events.makeAsyncIterator()
        let sizes = [0, 1, 40, 5 << 20, 3]
        for (index, size) in sizes.enumerated() { #expect(client.send(pattern(size, index))) }
        for (index, size) in sizes.enumerated() {
            let (peer, bytes) = try await message(&atServer)
            #expect(peer == client.id && bytes == pattern(size, index))
            #expect(server.send(bytes, to: peer))
        }
        for (index, size) in sizes.enumerated() {
            let (peer, bytes) = try await message(&atClient)
            #expect(peer == .server && bytes == pattern(size, index))
        }
        await client.close()
        await server.close()
        #expect(!client.send([1]))
    }

    @Test("clients are told apart, and their coming and going is seen", arguments: keys)
    func comingAndGoing(key: ClusterKey?) async throws {
        let server = try ControlServer(bind: anyPort, key: key, logger: logger)
        var events = server.events.makeAsyncIterator()
        let first = try ControlClient(connect: server.endpoint, key: key, logger: logger)
        let second = try ControlClient(connect: server.endpoint, key: key, logger: logger)
        #expect(first.id != second.id)
        first.send([1])
        second.send([2])
        var found: [PeerID: [UInt8]] = [:]
        for _ in 0..<2 {
            let (peer, bytes) = try await message(&events)
            found[peer] = bytes
        }
        #expect(found == [first.id: [1], second.id: [2]])
        await first.close()
        #expect(await events.next(isolation: nil) == .disconnected(first.id))
        server.send([1], to: first.id)
        #expect(await events.next(isolation: nil) == .undeliverable(to: first.id))
        server.send([3], to: second.id)
        var atSecond = second.events.makeAsyncIterator()
        #expect(try await message(&atSecond).bytes == [3])
        await second.close()
        #expect(await events.next(isolation: nil) == .disconnected(second.id))
        await server.close()
        #expect(await events.next(isolation: nil) == nil)
    }

    @Test("a client notices the loss of its server, comes back, and delivers what waited", arguments: keys)
    func reconnection(key: ClusterKey?) async throws {
        let server = try ControlServer(bind: anyPort, key: key, logger: logger)
        let client = try ControlClient(connect: server.endpoint, key: key, logger: logger)
        var events = client.events.makeAsyncIterator()
        #expect(await events.next(isolation: nil) == .connected)
        await server.close()
        #expect(await events.next(isolation: nil) == .disconnected(.server))
        client.send([9])
        let successor = try ControlServer(bind: server.endpoint, key: key, logger: logger)
        var atSuccessor = successor.events.makeAsyncIterator()
        #expect(try await message(&atSuccessor).bytes == [9])
        #expect(await events.next(isolation: nil) == .connected)
        await client.close()
        await successor.close()
    }

    @Test("closing sends what is queued", arguments: keys)
    func flush(key: ClusterKey?) async throws {
        let server = try ControlServer(bind: anyPort, key: key, logger: logger)
        let client = try ControlClient(connect: server.endpoint, key: key, logger: logger)
        var atServer = server.events.makeAsyncIterator()
        var atClient = client.events.makeAsyncIterator()
        #expect(await atClient.next(isolation: nil) == .connected)
        for index in 0..<200 { client.send(pattern(1000, index)) }
        await client.close()
        for index in 0..<200 { #expect(try await message(&atServer).bytes == pattern(1000, index)) }
        await server.close()
    }

    @Test("a slow reader loses nothing", arguments: keys)
    func slowReader(key: ClusterKey?) async throws {
        let count = ControlLimits.queuedEventCountMax * 4
        let server = try ControlServer(bind: anyPort, key: key, logger: logger)
        let client = try ControlClient(connect: server.endpoint, key: key, logger: logger)
        for index in 0..<count { #expect(client.send(pattern(500, index))) }
        var atServer = server.events.makeAsyncIterator()
        for index in 0..<count { #expect(try await message(&atServer).bytes == pattern(500, index)) }
        await client.close()
        await server.close()
    }

    @Test("a peer that takes nothing stops getting messages, and others go on", arguments: keys)
    func fullQueue(key: ClusterKey?) async throws {
        let server = try ControlServer(bind: anyPort, key: key, logger: logger)
        var events = server.events.makeAsyncIterator()
        let stuck = try ControlClient(connect: server.endpoint, key: key, logger: logger)
        let lively = try ControlClient(connect: server.endpoint, key: key, logger: logger)
        stuck.send([1])
        _ = try await message(&events)
        lively.send([2])
        _ = try await message(&events)
        // Its events are never read, so small messages fill its stream and then the queues.
        let small = [UInt8](repeating: 0, count: 1)
        for _ in 0..<ControlLimits.queuedEventCountMax * 2 { server.send(small, to: stuck.id) }
        let large = [UInt8](repeating: 0, count: 32 << 20)
        var sent = 0
        while server.send(large, to: stuck.id) { sent += 1 }
        #expect(sent >= 7)
        var next = await events.next(isolation: nil)
        while case .message = next { next = await events.next(isolation: nil) }
        #expect(next == .undeliverable(to: stuck.id))
        server.send([7], to: lively.id)
        var atLively = lively.events.makeAsyncIterator()
        #expect(try await message(&atLively).bytes == [7])
        await server.close()
        await stuck.close()
        await lively.close()
    }

    @Test("messages beyond the limit are refused at the sender", arguments: keys)
    func tooLong(key: ClusterKey?) async throws {
        let server = try ControlServer(bind: anyPort, key: key, logger: logger)
        let client = try ControlClient(connect: server.endpoint, key: key, logger: logger)
        #expect(!client.send([UInt8](repeating: 0, count: ControlLimits.messageByteCountMax + 1)))
        for await event in client.events where event != .connected {
            #expect(event == .undeliverable(to: .server))
            break
        }
        await client.close()
        await server.close()
    }

    @Test("a message to somebody unknown is undeliverable", arguments: keys)
    func unknownPeer(key: ClusterKey?) async throws {
        let server = try ControlServer(bind: anyPort, key: key, logger: logger)
        let nobody = PeerID.random()
        server.send([1], to: nobody)
        var events = server.events.makeAsyncIterator()
        #expect(await events.next(isolation: nil) == .undeliverable(to: nobody))
        await server.close()
    }

    @Test("a port in use is an error that names host and port")
    func portInUse() async throws {
        let server = try ControlServer(bind: anyPort, logger: logger)
        let address = String(server.endpoint.dropFirst("tcp://".count))
        let error = try #require(throws: TransportError.self) {
            try ControlServer(bind: server.endpoint, logger: logger)
        }
        #expect(error == .addressInUse(address: address) && error.description.contains(address))
        await server.close()
    }

    @Test("text that is no address is refused before anything starts")
    func invalidEndpoints() throws {
        for bad in ["", "127.0.0.1:1", "tcp://", "tcp://host", "tcp://host:x", "tcp://:1", "tcp://a/b:1", "ipc://x"] {
            let server = #expect(throws: TransportError.self) { try ControlServer(bind: bad, logger: logger) }
            #expect(server?.code == "invalidEndpoint", "\(bad)")
        }
        for bad in ["tcp://127.0.0.1:0", "tcp://*:70", "tcp://0.0.0.0:70"] {
            let client = #expect(throws: TransportError.self) { try ControlClient(connect: bad, logger: logger) }
            #expect(client?.code == "invalidEndpoint", "\(bad)")
        }
    }

    @Test("a client closes although its server never was there", arguments: keys)
    func absentServer(key: ClusterKey?) async throws {
        let server = try ControlServer(bind: anyPort, key: key, logger: logger)
        await server.close()
        let client = try ControlClient(connect: server.endpoint, key: key, logger: logger)
        client.send([1])
        await client.close()
        #expect(await client.events.first { _ in true } == nil)
    }

    @Test("a dropped server or client ends by itself")
    func dropped() async throws {
        var server: ControlServer? = try ControlServer(bind: anyPort, logger: logger)
        let events = server?.events
        server = nil
        #expect(await events?.first { _ in true } == nil)
    }
}
