public import Program
import Tensor

/// Axes and dims: `B` pictures, `G` guidance rows (2 with guidance: unconditional first; else 1), `Y`, `X` token grid,
/// `S` text positions, `H` heads, `V` codes.
extension MuseModel {
    private static let gridAxes: [String?] = [GraphAxis.batch, GraphAxis.sampling, nil]

    /// The program of the text encoder, the transformer or both; the picture tokenizer keeps bf16 in int8 too.
    private func finished(_ graph: ProgramBuilder) -> Program {
        precision == .int8 ? graph.program.withInt8Products() : graph.program
    }

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
        return finished(graph)
    }

    /// `step` (`conditionalStep` for the conditional row alone): one step of parallel decoding.
    ///
    /// Inputs `tokens` i32 `[B, Y, X]`, `grid` i32 `[G, B, Y, X]` (the same tokens once a computed guidance row), `scale`
    /// f32 `[B]` (with guidance), `temperature` f32 `[B]`, `maskCount` i32 `[B]`; noise generated: `rng` i32 `[B, 4]`,
    /// given: `expNoise` f32 `[B, Y, X, V]` and `gumbel` f32 `[B, Y, X]`; and the residents of
    /// ``textProgram(batch:guided:exposesFeatures:)``. Outputs `tokens`, `sampled` i32 `[B, Y, X]`, and where asked the
    /// guided `logits` f32 `[B, Y, X, V]`.
    public func stepProgram(
        batch: Int, guidance: GuidanceRows, rows: Int, columns: Int, noise: SamplingNoise, exposesLogits: Bool = false
    ) -> Program {
        precondition(batch >= 1 && rows >= 1 && columns >= 1, "a program has pictures and tokens")
        var graph = ProgramBuilder(
            name: guidance == .conditional ? "conditionalStep" : "step", activation: precision.activation)
        let grid = graph.input(
            "grid", .i32, [guidance.computed, batch, rows, columns],
            axes: [GraphAxis.guidance, GraphAxis.batch, GraphAxis.tokens, nil])
        let residents = TextConditions.residents(&graph, conditions(), batch: batch, rows: guidance)
        let logits = MuseTransformer(configuration.transformer).logits(&graph, grid: grid, conditions: residents)
        let scale = graph.input("scale", .f32, [batch], axes: [GraphAxis.batch])
        let guided = graph.scope("guidance") {
            $0.add(.guide, [logits, scale], axes: Self.gridAxes + [GraphAxis.vocab])
        }
        let sampler = TokenSampler(
            batch: batch, rows: rows, columns: columns, rowGranule: 1, maskToken: configuration.transformer.maskToken,
            noise: noise)
        graph.scope("sampling") { sampler.sample(&$0, logits: guided) }
        if exposesLogits { graph.output("logits", guided) }
        return finished(graph)
    }

    /// `decode`: input `tokens` i32 `[B, Y, X]`; output `pixels` u8 `[B, H, W, 3]`, and where asked `image` f32, not
    /// clipped to [0, 1].
    public func decodeProgram(batch: Int, rows: Int, columns: Int, exposesImage: Bool = false) -> Program {
        precondition(batch >= 1 && rows >= 1 && columns >= 1, "a program has pictures and tokens")
        var graph = ProgramBuilder(name: "decode", activation: precision.activation)
        let tokens = graph.input(
            "tokens", .i32, [batch, rows, columns], axes: [GraphAxis.batch, GraphAxis.rows, nil])
        let image = graph.scope("vqgan.decoder") { VQGAN(configuration.vqgan).image(&$0, tokens: tokens) }
        graph.output("pixels", graph.scope("pixels") { $0.add(.pixels, [image]) })
        if exposesImage { graph.output("image", image) }
        return graph.program
    }

    /// `encode`: input `image` f32 `[B, H, W, 3]` in [0, 1]; output `tokens` i32 `[B, Y, X]`, and where asked `latents`
    /// f32 `[B, Y, X, C]`.
    public func encodeProgram(batch: Int, rows: Int, columns: Int, exposesLatents: Bool = false) -> Program {
        precondition(batch >= 1 && rows >= 1 && columns >= 1, "a program has pictures and tokens")
        var graph = ProgramBuilder(name: "encode", activation: precision.activation)
        let pixels = tokenPixels
        let image = graph.input(
            "image", .f32, [batch, rows * pixels, columns * pixels, 3],
            axes: [GraphAxis.batch, GraphAxis.rows, nil, nil], granules: [1, pixels])
        let vqgan = VQGAN(configuration.vqgan)
        let latents = graph.scope("vqgan.encoder") { vqgan.latents(&$0, image: image) }
        graph.output("tokens", graph.scope("vqgan.quantize") { vqgan.tokens(&$0, latents: latents) })
        if exposesLatents { graph.output("latents", latents) }
        return graph.program
    }
}
