import Program
import Sharding
import Tensor
import Testing

@Suite("Predicted times")
struct TimelineTests {
    /// Two devices send each other `count` f32 and wait.
    private func swap(_ count: Int) -> [LocalProgram] {
        let box = Box(covering: [count])
        let byteCount = (4 * count + 63) / 64 * 64
        return (0..<2).map { device in
            let buffers = (0..<2).map { index in
                LocalBuffer(dtype: .f32, dims: [Dim(count)], box: box, storage: .arena(offset: index * byteCount))
            }
            let transfer = Exchange.Transfer(peer: 1 - device, box: box)
            let exchange = Exchange(
                kind: .permute, axes: [], source: 0, destination: 1, sends: [transfer], receives: [transfer],
                copies: [], stagingOffset: 2 * byteCount)
            return LocalProgram(
                name: "swap", device: device, buffers: buffers, instructions: [.exchangeStart(0), .exchangeFinish(0)],
                exchanges: [exchange], arenaByteCount: 4 * byteCount)
        }
    }

    @Test("A swap takes one latency and one message's time, as both directions are free")
    func swapping() {
        let timeline = Timeline.predict(
            locals: swap(1 << 20), profile: .uniform(2, memory: 1e15, link: .gigabit))
        let expected = 100e-6 + Double(4 << 20) / 117e6
        #expect(abs(timeline.duration - expected) < 0.01 * expected)
        #expect(timeline.seconds(.wait, device: 0) > 0.9 * expected)
    }

    @Test("Nobody waits for what has long arrived")
    func overlap() {
        var locals = swap(16)
        let add = ComputeInstruction(opcode: .add, operands: [0, 0], result: 0, attributes: [:], scope: "work")
        for index in locals.indices {
            locals[index].instructions.insert(contentsOf: Array(repeating: .compute(add), count: 1000), at: 1)
        }
        let timeline = Timeline.predict(locals: locals, profile: .uniform(2, link: .gigabit))
        #expect(timeline.seconds(.wait, device: 0) == 0)
        #expect(timeline.seconds(.elements, device: 1) > 1000 * 2e-6)
    }

    @Test("A device is always in some instruction, and waits for the slowest")
    func gaps() throws {
        let program = try Compiler.compile(
            SyntheticModel.muse.workload(pictures: 1).stages[0].program, mesh: Mesh([.init("model", 3)]),
            rules: usualRules(["model"]))
        let timeline = Timeline.predict(locals: program.locals, profile: .uniform(3, link: .gigabit))
        for (device, entries) in timeline.devices.enumerated() {
            var end = 0.0
            for entry in entries {
                #expect(entry.start == end)
                #expect(entry.end >= entry.start)
                end = entry.end
            }
            // Where a device cuts a part out of what it has, there is nothing to send.
            let local = program.locals[device]
            let silent = local.instructions.count {
                guard case .exchangeStart(let exchange) = $0 else { return false }
                return local.messages(sentBy: exchange).isEmpty
            }
            #expect(Set(entries.map(\.instruction)).count == local.instructions.count - silent)
        }
        // 16 heads over 3 devices: those with 5 wait for the one with 6.
        #expect(timeline.seconds(.matrix, device: 0) > timeline.seconds(.matrix, device: 1))
        #expect(timeline.seconds(.wait, device: 1) > timeline.seconds(.wait, device: 0))
    }

    @Test("A product's rate is that of the nearest measured shapes")
    func rates() {
        let worker = MachineProfile.Worker.synthetic("w", rate: 1e12, memory: 50e9)
        #expect(worker.matrixRate(.bf16, rows: 512, depth: 2048, columns: 2048) == 1e12)
        #expect(worker.matrixRate(.bf16, rows: 1, depth: 2048, columns: 2048) == 50e9)
        let between = worker.matrixRate(.bf16, rows: 23, depth: 2048, columns: 2048)
        #expect(between > 50e9 && between < 1e12)
        #expect(worker.matrixRate(.bf16, rows: 2, depth: 2048, columns: 4096) < 100e9)
    }

    @Test("A profile of some workers has their links")
    func selecting() {
        var profile = MachineProfile.uniform(3, link: .fast)
        profile[0, 2] = .gigabit
        let some = profile.selecting([2, 0])
        #expect(some.workers.map(\.name) == ["w2", "w0"])
        #expect(some[1, 0] == .gigabit)
        #expect(some[0, 1] == .fast)
        #expect(some.linkCosts == LinkCosts(latency: 100e-6, bandwidth: 117e6))
    }
}
