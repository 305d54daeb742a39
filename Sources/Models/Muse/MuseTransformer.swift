import Program
import Tensor

/// Muse's base transformer: what is computed from the text once a request, and tokens to logits at every step.
///
/// Values are `[G, B, S, D]` for text and `[G, B, Y, X, D]` for tokens.
struct MuseTransformer {
    private static let textAxes: [String?] = [GraphAxis.guidance, GraphAxis.batch, nil, nil]
    private static let axes: [String?] = [GraphAxis.guidance, GraphAxis.batch, GraphAxis.tokens, nil, nil]
    let configuration: MuseTransformerConfiguration
    private let weights = WeightFactory(part: "transformer")

    init(_ configuration: MuseTransformerConfiguration) { self.configuration = configuration }

    // MARK: Text

    /// Adds the projection of text features `[G, B, S, E]` and all layers' keys and values `[G, B, S, H, D]`.
    func condition(_ graph: inout ProgramBuilder, features: Program.ValueID) -> TextConditions {
        graph.scope("transformer") { graph in
            let c = configuration
            let projection = weights.matrix(&graph, "text.weight", c.hiddenSize, c.textSize)
            let text = graph.linear(features, projection)
            graph.annotate(text, Self.textAxes)
            var conditions = TextConditions()
            for index in 0..<c.layerCount {
                graph.scope("layers.\(index).cross_attention") { graph in
                    for kind in ["key", "value"] {
                        let name = "layers.\(index).cross_attention.\(kind)"
                        conditions[name] = heads(&graph, text, name)
                    }
                }
            }
            return conditions
        }
    }

    // MARK: Steps

    /// Adds the graph: `grid` i32 `[G, B, Y, X]` to logits f32 `[G, B, Y, X, codebook]`.
    func logits(
        _ graph: inout ProgramBuilder, grid: Program.ValueID, conditions: TextConditions
    ) -> Program.ValueID {
        graph.scope("transformer") { graph in
            var x = graph.scope("embed") { embed(&$0, grid) }
            for index in 0..<configuration.layerCount {
                x = graph.scope("layers.\(index)") { layer(&$0, x, "layers.\(index)", conditions) }
            }
            return graph.scope("head") { head(&$0, x) }
        }
    }

    private func embed(_ graph: inout ProgramBuilder, _ grid: Program.ValueID) -> Program.ValueID {
        let c = configuration
        let table = weights.tensor(
            &graph, "tokens.weight", fileDims: [c.vocabularySize, c.hiddenSize], fanIn: 1)
        let sizes = graph.type(of: grid).sizes
        let rows = positions(&graph, "positions.rows.weight", count: sizes[2], view: [c.gridSize, 1, c.hiddenSize])
        let columns = positions(&graph, "positions.columns.weight", count: sizes[3], view: [c.gridSize, c.hiddenSize])
        let placed = graph.add(.add, [graph.add(.gather, [table, grid]), rows])
        return annotated(&graph, graph.add(.add, [placed, columns]))
    }

    /// The first `count` rows of a position table; a smaller grid is the upper left part of the trained one.
    private func positions(
        _ graph: inout ProgramBuilder, _ tensor: String, count: Int, view: [Int]
    ) -> Program.ValueID {
        let spec = ParameterSpec(
            name: "transformer.\(tensor)", part: "transformer", tensor: tensor,
            fileDims: [view[0], view[view.count - 1]], view: view, generatedScale: 0.5)
        let granules: [Int?] = view.indices.map { $0 == 0 && view.count == 3 ? 1 : nil }
        let table = graph.parameter(spec, granules: granules, dtype: .f32)
        if count == view[0] { return table }
        let start = [Int](repeating: 0, count: view.count)
        return graph.add(.slice, [table], ["start": .ints(start), "limit": .ints([count] + view.dropFirst())])
    }

    /// Self-attention, attention to the text, MLP; each after a norm and with a residual around it.
    private func layer(
        _ graph: inout ProgramBuilder, _ input: Program.ValueID, _ name: String, _ conditions: TextConditions
    ) -> Program.ValueID {
        let c = configuration
        var x = graph.scope("self_attention") { graph in
            let own = "\(name).self_attention"
            let normed = norm(&graph, input, "\(own).norm.weight")
            let parts = ["query", "key", "value"].map { heads(&graph, normed, "\(own).\($0)") }
            let attended = graph.attend(parts[0], parts[1], parts[2], queryDims: 2, keyDims: 2)
            return merged(&graph, input, attended, own)
        }
        x = graph.scope("cross_attention") { graph in
            let own = "\(name).cross_attention"
            let query = heads(&graph, norm(&graph, x, "\(own).norm.weight"), "\(own).query")
            let attended = graph.attend(
                query, conditions["\(own).key"], conditions["\(own).value"], queryDims: 2, keyDims: 1)
            return merged(&graph, x, attended, own)
        }
        return graph.scope("mlp") { graph in
            let normed = norm(&graph, x, "\(name).mlp.norm.weight")
            let first = weights.matrix(
                &graph, "\(name).mlp.in.weight", c.mlpSize, c.hiddenSize, rowAxis: GraphAxis.mlp)
            let second = weights.matrix(
                &graph, "\(name).mlp.out.weight", c.hiddenSize, c.mlpSize, columnAxis: GraphAxis.mlp)
            let hidden = graph.activate(graph.linear(normed, first), "geluTanh")
            return annotated(&graph, graph.add(.add, [x, graph.linear(hidden, second)]))
        }
    }

    private func head(_ graph: inout ProgramBuilder, _ input: Program.ValueID) -> Program.ValueID {
        let c = configuration
        let dense = weights.matrix(&graph, "head.dense.weight", c.hiddenSize, c.hiddenSize)
        let x = graph.activate(graph.linear(norm(&graph, input, "head.norm.weight"), dense), "geluTanh")
        let table = weights.matrix(
            &graph, "head.logits.weight", c.codebookSize, c.hiddenSize, rowAxis: GraphAxis.vocab, gain: 5)
        let logits = graph.linear(x, table, dtype: .f32)
        graph.annotate(logits, Self.axes.dropLast() + [GraphAxis.vocab])
        return logits
    }

    // MARK: Pieces

    private func heads(_ graph: inout ProgramBuilder, _ x: Program.ValueID, _ name: String) -> Program.ValueID {
        let c = configuration
        return graph.linear(x, weights.toHeads(&graph, "\(name).weight", c.headCount, c.headSize, c.hiddenSize))
    }

    private func merged(
        _ graph: inout ProgramBuilder, _ x: Program.ValueID, _ attended: Program.ValueID, _ name: String
    ) -> Program.ValueID {
        let c = configuration
        let out = weights.fromHeads(&graph, "\(name).output.weight", c.hiddenSize, c.headCount, c.headSize)
        return annotated(&graph, graph.add(.add, [x, graph.merge(attended, out)]))
    }

    private func norm(_ graph: inout ProgramBuilder, _ x: Program.ValueID, _ tensor: String) -> Program.ValueID {
        let weight = weights.vector(&graph, tensor, configuration.hiddenSize, mean: 1)
        return graph.add(.layerNorm, [x, weight], ["eps": .float(configuration.epsilon)])
    }

    private func annotated(_ graph: inout ProgramBuilder, _ x: Program.ValueID) -> Program.ValueID {
        graph.annotate(x, Self.axes)
        return x
    }
}
