import Program
import Sharding
import Tensor
import Testing

@Suite("Fusion of exchanges")
struct CollectiveFusionTests {
    /// Self-attention whose tokens are split: keys and values are gathered.
    private func attention(width: Int = 32, tokens: Int = 16, layers: Int = 2) -> Program {
        var builder = ProgramBuilder(name: "attention", activation: .bf16)
        let type = TensorType(.bf16, [Dim(tokens, granule: 1), Dim(width)])
        var x = builder.input("x", type, axes: ["tokens", nil])
        for layer in 0..<layers {
            x = builder.scope("layers.\(layer)") { builder in
                let projections = ["q", "k", "v"].map { part in
                    let weight = builder.parameter(
                        ParameterSpec(
                            name: "\(layer).\(part)", part: "p", tensor: "\(layer).\(part)",
                            fileDims: [2, width / 2, width]))
                    return builder.add(.dot, [x, weight], ["contract": .int(1)])
                }
                let mixed = builder.add(
                    .attention, projections,
                    ["queryDims": .int(1), "keyDims": .int(1), "causal": .int(0), "scale": .float(0.25)])
                return builder.add(.reshape, [mixed], ["sizes": .ints([tokens, width])])
            }
        }
        builder.output("y", x)
        return builder.program
    }

    private func compile(
        _ program: Program, _ rules: [String: [String]], mesh: [(String, Int)],
        fusion: FusionLimits? = nil, overlap: Overlap = .auto
    ) throws -> [LocalProgram] {
        try Compiler.compile(
            program, mesh: Mesh(mesh.map { .init($0.0, $0.1) }), rules: LogicalAxisRules(rules),
            options: CompilerOptions(fusion: fusion, overlap: overlap)
        ).locals
    }

    private func messages(_ locals: [LocalProgram]) -> Int {
        locals.reduce(0) { $0 + CostModel.messageCount(of: $1) }
    }

    @Test("Keys and values travel in one message, and stay two collectives of the plan")
    func keysAndValues() throws {
        let program = attention()
        let apart = try compile(program, ["tokens": ["tokens"]], mesh: [("tokens", 4)], fusion: .off)
        let fused = try compile(program, ["tokens": ["tokens"]], mesh: [("tokens", 4)])
        // Two layers, two values, twelve pairs of devices.
        #expect(messages(apart) == 2 * 2 * 12)
        #expect(messages(fused) == 2 * 12)
        #expect(apart[1].exchanges.allSatisfy { $0.fused.isEmpty })
        #expect(fused[1].exchanges.map(\.kind) == apart[1].exchanges.map(\.kind))
        #expect(fused[1].exchanges.map(\.scope) == apart[1].exchanges.map(\.scope))
        #expect(fused.map { CostModel.sentByteCount(of: $0) } == apart.map { CostModel.sentByteCount(of: $0) })
    }

    @Test("All devices agree about membership and order")
    func agreement() throws {
        // Uneven shards; two devices have nothing to send.
        let locals = try compile(
            attention(tokens: 4, layers: 3), ["tokens": ["tokens"]], mesh: [("tokens", 6)])
        let first = locals[0]
        #expect(first.exchanges.contains { !$0.fused.isEmpty })
        for local in locals {
            #expect(local.exchanges.map(\.fused) == first.exchanges.map(\.fused))
            #expect(local.instructions == first.instructions)
            for peer in locals where peer.device != local.device {
                for case .exchangeStart(let index) in local.instructions {
                    let sent = local.messages(sentBy: index).filter { $0.peer == peer.device }
                    let received = peer.messages(receivedBy: index).filter { $0.peer == local.device }
                    #expect(sent.count <= 1 && sent.count == received.count)
                    #expect(sent.map(\.byteCount) == received.map(\.byteCount))
                    #expect(sent.flatMap { $0.parts.map(\.exchange) } == received.flatMap { $0.parts.map(\.exchange) })
                }
            }
        }
    }

    @Test("Above the limit nothing is fused")
    func limit() throws {
        // A device's keys for one peer: 4 rows of 32 in bf16, and as many values.
        let largest = 2 * 4 * 32 * 2
        func count(_ limit: Int) throws -> Int {
            messages(
                try compile(
                    attention(layers: 1), ["tokens": ["tokens"]], mesh: [("tokens", 4)],
                    fusion: .init(byteCountMax: limit, waitingByteCountMax: limit)))
        }
        #expect(try count(largest) == 12)
        #expect(try count(largest - 1) == 24)
    }

