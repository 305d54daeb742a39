import Program
import Sharding
import Tensor
import Testing

/// Random programs with random annotations on random meshes give, bit for bit, what one device gives.
@Suite("Sharded equals whole")
struct ShardedEqualsWholeTests {
    @Test("Random graphs, annotations and meshes, uneven speeds included", arguments: 0..<400)
    func random(seed: Int) throws {
        var random = SeededGenerator(seed: UInt64(seed) &* 7919 &+ 3)
        let activation: DType = random.chance(60) ? .bf16 : .f32
        let program = RandomProgram(seed: UInt64(seed), activation: activation)
        try check(program.program, inputs: program.inputs, seed: seed, &random)
    }

    @Test("Random graphs with int8 products", arguments: 1000..<1150)
    func int8(seed: Int) throws {
        var random = SeededGenerator(seed: UInt64(seed) &* 7919 &+ 3)
        let program = RandomProgram(seed: UInt64(seed), activation: .bf16)
        try check(program.programWithInt8Products, inputs: program.inputs, seed: seed, &random)
    }

    private func check(
        _ program: Program, inputs: [String: HostTensor], seed: Int, _ random: inout SeededGenerator
    ) throws {
        let whole = try Self.run(program, inputs, mesh: .single, rules: LogicalAxisRules([:]))
        var checked = 0
        for _ in 0..<6 where checked < 2 {
            let (mesh, rules) = Self.layout(&random)
            do {
                let sharded = try Self.run(program, inputs, mesh: mesh, rules: rules)
                checked += 1
                for (name, expected) in whole {
                    #expect(
                        sharded[name] == expected,
                        "output \(name) of seed \(seed) differs on \(mesh.axes), speeds \(mesh.speeds), \(rules.rules)")
                }
            } catch ShardingError.axisUsedTwice {
                // These rules contradict this program's annotations; other rules are drawn.
                continue
            }
        }
    }

    private static func layout(_ random: inout SeededGenerator) -> (Mesh, LogicalAxisRules) {
        var axes = [Mesh.Axis("a", random.int(2...4))]
        if random.chance(60) { axes.append(.init("b", random.int(2...3))) }
        let count = axes.reduce(1) { $0 * $1.size }
        let speeds = random.chance(40) ? (0..<count).map { _ in Double(random.int(1...4)) } : nil
        var rules: [String: [String]] = [:]
        for logical in RandomProgram.logicalAxes where random.chance(65) {
            rules[logical] = random.chance(15) ? axes.map(\.name) : [random.pick(axes).name]
        }
        return (Mesh(axes, speeds: speeds), LogicalAxisRules(rules))
    }

    private static func run(
        _ program: Program, _ inputs: [String: HostTensor], mesh: Mesh, rules: LogicalAxisRules
    ) throws -> [String: HostTensor] {
        let sources = program.parameters.mapValues { _ in ParameterSource.generated(seed: 11) }
        let cluster = SimulatedCluster(mesh: mesh, rules: rules, sources: sources)
        let key = try cluster.installNow(program)
        let result = try cluster.runNow(key, request: 1, inputs: inputs)
        let traffic = cluster.traffic
        #expect(traffic.sent == traffic.planned, "bytes sent differ from the plan's")
        return result
    }
}
