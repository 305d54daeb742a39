import Models
import Program
import Testing

@Suite("Text of the models' programs")
struct ModelProgramTextTests {
    @Test("Every program of every preset reads back as it was", arguments: AmusedConfiguration.presets)
    func roundTrip(preset: String) throws {
        let model = try AmusedModel(preset: preset, seed: 1)
        let (rows, columns) = try model.grid(width: model.defaultSize, height: model.defaultSize)
        var programs = [
            model.textProgram(batch: 2, guided: true), model.textEncoderProgram(batch: 1),
            model.transformerProgram(batch: 1, rows: rows, columns: columns),
            model.decodeProgram(batch: 2, rows: rows, columns: columns, exposesImage: true),
            model.encodeProgram(batch: 2, rows: rows, columns: columns, exposesLatents: true),
        ]
        for noise in [SamplingNoise.generated, .given, .none] {
            programs.append(
                model.stepProgram(
                    batch: 2, guidance: .both, rows: rows, columns: columns, noise: noise, exposesLogits: true))
        }
        for program in programs {
            let text = ProgramPrinter(program).text
            #expect(try ProgramParser.parse(text) == program, "\(preset) \(program.name)")
        }
    }
}
