import Program
import Sharding
import Tensor
import Testing

@Suite("The cost model knows what a kernel call does")
struct CostModelTests {
    /// A program of one operation, alone on a device, and that operation's call.
    private func call(
        _ opcode: Opcode, _ types: [TensorType], _ attributes: Attributes = [:]
    ) throws -> (ComputeInstruction, LocalProgram) {
        var graph = ProgramBuilder(name: "one", activation: .bf16)
        let inputs = types.enumerated().map { graph.input("x\($0)", $1) }
        graph.output("y", graph.add(opcode, inputs, attributes))
        let local = try Compiler.compile(graph.program, mesh: .single, rules: LogicalAxisRules([:])).locals[0]
        let compute = local.instructions.compactMap { instruction -> ComputeInstruction? in
            guard case .compute(let compute) = instruction, compute.opcode == opcode else { return nil }
            return compute
        }
        return (try #require(compute.first), local)
    }

    private func type(_ dims: Int...) -> TensorType { TensorType(.bf16, dims.map { Dim($0) }) }

    @Test("Two operations for each product of a row, a column and a contracted element")
    func products() throws {
        let cases: [(Opcode, [TensorType], Attributes, flops: Int)] = [
            (.dot, [type(6, 32), type(10, 32)], ["contract": .int(1)], 2 * 6 * 32 * 10),
            (.dot, [type(6, 4, 8), type(10, 4, 8)], ["contract": .int(2)], 2 * 6 * 32 * 10),
            (
                .dotGeneral, [type(3, 6, 32), type(3, 32, 10)],
                [
                    "lhsBatch": .ints([0]), "rhsBatch": .ints([0]), "lhsContract": .ints([2]),
                    "rhsContract": .ints([1]),
                ], 2 * 3 * 6 * 32 * 10
            ),
        ]
        for (opcode, types, attributes, flops) in cases {
            let (compute, local) = try call(opcode, types, attributes)
            #expect(CostModel.flops(of: compute, in: local) == flops, "\(opcode)")
        }
    }

    @Test("An int8 product takes the time of an int8 product")
    func quantisedProducts() throws {
        let types = [type(512, 2048), type(2048, 2048)]
        let (plain, plainLocal) = try call(.dot, types, ["contract": .int(1)])
        let (quantised, quantisedLocal) = try call(
            .dot, types, ["contract": .int(1), "precision": .text("int8")])
        #expect(
            CostModel.work(of: quantised, in: quantisedLocal)
                == .matrix(.int8, rows: 512, depth: 2048, columns: 2048))
        var worker = MachineProfile.Worker.synthetic("w")
        // Where none was measured, that of bf16 products.
        let slow = CostModel.seconds(of: quantised, in: quantisedLocal, on: worker)
        #expect(slow == CostModel.seconds(of: plain, in: plainLocal, on: worker))
        worker.matrixRates.append(.init(precision: .int8, rows: 512, depth: 2048, columns: 2048, rate: 2e12))
        let fast = CostModel.seconds(of: quantised, in: quantisedLocal, on: worker)
        #expect(fast < 0.6 * slow)
        let assumed = MachineProfile.Worker.assumed(name: "a", cores: 4)
        #expect(
            CostModel.seconds(of: quantised, in: quantisedLocal, on: assumed)
                < CostModel.seconds(of: plain, in: plainLocal, on: assumed))
    }
}
