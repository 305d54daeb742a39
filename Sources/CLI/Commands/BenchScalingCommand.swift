import ArgumentParser
import Bench

/// `tessera bench scaling`.
struct BenchScalingCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "scaling", abstract: "One decoding step on several layouts, one after the other.",
        discussion: """
            Layouts are WORKERSxTHREADS and a mesh. The detail 'relativeToFirst' is the first layout's time over this \
            one's: 1 where splitting costs nothing.

              tessera bench scaling --preset amused-256 --layout 1x2 2x1@model=2 2x1@guidance=2
            """)

    @OptionGroup var options: BenchOptions
    @OptionGroup var model: BenchModelOptions

    @Option(
        parsing: .upToNextOption,
        help: ArgumentHelp(
            "Layouts; 1x1, 1x2, 2x1@model=2 and 2x1@guidance=2 if left out.", valueName: "WxT@mesh"))
    var layout: [BenchLayout] = []

    func validate() throws {
        if model.config != nil { throw ValidationError("'scaling' makes its own layouts: give --preset instead.") }
    }

    func run() async throws {
        let layouts =
            layout.isEmpty
            ? try ["1x1", "1x2", "2x1@model=2", "2x1@guidance=2"].map { try BenchLayout($0) } : layout
        var report = BenchSession.report("scaling")
        for layout in layouts {
            Terminal.shared.note("measuring \(layout)")
            let configuration = try model.configuration(layout)
            let measured = try await ModelBenchSession.measureUntilStopped(
                configuration, steps: max(2, options.runs), pictures: 1)
            let figures = measured.figures(model.subject(layout, configuration))
            var figure = try figures.program("step")
            let first = report.figures.first?.seconds.best ?? figure.seconds.best
            figure.details["relativeToFirst"] = first / figure.seconds.best
            report.figures.append(figure)
            report.notes += figures.notes
        }
        try BenchSession.show(report, options)
    }
}
