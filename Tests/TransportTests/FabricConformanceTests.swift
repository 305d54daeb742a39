import Program
import Testing
import Transport

/// What every fabric must do.
@Suite("Fabric conformance")
struct FabricConformanceTests {
    @Test("messages of every size arrive whole and in order", arguments: FabricKind.allCases)
    func sizes(kind: FabricKind) async {
        let sizes = [0, 1, 63, 64, 65, 1 << 20, 1 << 20 + 3, 5 << 20, 0, 7]
        let failures = await withRanks(kind, 2) { fabric in
            if fabric.rank == 0 {
                for (index, size) in sizes.enumerated() { try fabric.send(pattern(size, index), to: 1, tag(index)) }
                #expect(fabric.sentByteCount == sizes.reduce(0, +))
            } else {
                for (index, size) in sizes.enumerated() {
                    #expect(try fabric.receive(size, from: 0, tag(index)) == pattern(size, index), "size \(size)")
                }
                #expect(fabric.sentByteCount == 0)
            }
        }
        #expect(failures.isEmpty, "\(failures)")
    }

    @Test("all pairs talk at once", arguments: FabricKind.allCases, [2, 3, 5])
    func allPairs(kind: FabricKind, size: Int) async {
        let failures = await withRanks(kind, size) { fabric in
            #expect(fabric.size == size)
            let peers = (0..<size).filter { $0 != fabric.rank }
            for round in 0..<40 {
                for peer in peers {
                    try fabric.send(pattern(round * 97, fabric.rank * size + peer + round), to: peer, tag(round))
                }
                for peer in peers.reversed() {
                    let found = try fabric.receive(round * 97, from: peer, tag(round))
                    #expect(found == pattern(round * 97, peer * size + fabric.rank + round))
                }
            }
        }
        #expect(failures.isEmpty, "\(failures)")
    }

    @Test("ranks that all send much before they receive do not block each other", arguments: FabricKind.allCases)
    func mutualFlood(kind: FabricKind) async {
        let count = 24 << 20
        let failures = await withRanks(kind, 3) { fabric in
            let peers = (0..<3).filter { $0 != fabric.rank }
            let bytes = [UInt8](repeating: UInt8(fabric.rank), count: count)
            for peer in peers { try fabric.send(bytes, to: peer, tag(0)) }
            for peer in peers {
                let expected = [UInt8](repeating: UInt8(peer), count: count)
                #expect(try fabric.receive(count, from: peer, tag(0)) == expected)
            }
        }
        #expect(failures.isEmpty, "\(failures)")
    }

    @Test("a message that does not come is an error that names rank and tag", arguments: FabricKind.allCases)
    func deadline(kind: FabricKind) async {
        let failures = await withRanks(kind, 2) { fabric in
            guard fabric.rank == 0 else { return }
            _ = try fabric.receive(4, from: 1, tag(3), deadline: .milliseconds(20))
        }
        let expected = TransportError.deadline(
            operation: "receiving from", peer: 1, tag: tag(3), after: .milliseconds(20))
        #expect(failures.transportErrors == [0: expected])
        #expect(expected.description.contains("rank 1") && expected.description.contains("exchange 3"))
    }

    @Test("a receiver that takes nothing ends in the sender's deadline", arguments: FabricKind.allCases)
    func sendDeadline(kind: FabricKind) async {
        let failures = await withRanks(kind, 2, queuedByteCountMax: 2 << 20) { fabric in
            guard fabric.rank == 0 else { return }
            fabric.sendDeadline = .milliseconds(20)
            let bytes = [UInt8](repeating: 1, count: 1 << 20)
            for index in 0..<1000 { try fabric.send(bytes, to: 1, tag(index)) }
        }
        #expect(failures.transportErrors[0]?.code == "deadline" && failures.count == 1, "\(failures)")
    }

