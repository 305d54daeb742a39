import ArgumentParser
import Bench

/// `tessera bench step`.
struct BenchStepCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "step", abstract: "One decoding step of a model, with guidance as it is set.",
        discussion: """
            Makes pictures of few steps and takes the best of them all. A step takes as long as its slowest worker; the \
            limit is that of the multiply-add instructions on all threads together. Text encoder and pixel decoder are \
            listed below it.

              tessera bench step --preset amused-256 --layout 1x2 --dtype int8
              tessera bench step --config cluster.yaml --trace step.json
            """)

    @OptionGroup var options: BenchOptions
    @OptionGroup var model: BenchModelOptions

    @Option(help: ArgumentHelp("Workers, threads and mesh.", valueName: "WxT@mesh"))
    var layout = BenchLayout.standard

    @Option(help: ArgumentHelp("Writes a timeline of all workers.", valueName: "file"))
    var trace: String?

    @OptionGroup var heap: BenchHeapOptions

    func validate() throws { if let trace { try OutputFiles.check(trace) } }

    func run() async throws {
        let configuration = try model.configuration(layout)
        // The first step of a picture is the first after another program, so there is always one more than counts.
        let measured = try await ModelBenchSession.measureUntilStopped(
            configuration, steps: max(2, options.runs), pictures: 1, variables: heap.variables())
        let figures = measured.figures(model.subject(layout, configuration))
        var report = BenchSession.report("step")
        let names = figures.programs.sorted { ($0 == "step" ? 0 : 1, $0) < ($1 == "step" ? 0 : 1, $1) }
        report.figures = try names.map { try figures.program($0) }
        report.notes = figures.notes + heap.notes
        if let trace { try TraceFile.write(measured.trace, to: trace) }
        try BenchSession.show(report, options)
    }
}
