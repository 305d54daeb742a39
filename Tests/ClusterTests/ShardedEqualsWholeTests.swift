import Program
import Sharding
import Tensor
import TestSupport
import Testing

/// Random programs with random annotations on random meshes give, bit for bit, what one device gives.
@Suite("Sharded equals whole")
struct ShardedEqualsWholeTests {
    @Test("Random graphs, annotations and meshes, uneven speeds included", arguments: 0..<400)
    func random(seed: Int) throws {
        var random = SeededGenerator(seed: UInt64(seed) &* 7919 &+ 3)
        let activation: DType = random.chance(60) ? .bf16 : .f32
        let program = RandomProgram(seed: UInt64(seed), activation: activation)
        try check([program.program], inputs: program.inputs, seed: seed, &random)
    }

    @Test("Random graphs with int8 products", arguments: 1000..<1150)
    func int8(seed: Int) throws {
        var random = SeededGenerator(seed: UInt64(seed) &* 7919 &+ 3)
        let program = RandomProgram(seed: UInt64(seed), activation: .bf16)
        try check([program.programWithInt8Products], inputs: program.inputs, seed: seed, &random)
    }

    @Test("Random programs that find and replace what others left", arguments: 2000..<2100)
    func residents(seed: Int) throws {
        var random = SeededGenerator(seed: UInt64(seed) &* 7919 &+ 3)
        let activation: DType = random.chance(60) ? .bf16 : .f32
        let drawn = RandomProgram(seed: UInt64(seed), activation: activation, isInTwo: true)
        let first = try #require(drawn.first)
        try check([first, drawn.program, drawn.program], inputs: drawn.inputs, seed: seed, &random)
    }

    @Test("Many random programs have factors to do them in blocks along")
    func blockVariety() throws {
        let mesh = Mesh([.init("a", 2), .init("b", 2)])
        let rules = LogicalAxisRules(["heads": ["a"], "mlp": ["a"], "vocab": ["a"], "rows": ["b"]])
        let options = CompilerOptions(overlap: .blocks(2))
        let blocks = try (3000..<3040 as Range<UInt64>).compactMap { seed in
            try Compiler.compile(
                RandomProgram(seed: seed, activation: .f32).program, mesh: mesh, rules: rules, options: options
            ).blocks
        }
        #expect(blocks.count > 15)
        #expect(Set(blocks.map(\.dim)).count > 1)
    }

    @Test("Random programs have all operations")
    func variety() {
        let programs = (0..<400 as Range<UInt64>).map { RandomProgram(seed: $0, activation: .f32).program }
        let drawn = Set(programs.flatMap { $0.operations.map(\.opcode) })
        #expect(drawn == Set(Opcode.allCases))
    }

    @Test("Random graphs in blocks, along any factor", arguments: 3000..<3300)
    func blocks(seed: Int) throws {
        var random = SeededGenerator(seed: UInt64(seed) &* 7919 &+ 3)
        let activation: DType = random.chance(60) ? .bf16 : .f32
        let program = RandomProgram(seed: UInt64(seed), activation: activation)
        var options = CompilerOptions(overlap: .blocks(random.int(2...3), factor: random.int(0...3)))
        // Reductions in one round and in two, common messages and none.
        if random.chance(50) { options.links = .bandwidthOnly }
        if random.chance(30) { options.fusion = FusionLimits(byteCountMax: 1 << 20, waitingByteCountMax: 1 << 20) }
        try check([program.program], inputs: program.inputs, seed: seed, &random, options)
    }

    private func check(
        _ programs: [Program], inputs: [String: HostTensor], seed: Int, _ random: inout SeededGenerator,
        _ options: CompilerOptions = CompilerOptions()
    ) throws {
        let whole = try Self.run(programs, inputs, mesh: .single, rules: LogicalAxisRules([:]))
        var checked = 0
        for _ in 0..<6 where checked < 2 {
            let (mesh, rules) = Self.layout(&random)
            do {
                let sharded = try Self.run(programs, inputs, mesh: mesh, rules: rules, options)
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

    /// All outputs of programs that run one after the other.
    private static func run(
        _ programs: [Program], _ inputs: [String: HostTensor], mesh: Mesh, rules: LogicalAxisRules,
        _ options: CompilerOptions = CompilerOptions()
    ) throws -> [String: HostTensor] {
        var sources: [String: ParameterSource] = [:]
        for name in programs.flatMap(\.parameters.keys) { sources[name] = .generated(seed: 11) }
        let cluster = SimulatedCluster(mesh: mesh, rules: rules, sources: sources, options: options)
        var result: [String: HostTensor] = [:]
        for program in programs {
            let key = try cluster.installNow(program)
            result.merge(try cluster.runNow(key, request: 1, inputs: inputs)) { _, last in last }
        }
        let traffic = cluster.traffic
        #expect(traffic.sent == traffic.planned, "bytes sent differ from the plan's")
        return result
    }
}
