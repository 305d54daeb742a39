import Program
import Tensor

/// What turns pictures into codes and back (VQGAN and its kin), as pieces of graphs and as programs of their own.
///
/// Values are `[B, Y, X, C]`, pictures in [0, 1]. These programs keep bf16 where the model is int8: nearly all of them is
/// convolutions, and they run once a picture.
protocol PictureTokenizer {
    /// The part of the model, which scopes begin with.
    var part: String { get }
    /// Pixels along a side of a token.
    var tokenPixels: Int { get }

    /// Adds the encoder: image f32 `[B, H, W, 3]` to latents f32 `[B, Y, X, code]`.
    func latents(_ graph: inout ProgramBuilder, image: Program.ValueID) -> Program.ValueID
    /// Adds the search for the nearest codes: latents f32 to tokens i32 `[B, Y, X]`.
    func tokens(_ graph: inout ProgramBuilder, latents: Program.ValueID) -> Program.ValueID
    /// Adds the decoder: tokens i32 `[B, Y, X]` to an image f32 `[B, H, W, 3]` that may leave [0, 1].
    func image(_ graph: inout ProgramBuilder, tokens: Program.ValueID) -> Program.ValueID
}

extension PictureTokenizer {
    /// `decode`, see ``TokenModel/decodeProgram(batch:rows:columns:exposesImage:)``.
    func decodeProgram(
        _ activation: DType, batch: Int, rows: Int, columns: Int, exposesImage: Bool
    ) -> Program {
        precondition(batch >= 1 && rows >= 1 && columns >= 1, "a program has pictures and tokens")
        var graph = ProgramBuilder(name: "decode", activation: activation)
        let tokens = graph.input(
            "tokens", .i32, [batch, rows, columns], axes: [GraphAxis.batch, GraphAxis.rows, nil])
        let image = graph.scope("\(part).decoder") { self.image(&$0, tokens: tokens) }
        graph.output("pixels", graph.scope("pixels") { $0.add(.pixels, [image]) })
        if exposesImage { graph.output("image", image) }
        return graph.program
    }

    /// `encode`, see ``TokenModel/encodeProgram(batch:rows:columns:exposesLatents:)``.
    func encodeProgram(
        _ activation: DType, batch: Int, rows: Int, columns: Int, exposesLatents: Bool
    ) -> Program {
        precondition(batch >= 1 && rows >= 1 && columns >= 1, "a program has pictures and tokens")
        var graph = ProgramBuilder(name: "encode", activation: activation)
        let image = graph.input(
            "image", .f32, [batch, rows * tokenPixels, columns * tokenPixels, 3],
            axes: [GraphAxis.batch, GraphAxis.rows, nil, nil], granules: [1, tokenPixels])
        let latents = graph.scope("\(part).encoder") { self.latents(&$0, image: image) }
        graph.output("tokens", graph.scope("\(part).quantize") { self.tokens(&$0, latents: latents) })
        if exposesLatents { graph.output("latents", latents) }
        return graph.program
    }
}
