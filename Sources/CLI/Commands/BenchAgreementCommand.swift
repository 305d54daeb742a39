import ArgumentParser
import Bench
import Coordinator
import Models

/// `tessera bench agreement`.
struct BenchAgreementCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "agreement", abstract: "How often a faster mode chooses the same codes as bf16.",
        discussion: """
            Paints a picture in the reference's element type, then repeats its steps in the other one: with the same \
            tokens, the same random numbers and the same guidance at every step, whatever was chosen in the one before. \
            Counted are the positions that were open. Weights of a preset are random, so codes are closer to each other \
            than those of a trained model. --set is for the one that is judged.

              tessera bench agreement --preset muse-3b --layout 1x2 --steps 6
              tessera bench agreement --dtype bf16 --layout 2x1@model=2 --set wire=int8
            """)

    @OptionGroup var settings: ConfigurationOptions

    @Option(help: "A built-in configuration, with generated weights.")
    var preset = "muse-632m"

    @Option(help: "What is judged: bf16, int8 or f32.")
    var dtype = "int8"

    @Option(help: "What it is judged by: bf16, int8 or f32.")
    var reference = "bf16"

    @Option(help: ArgumentHelp("Workers, threads and mesh.", valueName: "WxT@mesh"))
    var layout = BenchLayout.standard

    @Option(help: "Decoding steps of the picture.")
    var steps = 6

    @Flag(help: "Prints one JSON document instead of a table; docs/performance.md describes its keys.")
    var json = false

    func validate() throws {
        guard ModelSettings.presets.contains(preset) else {
            throw ValidationError(
                "There is no preset '\(preset)'; there are \(ModelSettings.presets.joined(separator: ", ")).")
        }
        for (name, value) in [("dtype", dtype), ("reference", reference)] where ModelPrecision(rawValue: value) == nil {
            throw ValidationError("--\(name) takes bf16, int8 or f32, not '\(value)'.")
        }
        if !(1...1000).contains(steps) { throw ValidationError("--steps takes 1 to 1000, not \(steps).") }
    }

    func run() async throws {
        let judged = try BenchSession.configuration(
            layout, preset: preset, dtype: dtype, flags: settings.flags)
        let exact = try BenchSession.configuration(layout, preset: preset, dtype: reference)
        let steps = steps
        let compared = try await StopSignals().stopping(after: 1) {
            try await AgreementSession.compare(judged, with: exact, steps: steps)
        }
        let agreement = compared.agreement
        var report = BenchSession.report("agreement")
        report.figures = [
            BenchReport.Figure(
                subject:
                    "\(preset) \(layout), codes of \(([dtype] + settings.settings).joined(separator: " ")) as of \(reference)",
                workers: layout.workers,
                threads: layout.threads, value: Double(agreement.equalCodes) / Double(max(1, agreement.open)),
                unit: "of open positions", seconds: BenchReport.Seconds(compared.seconds),
                details: [
                    "openPositions": Double(agreement.open), "equalCodes": Double(agreement.equalCodes),
                    "equalLikeliestCodes": Double(agreement.equalLikeliest), "steps": Double(agreement.steps),
                    "relativeLogitError": agreement.logitError,
                    "referenceStepSeconds": compared.referenceSeconds.min() ?? 0,
                ])
        ]
        var options = BenchOptions()
        options.json = json
        try BenchSession.show(report, options)
    }
}
