import Models
import Program

extension TokenModel {
    /// Program of a role for one shape.
    ///
    /// - Parameters:
    ///   - exposesInternals: programs also give logits and the picture before clipping.
    ///   - text: the family's own text program.
    func program(
        _ role: ProgramRole, shape: GenerationShape, exposesInternals: Bool, text: () -> Program
    ) -> Program {
        func step(_ guidance: GuidanceRows, _ noise: SamplingNoise) -> Program {
            stepProgram(
                batch: shape.pictures, guidance: guidance, rows: shape.rows, columns: shape.columns, noise: noise,
                exposesLogits: exposesInternals)
        }
        return switch role {
        case .text: text()
        case .step(let noise): step(GuidanceRows(isGuided: shape.isGuided), noise)
        case .conditionalStep(let noise): step(.conditional, noise)
        case .decode:
            decodeProgram(
                batch: shape.pictures, rows: shape.rows, columns: shape.columns, exposesImage: exposesInternals)
        case .encode:
            encodeProgram(batch: shape.pictures, rows: shape.rows, columns: shape.columns, exposesLatents: false)
        }
    }
}