    @Test("What waits for a product is fused only where it is very small")
    func waiting() throws {
        // The values' product lies between the places at which keys and values are there.
        let locals = try compile(
            attention(layers: 1), ["tokens": ["tokens"]], mesh: [("tokens", 4)],
            fusion: .init(byteCountMax: 1 << 20, waitingByteCountMax: 100))
        #expect(messages(locals) == 24)
    }

    /// Products of an input with a weight, by name of the axis that each is split over in its rows or where it sums.
    private func products(_ sizes: [(axis: String, rows: Int, isSum: Bool)]) -> Program {
        var builder = ProgramBuilder(name: "products", activation: .f32)
        for (index, entry) in sizes.enumerated() {
            let dims = [Dim(entry.rows, granule: 1), Dim(64, granule: 8)]
            let x = builder.input(
                "x\(index)", TensorType(.f32, dims), axes: entry.isSum ? [nil, entry.axis] : [entry.axis, nil])
            let weight = builder.parameter(
                ParameterSpec(name: "w\(index)", part: "p", tensor: "w\(index)", fileDims: [64, 64]),
                granules: [nil, 8])
            let product = builder.add(.dot, [x, weight], ["contract": .int(1)])
            let whole = builder.add(.annotate, [product], axes: ["none", "none"])
            builder.output("y\(index)", whole)
        }
        return builder.program
    }

    @Test("Exchanges over different axes keep their messages")
    func axes() throws {
        let program = products([("rows", 8, false), ("columns", 8, false)])
        let rules = ["rows": ["a"], "columns": ["b"], "none": []]
        let locals = try compile(program, rules, mesh: [("a", 2), ("b", 2)])
        #expect(locals[0].exchanges.filter { !$0.sends.isEmpty }.map(\.axes) == [["a"], ["b"]])
        #expect(locals[0].exchanges.allSatisfy { $0.fused.isEmpty })
        // Over the same axis they are fused.
        let same = try compile(program, ["rows": ["a"], "columns": ["a"], "none": []], mesh: [("a", 2), ("b", 2)])
        #expect(same[0].exchanges.map(\.fused) == [[1], []])
    }

    @Test("Sums and gathers travel together")
    func mixed() throws {
        let program = products([("rows", 8, false), ("rows", 8, true)])
        let locals = try compile(program, ["rows": ["a"], "none": []], mesh: [("a", 4)])
        #expect(locals[0].exchanges.map(\.fused) == [[1], []])
        #expect(locals[0].exchanges.map(\.kind) == [.allGather, .allReduce])
        #expect(messages(locals) == 12)
    }

    @Test("An exchange that sends what another brings is not fused with it")
    func chain() throws {
        // Too large for one round: pieces are summed, then gathered.
        let locals = try compile(
            products([("columns", 512, true)]), ["columns": ["a"], "none": []], mesh: [("a", 4)])
        #expect(locals[0].exchanges.count { !$0.sends.isEmpty } == 2)
        #expect(locals[0].exchanges.allSatisfy { $0.fused.isEmpty })
        // Of two such sums the last rounds are.
        let two = try compile(
            products([("columns", 512, true), ("columns", 512, true)]), ["columns": ["a"], "none": []],
            mesh: [("a", 4)])
        #expect(two[0].exchanges.count { !$0.sends.isEmpty } == 4)
        #expect(two[0].exchanges.count { !$0.fused.isEmpty } == 1)
    }

    @Test("Nor with work in between")
    func distantChain() throws {
        // Pieces of a sum, and later all of it, with other work in between.
        var builder = ProgramBuilder(name: "distant", activation: .f32)
        let x = builder.input("x", TensorType(.f32, [Dim(8, granule: 1), Dim(64, granule: 8)]), axes: [nil, "split"])
        let weight = builder.parameter(
            ParameterSpec(name: "w", part: "p", tensor: "w", fileDims: [64, 64]), granules: [nil, 8])
        let product = builder.add(.dot, [x, weight], ["contract": .int(1)])
        let turned = builder.add(.annotate, [product], axes: ["split", nil])
        let y = builder.input("y", TensorType(.f32, [Dim(8), Dim(64)]))
        let other = builder.parameter(ParameterSpec(name: "v", part: "p", tensor: "v", fileDims: [64, 64]))
        builder.output("z", builder.add(.dot, [y, other], ["contract": .int(1)]))
        builder.output("y", builder.add(.annotate, [turned], axes: ["none", "none"]))
        let locals = try compile(builder.program, ["split": ["a"], "none": []], mesh: [("a", 4)])
        #expect(locals[0].exchanges.count { !$0.sends.isEmpty } == 2)
        #expect(locals[0].exchanges.allSatisfy { $0.fused.isEmpty })
    }

