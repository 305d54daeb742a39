import Program
import Testing
import Transport

/// Every simulated fault is survived or ends in an error; none is silent.
struct FabricFaultTests {
    /// Sends twenty messages over a faulty link and returns what the receiver makes of them.
    private func transfer(
        _ kind: FabricKind, _ injector: FaultInjector, deadline: Duration = .seconds(60)
    ) async -> (received: Int, failures: [Int: TransportError]) {
        let received = ConditionLock(0)
        let failures = await withRanks(kind, 2, faults: injector) { fabric in
            for index in 0..<20 {
                if fabric.rank == 0 {
                    try fabric.send(pattern(100, index), to: 1, tag(index))
                } else {
                    let patience = index == 19 ? deadline : .seconds(60)
                    let bytes = try fabric.receive(100, from: 0, tag(index), deadline: patience)
                    #expect(bytes == pattern(100, index))
                    received.update { $0 += 1 }
                }
            }
        }
        return (received.update { $0 }, failures.transportErrors)
    }

    private func only(_ index: Int, _ fault: Fault) -> FaultInjector {
        FaultInjector { $0.index == index ? fault : nil }
    }

    @Test(
        "a delayed or doubled frame changes nothing",
        arguments: FabricKind.simulated, [Fault.delay(.milliseconds(2)), .duplicate])
    func harmless(kind: FabricKind, fault: Fault) async {
        let (received, failures) = await transfer(kind, only(7, fault))
        #expect(received == 20 && failures.isEmpty)
    }

    @Test("a lost frame is noticed by the next one, or by the deadline", arguments: FabricKind.simulated)
    func drop(kind: FabricKind) async {
        let (received, failures) = await transfer(kind, only(7, .drop))
        #expect(received == 7 && failures.mapValues(\.code) == [1: "unexpectedFrame"])
        #expect(failures[1]?.description.contains("frame 8 after frame 7 was lost") == true)
        let (last, lastFailures) = await transfer(kind, only(19, .drop), deadline: .milliseconds(20))
        #expect(last == 19 && lastFailures.mapValues(\.code) == [1: "deadline"])
    }

    @Test("a damaged header ends the link", arguments: FabricKind.simulated, [0, 32, 64, 200, 300, 383])
    func corrupt(kind: FabricKind, bit: Int) async {
        let (received, failures) = await transfer(kind, only(7, .corrupt(bit: bit)))
        #expect(received == 7 && failures.mapValues(\.code) == [1: "unexpectedFrame"])
    }

    @Test("the death of a sender is seen by both", arguments: FabricKind.simulated)
    func death(kind: FabricKind) async {
        let (received, failures) = await transfer(kind, only(7, .senderDies))
        #expect(received == 7 && failures.mapValues(\.code) == [0: "aborted", 1: "peerLost"])
    }

    @Test("the same seed makes the same faults, in the given proportion")
    func seeds() async {
        let faults: [(Fault, Double)] = [(.drop, 0.25), (.duplicate, 0.25)]
        func decisions(_ seed: UInt64) -> [Fault?] {
            let injector = FaultInjector.seeded(seed, faults)
            return (0..<1000).map { index in
                injector.fault(FaultInjector.Frame(sender: 1, receiver: 0, index: index, byteCount: 0))
            }
        }
        #expect(decisions(1) == decisions(1) && decisions(1) != decisions(2))
        for fault in [Fault.drop, .duplicate] {
            #expect((200...300).contains(decisions(1).count { $0 == fault }))
        }
    }

    @Test(
        "whatever a seeded network does, messages arrive right or not at all", arguments: FabricKind.simulated,
        UInt64(0)..<20)
    func simulation(kind: FabricKind, seed: UInt64) async {
        let injector = FaultInjector.seeded(
            seed,
            [
                (.delay(.microseconds(200)), 0.1), (.duplicate, 0.1), (.drop, 0.01),
                (.corrupt(bit: Int(seed) * 19), 0.01), (.senderDies, 0.005),
            ])
        let failures = await withRanks(kind, 3, faults: injector) { fabric in
            let peers = (0..<3).filter { $0 != fabric.rank }
            for round in 0..<30 {
                for peer in peers { try fabric.send(pattern(50, fabric.rank + round), to: peer, tag(round)) }
                for peer in peers {
                    let bytes = try fabric.receive(50, from: peer, tag(round), deadline: .milliseconds(200))
                    #expect(bytes == pattern(50, peer + round), "seed \(seed)")
                }
            }
        }
        #expect(failures.count == failures.transportErrors.count, "seed \(seed): \(failures)")
    }
}
