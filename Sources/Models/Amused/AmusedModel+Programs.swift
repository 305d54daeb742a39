public import Program
import Tensor

/// Axes and dims: `B` pictures, `G` guidance rows (2 with guidance: unconditional first; else 1), `Y`, `X` token grid,
/// `S` text positions, `V` codes.
extension AmusedModel {
    private var rowGranule: Int { configuration.transformer.isDownsampled ? 2 : 1 }

    /// `text`: everything that steps need from the prompts.
    ///
    /// Inputs `ids` i32 `[G, B, S]`, `eosIndex` i32 `[G, B]`, `microConditions` f32 `[G, B, 5]`. Leaves residents: per
    /// attention to the text `….key` and `….value` `[G, B, S, H, D]`, per adaptive norm `….modulation` `[G, B, 2, C]`.
    public func textProgram(batch: Int, guided: Bool) -> Program {
        var graph = ProgramBuilder(name: "text", activation: precision.activation)
        let (text, _) = textInputs(&graph, batch: batch, guidanceRows: guided ? 2 : 1)
        let micro = microInput(&graph, batch: batch, guidanceRows: guided ? 2 : 1)
        let result = UViTConditioner(configuration.transformer).condition(
            &graph, states: text.hiddenStates[text.hiddenStates.count - 2], pooled: text.embedding, micro: micro)
        result.conditions.leave(&graph, configuration.transformer.conditions(length: configuration.text.length))
        return precision.finished(graph)
    }

    /// `step` or `conditionalStep` (``TokenModel``), which reads the residents of ``textProgram(batch:guided:)``.
    public func stepProgram(
        batch: Int, guidance: GuidanceRows, rows: Int, columns: Int, noise: SamplingNoise, exposesLogits: Bool = false
    ) -> Program {
        let sampler = TokenSampler(
            batch: batch, rows: rows, columns: columns, rowGranule: rowGranule, maskToken: configuration.maskToken,
            noise: noise)
        var graph = ProgramBuilder(name: guidance.stepName, activation: precision.activation)
        let grid = gridInput(
            &graph, batch: batch, guidanceRows: guidance.computed, rows: rows, columns: columns)
        let conditions = TextConditions.residents(
            &graph, configuration.transformer.conditions(length: configuration.text.length), batch: batch,
            rows: guidance)
        let logits = UViT(configuration.transformer).logits(&graph, grid: grid, conditions: conditions)
        sampler.finish(&graph, logits: logits, exposesLogits: exposesLogits)
        return precision.finished(graph)
    }

    /// `decode` (``TokenModel``).
    public func decodeProgram(batch: Int, rows: Int, columns: Int, exposesImage: Bool = false) -> Program {
        VQModel(configuration.vq).decodeProgram(
            precision.activation, batch: batch, rows: rows, columns: columns, exposesImage: exposesImage)
    }

    /// `encode` (``TokenModel``).
    public func encodeProgram(batch: Int, rows: Int, columns: Int, exposesLatents: Bool = false) -> Program {
        VQModel(configuration.vq).encodeProgram(
            precision.activation, batch: batch, rows: rows, columns: columns, exposesLatents: exposesLatents)
    }

    // MARK: Parts, for comparisons with the reference

    /// `textEncoder`: inputs `ids` i32 `[1, B, S]`, `eosIndex` i32 `[1, B]`; outputs `hidden_states.0` (embeddings) to
    /// `hidden_states.N`, `last_hidden_state` (after the final norm) `[1, B, S, D]` and `text_embeds` `[1, B, P]`.
    public func textEncoderProgram(batch: Int) -> Program {
        var graph = ProgramBuilder(name: "textEncoder", activation: precision.activation)
        let (text, _) = textInputs(&graph, batch: batch, guidanceRows: 1)
        for (index, state) in text.hiddenStates.enumerated() { graph.output("hidden_states.\(index)", state) }
        graph.output("last_hidden_state", text.last)
        graph.output("text_embeds", text.embedding)
        return precision.finished(graph)
    }

    /// `transformer`: inputs `encoder_hidden_states` f32 `[1, B, S, E]`, `pooled_text_emb` f32 `[1, B, P]`,
    /// `microConditions` f32 `[1, B, 5]`, `grid` i32 `[1, B, Y, X]`; outputs `logits` f32 `[1, B, Y, X, V]` and the
    /// intermediate `micro_embedding`, `cond_embed` and `encoder_proj_norm`.
    public func transformerProgram(batch: Int, rows: Int, columns: Int) -> Program {
        precondition(batch >= 1 && rows >= 1 && columns >= 1, "a program has pictures and tokens")
        let c = configuration.transformer
        var graph = ProgramBuilder(name: "transformer", activation: precision.activation)
        let axes: [String?] = [GraphAxis.guidance, GraphAxis.batch, nil, nil]
        let states = graph.input(
            "encoder_hidden_states", .f32, [1, batch, configuration.text.length, c.textSize], axes: axes)
        let pooled = graph.input("pooled_text_emb", .f32, [1, batch, c.pooledSize], axes: axes.dropLast())
        let micro = microInput(&graph, batch: batch, guidanceRows: 1)
        let result = UViTConditioner(c).condition(
            &graph, states: graph.toActivation(states), pooled: graph.toActivation(pooled), micro: micro)
        let grid = gridInput(&graph, batch: batch, guidanceRows: 1, rows: rows, columns: columns)
        graph.output("logits", UViT(c).logits(&graph, grid: grid, conditions: result.conditions))
        graph.output("micro_embedding", result.microEmbedding)
        graph.output("cond_embed", result.condition)
        graph.output("encoder_proj_norm", result.text)
        return precision.finished(graph)
    }

    // MARK: Inputs

    private func textInputs(
        _ graph: inout ProgramBuilder, batch: Int, guidanceRows: Int
    ) -> (text: CLIPTextEncoder.Result, ids: Program.ValueID) {
        let axes: [String?] = [GraphAxis.guidance, GraphAxis.batch]
        let ids = graph.input("ids", .i32, [guidanceRows, batch, configuration.text.length], axes: axes + [nil])
        let eosIndex = graph.input("eosIndex", .i32, [guidanceRows, batch], axes: axes)
        return (CLIPTextEncoder(configuration.text).encode(&graph, ids: ids, eosIndex: eosIndex), ids)
    }

    private func microInput(_ graph: inout ProgramBuilder, batch: Int, guidanceRows: Int) -> Program.ValueID {
        graph.input(
            "microConditions", .f32, [guidanceRows, batch, 5], axes: [GraphAxis.guidance, GraphAxis.batch, nil])
    }

    private func gridInput(
        _ graph: inout ProgramBuilder, batch: Int, guidanceRows: Int, rows: Int, columns: Int
    ) -> Program.ValueID {
        graph.input(
            "grid", .i32, [guidanceRows, batch, rows, columns],
            axes: [GraphAxis.guidance, GraphAxis.batch, GraphAxis.tokens, nil], granules: [1, 1, rowGranule])
    }
}
