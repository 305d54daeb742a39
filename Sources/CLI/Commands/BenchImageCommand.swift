import ArgumentParser
import Bench

/// `tessera bench image`.
struct BenchImageCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "image", abstract: "A whole picture from order to PNG, and where each worker's time went.",
        discussion: """
            Weights are loaded and one picture is made before the clock starts. A worker's time is computing, waiting for \
            peers that had not begun to send, transfer (packing, sending, receiving and combining), what calls do \
            besides, and being idle between calls.

              tessera bench image --preset amused-256 --layout 2x1@model=2 --steps 12 --runs 3
            """)

    @OptionGroup var model: BenchModelOptions

    @Option(help: ArgumentHelp("Workers, threads and mesh.", valueName: "WxT@mesh"))
    var layout = BenchLayout.standard

    @Option(help: "Decoding steps; the model's own number if left out.")
    var steps: Int?

    @Option(help: "Pictures that count; the best one's time is the figure.")
    var runs = 2

    @Flag(help: "Prints one JSON document instead of a table; docs/performance.md describes its keys.")
    var json = false

    @Option(help: ArgumentHelp("Writes a timeline of all workers.", valueName: "file"))
    var trace: String?

    @OptionGroup var heap: BenchHeapOptions

    func validate() throws {
        if let trace { try OutputFiles.check(trace) }
        if let steps, !(1...1000).contains(steps) { throw ValidationError("--steps takes 1 to 1000, not \(steps).") }
        if !(1...1000).contains(runs) { throw ValidationError("--runs takes 1 to 1000, not \(runs).") }
    }

    func run() async throws {
        let configuration = try model.configuration(layout)
        let measured = try await ModelBenchSession.measureUntilStopped(
            configuration, steps: steps ?? 0, pictures: runs, variables: heap.variables())
        let figures = measured.figures(model.subject(layout, configuration))
        var report = BenchSession.report("image")
        report.figures = [try figures.picture(wall: measured.wall)]
        report.figures += try figures.programs.map { try figures.program($0) }
        report.notes = figures.notes + heap.notes
        if let trace { try TraceFile.write(measured.trace, to: trace) }
        var options = BenchOptions()
        options.json = json
        try BenchSession.show(report, options)
    }
}
