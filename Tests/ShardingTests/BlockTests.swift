import Program
import Sharding
import Tensor
import Testing

/// Programs done in blocks so that exchanges are hidden; that results stay the same is in `ShardedEqualsWholeTests`.
@Suite("Blocks")
struct BlockTests {
    private let program = SyntheticModel.muse.workload(pictures: 1).stages[0].program

    private func compile(
        _ overlap: Overlap, mesh: [(String, Int)] = [("model", 2)], speeds: [Double]? = nil,
        link: MachineProfile.Link = .gigabit
    ) throws -> (program: CompiledProgram, timeline: Timeline) {
        let mesh = Mesh(mesh.map { .init($0.0, $0.1) }, speeds: speeds)
        let machines = MachineProfile.uniform(mesh.deviceCount, rate: 0.2e12, link: link)
        let compiled = try Compiler.compile(
            program, mesh: mesh, rules: usualRules(mesh.axes.map(\.name)),
            options: CompilerOptions(overlap: overlap, machines: machines))
        return (compiled, Timeline.predict(locals: compiled.locals, profile: machines))
    }

    @Test("All-reduces of one block are on their way while another is computed", arguments: [2, 3, 4])
    func hidden(devices: Int) throws {
        let before = try compile(.messages, mesh: [("model", devices)])
        let after = try compile(.auto, mesh: [("model", devices)])
        #expect(before.program.blocks == nil)
        let blocks = try #require(after.program.blocks)
        #expect(blocks.count >= 2 && blocks.wholeSeconds == before.timeline.duration)
        #expect(after.timeline.duration < 0.9 * before.timeline.duration)
        let (waitBefore, waitAfter) = (
            before.timeline.seconds(.wait, device: 0), after.timeline.seconds(.wait, device: 0)
        )
        #expect(waitAfter < 0.7 * waitBefore)
        #expect(after.timeline.hiddenSeconds[0] > 0.2 * waitBefore)
    }

    @Test("The same bytes, weights and work, in little more memory")
    func costs() throws {
        let (before, after) = (try compile(.messages).program, try compile(.auto).program)
        for (a, b) in zip(before.locals, after.locals) {
            #expect(CostModel.sentByteCount(of: a) == CostModel.sentByteCount(of: b))
            #expect(Set(a.storedWeights) == Set(b.storedWeights))
            #expect(a.parameters.count == b.parameters.count)
            #expect(CostModel.flops(of: a) == CostModel.flops(of: b))
            #expect(Double(b.arenaByteCount) <= 1.1 * Double(a.arenaByteCount))
        }
    }

    @Test(
        "Devices agree, at most two exchanges are under way, and what is in use never shares memory",
        arguments: [(2, 0), (2, 1), (4, 1), (3, 1)])
    func order(count: Int, factor: Int) throws {
        let mesh = [("tokens", 2), ("model", 2)]
        let program = try compile(.blocks(count, factor: factor), mesh: mesh, speeds: [3, 1, 1, 2]).program
        #expect(program.blocks?.count == count)
        for local in program.locals {
            #expect(local.instructions == program.locals[0].instructions)
            var underWay: [Int] = []
            for instruction in local.instructions {
                switch instruction {
                case .compute: break
                // Copies of a device's own start and end at one place.
                case .exchangeStart(let index) where local.exchanges[index].kind == .slice: break
                case .exchangeFinish(let index) where local.exchanges[index].kind == .slice: break
                case .exchangeStart(let index):
                    underWay.append(index)
                    #expect(underWay.count <= 2)
                case .exchangeFinish(let index): #expect(underWay.removeFirst() == index)
                }
            }
            #expect(underWay.isEmpty)
            #expect(conflicts(in: local).isEmpty)
        }
    }

    @Test("Nothing is done in blocks where nothing is sent, or where messages take no time")
    func idle() throws {
        #expect(try compile(.auto, mesh: []).program.blocks == nil)
        #expect(try compile(.blocks(2), mesh: []).program.blocks == nil)
        let instant = MachineProfile.Link(latency: 0, bandwidth: 1e15, origin: .measured)
        let auto = try compile(.auto, link: instant).program
        #expect(auto.blocks == nil)
        #expect(auto.locals == (try compile(.messages, link: instant).program.locals))
        // Without a profile nobody knows what it would save.
        let unknown = try Compiler.compile(
            program, mesh: Mesh([.init("model", 2)]), rules: usualRules(["model"]), options: CompilerOptions())
        #expect(unknown.blocks == nil)
    }

    @Test("Guidance halves are split nowhere but in their own program where a device has one of them")
    func splitGuidance() throws {
        let blocks = try #require(
            try compile(.blocks(2, factor: 0), mesh: [("guidance", 2), ("model", 2)]).program.blocks)
        // Tokens are what is left.
        #expect(blocks.dim == 2)
    }

    /// Pairs of buffers in the arena that hold something at one time and overlap.
    private func conflicts(in local: LocalProgram) -> [String] {
        var uses: [Int: ClosedRange<Int>] = [:]
        func touch(_ buffer: Int, _ step: Int) {
            uses[buffer] = min(uses[buffer]?.lowerBound ?? step, step)...max(uses[buffer]?.upperBound ?? step, step)
        }
        for port in local.inputs { touch(port.buffer, 0) }
        for (step, instruction) in local.instructions.enumerated() {
            switch instruction {
            case .compute(let compute): for buffer in compute.operands + [compute.result] { touch(buffer, step) }
            case .exchangeStart(let index):
                for member in local.exchangeIndices(startedBy: index) { touch(local.exchanges[member].source, step) }
            case .exchangeFinish(let index):
                for member in local.exchangeIndices(startedBy: index) {
                    touch(local.exchanges[member].source, step)
                    touch(local.exchanges[member].destination, step)
                }
            }
        }
        for port in local.outputs { touch(port.buffer, local.instructions.count) }
        let placed = uses.compactMap { buffer, steps -> (buffer: Int, steps: ClosedRange<Int>, bytes: Range<Int>)? in
            guard case .arena(let offset) = local.buffers[buffer].storage, local.buffers[buffer].byteCount > 0 else {
                return nil
            }
            return (buffer, steps, offset..<(offset + local.buffers[buffer].byteCount))
        }
        return placed.indices.flatMap { i in
            placed[(i + 1)...].filter { $0.steps.overlaps(placed[i].steps) && $0.bytes.overlaps(placed[i].bytes) }
                .map { "\(placed[i].buffer) and \($0.buffer)" }
        }
    }
}
