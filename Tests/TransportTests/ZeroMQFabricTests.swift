import Logging
import Program
import Testing
import Transport

/// What only the fabric between processes has: addresses, epochs of links, strangers.
struct ZeroMQFabricTests {
    @Test("links are made anew for each epoch, also with fewer and renumbered ranks")
    func reconfiguration() async {
        let endpoints = Board<String>()
        let areFirstDone = Board<Bool>()
        let areAllDone = Board<Bool>()
        let failures = await onThreads(3) { index in
            let fabric = try ZeroMQFabric(rank: index)
            defer {
                areAllDone.post(true, by: index)
                _ = areAllDone.all(3)
            }
            endpoints.post(fabric.endpoint, by: index)
            let peers = endpoints.all(3)
            try fabric.connect(peers: peers, epoch: 5)
            let next = (index + 1) % 3
            try fabric.send([UInt8(index)], to: next, tag(0, epoch: 5))
            // Still on its way when the links close.
            try fabric.send([77], to: next, tag(1, epoch: 5))
            #expect(try fabric.receive(1, from: (index + 2) % 3, tag(0, epoch: 5)) == [UInt8((index + 2) % 3)])
            areFirstDone.post(true, by: index)
            _ = areFirstDone.all(3)
            guard index != 0 else { return }
            fabric.abortFlag.set("rank 0 left")
            fabric.abortFlag.clear()
            var survivors: [Int: String] = [:]
            for (old, endpoint) in peers where old != 0 { survivors[2 - old] = endpoint }
            try fabric.connect(peers: survivors, epoch: 6, rank: 2 - index)
            #expect(fabric.rank == 2 - index && fabric.size == 2 && fabric.epoch == 6)
            try fabric.send([UInt8(index)], to: index - 1, tag(0, epoch: 6))
            #expect(try fabric.receive(1, from: index - 1, tag(0, epoch: 6)) == [UInt8(3 - index)])
        }
        #expect(failures.isEmpty, "\(failures)")
    }

    @Test("a rank that stays away is named")
    func missingRank() async {
        let failures = await onThreads(1) { _ in
            let absent = try ZeroMQFabric(rank: 2)
            let fabric = try ZeroMQFabric(rank: 0)
            try fabric.connect(peers: [2: absent.endpoint], epoch: 1, deadline: .milliseconds(50))
        }
        let expected = TransportError.connectDeadline(missing: [2], epoch: 1, after: .milliseconds(50))
        #expect(failures.transportErrors == [0: expected])
    }

    @Test("an abort ends the making of links")
    func abortedConnect() async {
        let flag = AbortFlag()
        flag.set("shutdown")
        let failures = await onThreads(1) { _ in
            let fabric = try ZeroMQFabric(rank: 0, abortFlag: flag)
            try fabric.connect(peers: [1: fabric.endpoint], epoch: 1, deadline: .seconds(600))
        }
        #expect(failures.transportErrors == [0: .aborted(reason: "shutdown")])
    }

    @Test("one rank alone needs no links")
    func single() async {
        let failures = await onThreads(1) { _ in
            let fabric = try ZeroMQFabric(rank: 0)
            try fabric.connect(peers: [0: fabric.endpoint], epoch: 1)
            #expect(fabric.size == 1)
        }
        #expect(failures.isEmpty, "\(failures)")
    }

    @Test("a port that is taken, and addresses that are none, are named errors")
    func addresses() async {
        let failures = await onThreads(1) { _ in
            let first = try ZeroMQFabric(rank: 0)
            let address = String(first.endpoint.dropFirst("tcp://".count))
            #expect(throws: TransportError.addressInUse(address: address)) { try ZeroMQFabric(rank: 1, bind: address) }
            for bad in ["", "no host", "a:b:c", "127.0.0.1:70000", "udp://127.0.0.1", "0.0.0.0"] {
                let error = try #require(throws: TransportError.self, "\(bad)") {
                    try ZeroMQFabric(rank: 1, bind: bad)
                }
                #expect(error.code == "invalidEndpoint", "\(bad): \(error)")
            }
            let error = try #require(throws: TransportError.self) { try ZeroMQFabric(rank: 1, bind: "192.0.2.1") }
            #expect(error.code == "system" && error.description.contains("192.0.2.1"))
            let open = try ZeroMQFabric(rank: 1, bind: "0.0.0.0", advertise: "127.0.0.1")
            #expect(open.endpoint.hasPrefix("tcp://127.0.0.1:"))
        }
        #expect(failures.isEmpty, "\(failures)")
    }

    @Test("strangers who knock at the door do not disturb")
    func strangers() async throws {
        let endpoints = Board<String>()
        let areKnocking = Board<Bool>()
        let isDone = Board<Bool>()
        async let failures = onThreads(2) { rank in
            let fabric = try ZeroMQFabric(rank: rank)
            endpoints.post(fabric.endpoint, by: rank)
            _ = areKnocking.all(1)
            try fabric.connect(peers: endpoints.all(2), epoch: 1)
            try fabric.send([UInt8(rank)], to: 1 - rank, tag(0))
            #expect(try fabric.receive(1, from: 1 - rank, tag(0)) == [UInt8(1 - rank)])
            isDone.post(true, by: rank)
            _ = isDone.all(2)
        }
        for endpoint in endpoints.all(2).values {
            let stranger = try ControlClient(connect: endpoint, logger: Logger(label: "test"))
            for count in [0, 48, 100_000] { stranger.send([UInt8](repeating: 0x54, count: count)) }
            for await event in stranger.events where event == .connected { break }
            await stranger.close()
        }
        areKnocking.post(true, by: 0)
        let found = await failures
        #expect(found.isEmpty, "\(found)")
    }
}
