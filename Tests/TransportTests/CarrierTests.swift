import Glibc
import Program
import Testing

@testable import Transport

/// Which carrier a link gets, and what only shared memory has: messages in place, the doorbell.
struct CarrierTests {
    private func connected(
        _ carriers: [Carrier], _ body: @escaping @Sendable (ZeroMQFabric) throws -> Void
    ) async -> [Int: any Error] {
        let endpoints = Board<String>()
        let isDone = Board<Bool>()
        return await onThreads(carriers.count) { rank in
            let fabric = try ZeroMQFabric(rank: rank, carrier: carriers[rank])
            defer {
                isDone.post(true, by: rank)
                _ = isDone.all(carriers.count)
            }
            endpoints.post(fabric.endpoint, by: rank)
            try fabric.connect(peers: endpoints.all(carriers.count), epoch: 1)
            try body(fabric)
        }
    }

    @Test("ranks of one host share memory unless one is told not to")
    func choice() async {
        let failures = await connected([.automatic, .automatic, .zeroMQ]) { fabric in
            let expected: [[Int: Carrier]] = [
                [1: .sharedMemory, 2: .zeroMQ], [0: .sharedMemory, 2: .zeroMQ], [0: .zeroMQ, 1: .zeroMQ],
            ]
            #expect(fabric.carriers == expected[fabric.rank])
            let ring = RingLayout.segmentByteCount(ring: RingLayout.ringByteCount(peers: 2)) / 2
            #expect(fabric.sharedByteCount == (fabric.rank == 2 ? 0 : ring))
            for peer in fabric.carriers.keys { try fabric.send([UInt8(fabric.rank)], to: peer, tag(0)) }
            for peer in fabric.carriers.keys { #expect(try fabric.receive(1, from: peer, tag(0)) == [UInt8(peer)]) }
        }
        #expect(failures.isEmpty, "\(failures)")
    }

    @Test("memory that must be shared and is not is a named error on the rank that wanted it", arguments: [0, 1])
    func refusal(strict: Int) async {
        var carriers: [Carrier] = [.zeroMQ, .zeroMQ]
        carriers[strict] = .sharedMemory
        let failures = await connected(carriers) { _ in }
        // The other may be told so, or see a peer that leaves.
        #expect(failures.transportErrors[strict]?.code == "noSharedMemory", "\(failures)")
        #expect(failures[strict].map { "\($0)".contains("data_plane.carrier") } == true)
    }

    @Test("a message is read where it arrived, of any number of frames, and its memory comes back")
    func inPlace() async {
        let sizes = [4, 64 << 10, 1 << 20, 1 << 20 + 4, 3 << 20, 8 << 20, 9 << 20, 0]
        let failures = await connected([.automatic, .automatic]) { fabric in
            let peer = 1 - fabric.rank
            var room = [UInt8](repeating: 0, count: 9 << 20)
            for round in 0..<16 {
                let size = sizes[round % sizes.count]
                let bytes = pattern(size, round + fabric.rank)
                if let place = fabric.room(to: peer, byteCount: size), round % 2 == 0 {
                    bytes.withUnsafeBytes {
                        UnsafeMutableRawBufferPointer(start: place, count: size).copyMemory(from: $0)
                    }
                    try fabric.send(
                        to: peer, tag: tag(round), bytes: UnsafeRawBufferPointer(start: place, count: size))
                } else {
                    try fabric.send(bytes, to: peer, tag(round))
                }
                try room.withUnsafeMutableBytes { room in
                    let room = UnsafeMutableRawBufferPointer(rebasing: room[..<size])
                    let place = try fabric.take(from: peer, tag: tag(round), room: room, deadline: .seconds(60))
                    #expect((place == nil) == (size > 8 << 20), "\(size) bytes")
                    let found = place ?? UnsafeRawPointer(room.baseAddress)
                    let isEqual = pattern(size, round + peer).withUnsafeBytes { expected in
                        guard let found, let base = expected.baseAddress else { return size == 0 }
                        return memcmp(found, base, size) == 0
                    }
                    #expect(isEqual, "\(size) bytes")
                    fabric.giveBack(from: peer)
                }
            }
        }
        #expect(failures.isEmpty, "\(failures)")
    }

    @Test("a rank that sleeps is woken by what arrives, and by room")
    func doorbell() async {
        let failures = await connected([.sharedMemory, .sharedMemory]) { fabric in
            let peer = 1 - fabric.rank
            for round in 0..<20 {
                // Longer than any spin, in turn; deadlines are seconds, so a lost bell would show in the run's time only.
                if round % 2 == fabric.rank { usleep(2000) }
                try fabric.send([UInt8(round)], to: peer, tag(round))
                #expect(try fabric.receive(1, from: peer, tag(round)) == [UInt8(round)])
            }
            let large = [UInt8](repeating: 7, count: 6 << 20)
            for round in 0..<6 where fabric.rank == 0 { try fabric.send(large, to: peer, tag(100 + round)) }
            for round in 0..<6 where fabric.rank == 1 {
                usleep(2000)
                #expect(try fabric.receive(large.count, from: peer, tag(100 + round)) == large)
            }
        }
        #expect(failures.isEmpty, "\(failures)")
    }
}
