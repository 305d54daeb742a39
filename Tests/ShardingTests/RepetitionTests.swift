import Program
import Sharding
import Synchronization
import Tensor
import Testing

@Suite("Reports look at one of each kind of what repeats")
struct RepetitionTests {
    @Test(
        "The sums are those over everything",
        arguments: [
            Mesh([.init("model", 3)]), Mesh([.init("guidance", 2), .init("model", 2)]), Mesh([.init("tokens", 4)]),
            Mesh([.init("data", 2), .init("model", 4)]),
        ])
    func sums(mesh: Mesh) throws {
        let program = SyntheticModel.muse.workload(pictures: 2).stages[0].program
        let compiled = try Compiler.compile(program, mesh: mesh, rules: usualRules(mesh.axes.map(\.name)))
        let plan = try #require(PlanReport(mesh: mesh, programs: [compiled]).programs.first)
        #expect(plan.sentBytes == compiled.locals.map { CostModel.sentByteCount(of: $0) })
        #expect(plan.flops == compiled.locals.map { CostModel.flops(of: $0) })
        #expect(plan.messages == compiled.locals.reduce(0) { $0 + CostModel.messageCount(of: $1) })
        #expect(plan.collectives.reduce(0) { $0 + $1.bytes } == plan.sentBytes.reduce(0, +))
        #expect(plan.sentBytes.contains { $0 > 0 })
        for (rank, local) in compiled.locals.enumerated() {
            var bytes: [Int: Int] = [:]
            for exchange in local.exchanges {
                for send in exchange.sends {
                    bytes[send.peer, default: 0] += exchange.byteCount(
                        of: send, dtype: local.buffers[exchange.source].dtype)
                }
            }
            let links = plan.links.filter { $0.from == rank }
            #expect(Dictionary(uniqueKeysWithValues: links.map { ($0.to, $0.bytes) }) == bytes)
        }
    }

    @Test("Passes are told in their order, once each")
    func passes() throws {
        let seen = Mutex<[CompilerPass]>([])
        _ = try Compiler.compile(
            SyntheticModel.muse.workload(pictures: 1).stages[0].program, mesh: Mesh([.init("model", 2)]),
            rules: usualRules(["model"]),
            options: CompilerOptions(passed: { pass in seen.withLock { $0.append(pass) } }))
        #expect(seen.withLock { $0 } == CompilerPass.allCases)
    }
}