    @Test("Exchanges finish in the order in which they start, whatever is moved")
    func order() throws {
        for (tokens, width) in [(16, 32), (512, 256)] {
            let locals = try compile(
                attention(width: width, tokens: tokens, layers: 3), ["tokens": ["tokens"]], mesh: [("tokens", 4)],
                fusion: .off)
            var (started, finished): ([Int], [Int]) = ([], [])
            for instruction in locals[2].instructions {
                switch instruction {
                case .compute: break
                case .exchangeStart(let index): started.append(index)
                case .exchangeFinish(let index):
                    finished.append(index)
                    #expect(started.contains(index))
                }
            }
            #expect(started == finished && Set(started).count == started.count)
        }
    }

    @Test("Keys are on their way while values are computed, in no more memory")
    func overlap() throws {
        let program = attention(width: 256, tokens: 512, layers: 3)
        let rules = ["tokens": ["tokens"]]
        let plain = try compile(program, rules, mesh: [("tokens", 4)], fusion: .off, overlap: .off)
        let moved = try compile(program, rules, mesh: [("tokens", 4)], fusion: .off)
        for (a, b) in zip(plain, moved) { #expect(b.arenaByteCount <= a.arenaByteCount) }
        #expect(Set(plain[0].instructions) == Set(moved[0].instructions))
        let profile = MachineProfile.uniform(4, rate: 50e9, link: .gigabit)
        let before = Timeline.predict(locals: plain, profile: profile)
        let after = Timeline.predict(locals: moved, profile: profile)
        #expect(before.hiddenSeconds.allSatisfy { $0 < 1e-6 })
        #expect(after.hiddenSeconds.allSatisfy { $0 > 1e-4 })
        #expect(after.duration < before.duration)
    }

    @Test("Muse's keys and values are gathered while it computes; small messages would be fused", arguments: [2, 4])
    func muse(devices: Int) throws {
        let program = SyntheticModel.muse.workload(pictures: 1).stages[0].program
        let mesh = [("tokens", devices)]
        let rules = ["tokens": ["tokens"]]
        let profile = MachineProfile.uniform(devices, link: .gigabit)
        let all = FusionLimits(byteCountMax: 8 << 20, waitingByteCountMax: 8 << 20)
        let variants: [(name: String, fusion: FusionLimits?, overlap: Overlap)] = [
            ("by themselves", .off, .off), ("all fused", all, .off), ("as usual", nil, .messages),
        ]
        let outcomes = try variants.map { variant in
            let locals = try compile(program, rules, mesh: mesh, fusion: variant.fusion, overlap: variant.overlap)
            let timeline = Timeline.predict(locals: locals, profile: profile)
            print(
                "muse, 3 layers, tokens \(devices), \(variant.name): \(messages(locals)) messages, "
                    + "\(timeline.duration * 1000) ms, hidden \((timeline.hiddenSeconds.max() ?? 0) * 1000) ms")
            return (count: messages(locals), seconds: timeline.duration, arena: locals[0].arenaByteCount)
        }
        #expect(outcomes[1].count < outcomes[0].count)
        #expect(outcomes[2].seconds < outcomes[1].seconds)
        #expect(outcomes[2].arena <= outcomes[0].arena)
    }

    @Test("One message takes one latency")
    func latency() throws {
        let program = attention()
        let rules = ["tokens": ["tokens"]]
        let profile = MachineProfile.uniform(4, link: .gigabit)
        let times = try [FusionLimits.off, nil].map { fusion in
            Timeline.predict(
                locals: try compile(program, rules, mesh: [("tokens", 4)], fusion: fusion, overlap: .off),
                profile: profile
            ).duration
        }
        // Two layers.
        #expect(times[1] < times[0] - 2 * 80e-6)
    }
}
