public import Program
import Tensor

/// Axes and dims: `B` pictures, `G` guidance rows (2 with guidance: unconditional first; else 1), `Y`, `X` token grid,
/// `S` text positions, `V` codes.
extension AmusedModel {
    private static let gridAxes: [String?] = [GraphAxis.batch, GraphAxis.sampling, nil]

    private var rowGranule: Int { configuration.transformer.isDownsampled ? 2 : 1 }

    /// The program of the text encoder, the transformer or both.
    ///
    /// The picture tokenizer keeps bf16 in int8 too: nearly all of it is convolutions, and it runs once.
    private func finished(_ graph: ProgramBuilder) -> Program {
        precision == .int8 ? graph.program.withInt8Products() : graph.program
    }

    private func check(batch: Int, rows: Int, columns: Int) {
        precondition(batch >= 1 && rows >= 1 && columns >= 1, "a program has pictures and tokens")
    }

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
        return finished(graph)
    }

    /// `step`: one step of parallel decoding.
    ///
    /// Inputs `tokens` i32 `[B, Y, X]`, `grid` i32 `[G, B, Y, X]` (the same tokens once a guidance row), `scale` f32
    /// `[B]`, `temperature` f32 `[B]`, `maskCount` i32 `[B]`; noise generated: `rng` i32 `[B, 4]`, given: `expNoise`
    /// f32 `[B, Y, X, V]` and `gumbel` f32 `[B, Y, X]`; and the residents of ``textProgram(batch:guided:)``. Outputs
    /// `tokens`, `sampled` i32 `[B, Y, X]`, and where asked the guided `logits` f32 `[B, Y, X, V]`.
    public func stepProgram(
        batch: Int, guided: Bool, rows: Int, columns: Int, noise: SamplingNoise, exposesLogits: Bool = false
    ) -> Program {
        stepProgram(
            batch: batch, guidance: GuidanceRows(isGuided: guided), rows: rows, columns: columns, noise: noise,
            exposesLogits: exposesLogits)
    }

    /// As ``stepProgram(batch:guided:rows:columns:noise:exposesLogits:)``; the conditional row alone is `conditionalStep`.
    public func stepProgram(
        batch: Int, guidance: GuidanceRows, rows: Int, columns: Int, noise: SamplingNoise, exposesLogits: Bool = false
    ) -> Program {
        check(batch: batch, rows: rows, columns: columns)
        var graph = ProgramBuilder(
            name: guidance == .conditional ? "conditionalStep" : "step", activation: precision.activation)
        let grid = gridInput(
            &graph, batch: batch, guidanceRows: guidance.computed, rows: rows, columns: columns)
        let conditions = TextConditions.residents(
            &graph, configuration.transformer.conditions(length: configuration.text.length), batch: batch,
            rows: guidance)
        let logits = UViT(configuration.transformer).logits(&graph, grid: grid, conditions: conditions)
        let scale = graph.input("scale", .f32, [batch], axes: [GraphAxis.batch])
        let guided = graph.scope("guidance") {
            $0.add(.guide, [logits, scale], axes: Self.gridAxes + [GraphAxis.vocab])
        }
        let sampler = TokenSampler(
            batch: batch, rows: rows, columns: columns, rowGranule: rowGranule, maskToken: configuration.maskToken,
            noise: noise)
        graph.scope("sampling") { sampler.sample(&$0, logits: guided) }
        if exposesLogits { graph.output("logits", guided) }
        return finished(graph)
    }

    /// `decode`: input `tokens` i32 `[B, Y, X]`; output `pixels` u8 `[B, H, W, 3]`, and where asked `image` f32, not
    /// clipped to [0, 1].
    public func decodeProgram(batch: Int, rows: Int, columns: Int, exposesImage: Bool = false) -> Program {
        check(batch: batch, rows: rows, columns: columns)
        var graph = ProgramBuilder(name: "decode", activation: precision.activation)
        let tokens = graph.input(
            "tokens", .i32, [batch, rows, columns], axes: [GraphAxis.batch, GraphAxis.rows, nil])
        let image = graph.scope("vqvae.decoder") { VQModel(configuration.vq).image(&$0, tokens: tokens) }
        graph.output("pixels", graph.scope("pixels") { $0.add(.pixels, [image]) })
        if exposesImage { graph.output("image", image) }
        return graph.program
    }

    /// `encode`: input `image` f32 `[B, H, W, 3]` in [0, 1]; output `tokens` i32 `[B, Y, X]`, and where asked `latents`
    /// f32 `[B, Y, X, C]`.
    public func encodeProgram(batch: Int, rows: Int, columns: Int, exposesLatents: Bool = false) -> Program {
        check(batch: batch, rows: rows, columns: columns)
        var graph = ProgramBuilder(name: "encode", activation: precision.activation)
        let pixels = tokenPixels
        let image = graph.input(
            "image", .f32, [batch, rows * pixels, columns * pixels, 3],
            axes: [GraphAxis.batch, GraphAxis.rows, nil, nil], granules: [1, pixels])
        let model = VQModel(configuration.vq)
        let latents = graph.scope("vqvae.encoder") { model.latents(&$0, image: image) }
        graph.output("tokens", graph.scope("vqvae.quantize") { model.tokens(&$0, latents: latents) })
        if exposesLatents { graph.output("latents", latents) }
        return graph.program
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
        return finished(graph)
    }

    /// `transformer`: inputs `encoder_hidden_states` f32 `[1, B, S, E]`, `pooled_text_emb` f32 `[1, B, P]`,
    /// `microConditions` f32 `[1, B, 5]`, `grid` i32 `[1, B, Y, X]`; outputs `logits` f32 `[1, B, Y, X, V]` and the
    /// intermediate `micro_embedding`, `cond_embed` and `encoder_proj_norm`.
    public func transformerProgram(batch: Int, rows: Int, columns: Int) -> Program {
        check(batch: batch, rows: rows, columns: columns)
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
        return finished(graph)
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
