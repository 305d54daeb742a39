import Bench
import Program
import Sharding
import Tensor
import Testing

/// Compile times have passes that add up; how long anything takes is not tested.
@Suite struct CompileBenchTests {
    private func layers(_ count: Int) -> Program {
        var graph = ProgramBuilder(name: "step", activation: .bf16)
        var x = graph.input("x", TensorType(.bf16, [Dim(4), Dim(32, granule: 2)]))
        for index in 0..<count {
            let weight = graph.parameter(
                ParameterSpec(name: "w\(index)", part: "model", tensor: "w\(index)", fileDims: [32, 32]),
                granules: [2, 2], axes: index.isMultiple(of: 2) ? ["mlp", nil] : [nil, "mlp"])
            x = graph.add(.dot, [x, weight], ["contract": .int(1)])
        }
        graph.output("y", x)
        return graph.program
    }

    @Test func passesAddUp() throws {
        let mesh = Mesh([.init("model", 4)])
        let cases = [2, 4].map { count in
            CompileBench.Case(
                model: "products", layers: count, mesh: mesh, rules: LogicalAxisRules(["mlp": ["model"]]),
                options: CompilerOptions(),
                profile: MachineProfile(workers: (0..<4).map { .assumed(name: "w\($0)", cores: 1) }),
                first: Program(name: "nothing", parameters: [:]), program: layers(count))
        }
        let figures = try CompileBench(runs: 2) { _ in }.figures(cases, timedDeviceMax: 64)
        #expect(figures.map(\.subject) == [2, 4].map { "products, \($0) layers on model 4, step" })
        #expect(figures[0].details["secondsPerLayerRelativeToFirst"] == 1)
        for (figure, item) in zip(figures, cases) {
            #expect(figure.workers == 4 && figure.seconds.runs == 2 && figure.unit == "layer/s")
            let passes = CompilerPass.allCases.map { figure.details["\($0.rawValue)Seconds"] ?? -1 }
            #expect(passes.allSatisfy { $0 >= 0 })
            #expect(passes.reduce(0, +) <= figure.seconds.best)
            #expect(figure.details["operations"] == Double(item.program.operations.count))
            #expect((figure.details["reportSeconds"] ?? 0) > 0)
        }
    }
}