    @Test("an abort ends a wait, and what is tried later", arguments: FabricKind.allCases)
    func abort(kind: FabricKind) async {
        let flags = Board<AbortFlag>()
        let failures = await withRanks(kind, 2) { fabric in
            if fabric.rank == 0 {
                flags.post(fabric.abortFlag, by: 0)
                #expect(throws: TransportError.aborted(reason: "cancelled")) {
                    try fabric.receive(4, from: 1, tag(0), deadline: .seconds(600))
                }
                try fabric.send([1], to: 1, tag(0))
            } else {
                flags.all(1)[0]?.set("cancelled")
                flags.all(1)[0]?.set("too late")
            }
        }
        #expect(failures.transportErrors == [0: .aborted(reason: "cancelled")])
    }

    @Test("another tag or length is an error on both fields, and ends the link", arguments: FabricKind.allCases)
    func wrongFrame(kind: FabricKind) async {
        let failures = await withRanks(kind, 3) { fabric in
            switch fabric.rank {
            case 0:
                try fabric.send([1, 2], to: 2, tag(5))
                try fabric.send([1, 2], to: 2, tag(6))
            case 1:
                try fabric.send([1, 2, 3], to: 2, tag(6))
            default:
                let error = try #require(throws: TransportError.self) { try fabric.receive(2, from: 0, tag(6)) }
                #expect(error.code == "unexpectedFrame")
                #expect(error.description.contains("rank 0 sent chunk 0 of 2 bytes for epoch 1"))
                #expect(throws: error) { try fabric.receive(2, from: 0, tag(6)) }
                _ = try fabric.receive(2, from: 1, tag(6))
            }
        }
        #expect(failures.transportErrors[2]?.code == "unexpectedFrame" && failures.count == 1, "\(failures)")
    }

    @Test("frames of an older epoch are dropped, those of a later one are an error", arguments: FabricKind.allCases)
    func epochs(kind: FabricKind) async {
        let failures = await withRanks(kind, 2) { fabric in
            if fabric.rank == 0 {
                try fabric.send(pattern(3 << 20, 1), to: 1, tag(0, epoch: 1))
                try fabric.send([1, 2], to: 1, tag(4, epoch: 2))
                try fabric.send([3, 4], to: 1, tag(9, epoch: 4))
            } else {
                #expect(try fabric.receive(2, from: 0, tag(4, epoch: 2)) == [1, 2])
                _ = try fabric.receive(2, from: 0, tag(9, epoch: 3))
            }
        }
        #expect(failures.transportErrors[1]?.code == "unexpectedFrame" && failures.count == 1, "\(failures)")
    }

    @Test("a rank that leaves is an error for those who wait for it", arguments: FabricKind.allCases)
    func peerGone(kind: FabricKind) async {
        let failures = await withRanks(kind, 3) { fabric in
            switch fabric.rank {
            case 0: fabric.close()
            case 1: _ = try fabric.receive(4, from: 0, tag(0), deadline: .seconds(600))
            default:
                fabric.sendDeadline = .seconds(600)
                while true { try fabric.send(pattern(1 << 20, 0), to: 0, tag(0)) }
            }
        }
        #expect(failures.transportErrors.mapValues(\.code) == [1: "peerLost", 2: "peerLost"], "\(failures)")
    }

    @Test("what a rank sent before it left still counts", arguments: FabricKind.allCases)
    func lastWords(kind: FabricKind) async {
        let isReceived = Board<Bool>()
        let failures = await withRanks(kind, 2) { fabric in
            if fabric.rank == 0 {
                try fabric.send([1], to: 1, tag(0))
                try fabric.send([2], to: 1, tag(1))
                _ = isReceived.all(1)
                fabric.close()
            } else {
                #expect(try fabric.receive(1, from: 0, tag(0)) == [1])
                isReceived.post(true, by: 1)
                #expect(try fabric.receive(1, from: 0, tag(1)) == [2])
                _ = try fabric.receive(1, from: 0, tag(2), deadline: .seconds(600))
            }
        }
        #expect(failures.transportErrors[1]?.code == "peerLost" && failures.count == 1, "\(failures)")
    }

    @Test("ranks that do not exist and messages beyond the limit are errors", arguments: FabricKind.allCases)
    func misuse(kind: FabricKind) async {
        let failures = await withRanks(kind, 2) { fabric in
            for peer in [-1, fabric.rank, 2] {
                #expect(throws: TransportError.notConnected(peer: peer)) { try fabric.send([], to: peer, tag(0)) }
                #expect(throws: TransportError.notConnected(peer: peer)) { try fabric.receive(0, from: peer, tag(0)) }
            }
            let limit = FrameHeader.messageByteCountMax
            // Never read: the length alone is refused.
            let address = UnsafeRawPointer(bitPattern: 64)
            #expect(throws: TransportError.messageTooLarge(byteCount: limit + 1, limit: limit)) {
                try fabric.send(
                    to: 1 - fabric.rank, tag: tag(0), bytes: UnsafeRawBufferPointer(start: address, count: limit + 1))
            }
        }
        #expect(failures.isEmpty, "\(failures)")
    }
}
