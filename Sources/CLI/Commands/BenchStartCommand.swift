import ArgumentParser
import Bench
import Coordinator
import Foundation
import Sharding

/// `tessera bench start`.
struct BenchStartCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "start",
        abstract: "How long a model's weights take until they are ready, and the memory they keep.",
        discussion: """
            Starts workers, has them load or generate all weights of a picture's programs, and makes a picture of two \
            steps. The limit is writing as many bytes of fresh memory, once, with as many threads; resident memory is \
            held against the plan: weights, activations and what a request keeps.

              tessera bench start --preset muse-3b --layout 1x2
            """)

    @OptionGroup var model: BenchModelOptions

    @Option(help: ArgumentHelp("Workers, threads and mesh.", valueName: "WxT@mesh"))
    var layout = BenchLayout.standard

    @Flag(help: "Prints one JSON document instead of a table; docs/performance.md describes its keys.")
    var json = false

    func run() async throws {
        let configuration = try model.configuration(layout)
        let subject = model.subject(layout, configuration)
        let measured = try await StopSignals().stopping(after: 1) { try await StartSession.measure(configuration) }
        var report = BenchSession.report("start")
        report.figures = [measured.figure(subject)]
        report.notes = [
            "resident: the most that a worker had in memory, with about 40 MiB of program and libraries"
        ]
        var options = BenchOptions()
        options.json = json
        try BenchSession.show(report, options)
    }
}
