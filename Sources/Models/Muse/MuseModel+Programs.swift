public import Program
import Tensor

/// Axes and dims: `B` pictures, `G` guidance rows (2 with guidance: unconditional first; else 1), `Y`, `X` token grid,
/// `S` text positions, `H` heads, `V` codes.
extension MuseModel {
    private func conditions() -> [TextConditions.Item] {
        configuration.transformer.conditions(length: configuration.text.length)
    }

    /// `text`: all layers' keys and values of the prompts, once a request.
    ///
    /// Input `ids` i32 `[G, B, S]`, 0 where there is no text. Leaves residents `layers.N.cross_attention.key` and
    /// `….value` `[G, B, S, H, D]`. Where asked also gives `features` `[G, B, S, E]`, the text encoder's result.
    public func textProgram(batch: Int, guided: Bool, exposesFeatures: Bool = false) -> Program {
        precondition(batch >= 1, "a program has pictures")
        var graph = ProgramBuilder(name: "text", activation: precision.activation)
        let ids = graph.input(
            "ids", .i32, [guided ? 2 : 1, batch, configuration.text.length],
            axes: [GraphAxis.guidance, GraphAxis.batch, nil])
        let features = T5Encoder(configuration.text).encode(&graph, ids: ids)
        let items = MuseTransformer(configuration.transformer).condition(&graph, features: features)
        items.leave(&graph, conditions())
        if exposesFeatures {
            graph.output("features", features)
            for item in conditions() { graph.output("exposed.\(item.name)", items[item.name]) }
        }
        return precision.finished(graph)
    }

    /// `step` or `conditionalStep` (``TokenModel``), which reads the residents of
    /// ``textProgram(batch:guided:exposesFeatures:)``.
    public func stepProgram(
        batch: Int, guidance: GuidanceRows, rows: Int, columns: Int, noise: SamplingNoise, exposesLogits: Bool = false
    ) -> Program {
        let sampler = TokenSampler(
            batch: batch, rows: rows, columns: columns, rowGranule: 1, maskToken: configuration.transformer.maskToken,
            noise: noise)
        var graph = ProgramBuilder(name: guidance.stepName, activation: precision.activation)
        let grid = graph.input(
            "grid", .i32, [guidance.computed, batch, rows, columns],
            axes: [GraphAxis.guidance, GraphAxis.batch, GraphAxis.tokens, nil])
        let residents = TextConditions.residents(&graph, conditions(), batch: batch, rows: guidance)
        let logits = MuseTransformer(configuration.transformer).logits(&graph, grid: grid, conditions: residents)
        sampler.finish(&graph, logits: logits, exposesLogits: exposesLogits)
        return precision.finished(graph)
    }

    /// `decode` (``TokenModel``).
    public func decodeProgram(batch: Int, rows: Int, columns: Int, exposesImage: Bool = false) -> Program {
        VQGAN(configuration.vqgan).decodeProgram(
            precision.activation, batch: batch, rows: rows, columns: columns, exposesImage: exposesImage)
    }

    /// `encode` (``TokenModel``).
    public func encodeProgram(batch: Int, rows: Int, columns: Int, exposesLatents: Bool = false) -> Program {
        VQGAN(configuration.vqgan).encodeProgram(
            precision.activation, batch: batch, rows: rows, columns: columns, exposesLatents: exposesLatents)
    }
}
