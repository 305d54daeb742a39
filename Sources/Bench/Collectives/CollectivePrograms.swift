public import Program
import Sharding
import Tensor

/// Programs that do little else than one kind of collective, one after the other, over the mesh axis `model`.
///
/// What a collective gives is part of what the next one takes, so that none of them can run beside another.
public enum CollectivePrograms {
    /// A collective that can be measured.
    public enum Kind: String, Sendable, Hashable, CaseIterable {
        /// Every worker gets the sum of all workers' values.
        case allReduce = "all-reduce"
        /// Every worker gets all workers' parts.
        case allGather = "all-gather"
        /// Every worker gets its part of the sum of all workers' values.
        case reduceScatter = "reduce-scatter"

        /// What its exchanges are called in a plan.
        public var collective: CollectiveKind {
            switch self {
            case .allReduce: .allReduce
            case .allGather: .allGather
            case .reduceScatter: .reduceScatter
            }
        }
    }

    /// What the logical axes of these programs are split over.
    static let rules = LogicalAxisRules(["parts": ["model"], "whole": []])

    /// Elements that are split together: a cache line of bf16, twice.
    private static let granule = 64

    /// A chain of `count` collectives whose whole result has `elements` bf16 values, over `workers` workers.
    public static func program(_ kind: Kind, elements: Int, count: Int, workers: Int) -> Program {
        let size = max(workers * granule, (elements + granule - 1) / granule * granule)
        var graph = ProgramBuilder(name: "bench.\(kind.rawValue)", activation: .bf16)
        let parts = graph.parameter(
            spec("parts.\(kind.rawValue).\(size)", kind == .allGather ? [size] : [workers, size]),
            granules: kind == .allGather ? [granule] : [1, granule],
            axes: kind == .allGather ? ["parts"] : ["parts", nil])
        var whole = graph.parameter(spec("whole.\(size)", [size]), granules: [granule], axes: ["whole"])
        for index in 0..<count {
            whole = graph.scope("\(index)") { graph in
                switch kind {
                case .allGather:
                    let split = graph.add(.add, [parts, whole], axes: ["parts"])
                    return graph.add(.annotate, [split], axes: ["whole"])
                case .allReduce:
                    let addends = graph.add(.add, [parts, whole], axes: ["parts", nil])
                    return sum(&graph, addends, axes: "whole")
                case .reduceScatter:
                    let addends = graph.add(.add, [parts, whole], axes: ["parts", nil])
                    // An operation on the parts: without it they would be gathered in the same collective.
                    let split = graph.add(
                        .unary, [sum(&graph, addends, axes: "parts")], ["kind": .text("abs")], axes: ["parts"])
                    return graph.add(.annotate, [split], axes: ["whole"])
                }
            }
        }
        graph.output("corner", graph.add(.slice, [whole], ["start": .ints([0]), "limit": .ints([16])]))
        return graph.program
    }

    private static func sum(
        _ graph: inout ProgramBuilder, _ addends: Program.ValueID, axes: String
    ) -> Program.ValueID {
        graph.add(.reduce, [addends], ["dims": .ints([0]), "kind": .text("sum")], dtype: .bf16, axes: [axes])
    }

    /// Small: sums of sums grow with every collective of the chain.
    private static func spec(_ name: String, _ dims: [Int]) -> ParameterSpec {
        ParameterSpec(name: "bench.\(name)", part: "bench", tensor: name, fileDims: dims, generatedScale: 1e-6)
    }
}
