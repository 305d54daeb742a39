import ArgumentParser
import Bench
import Coordinator

/// `tessera bench serve`.
struct BenchServeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve",
        abstract: "The coordinator's own time for a step, and requests that the HTTP server takes a second.",
        discussion: """
            Starts a cluster and the HTTP server of 'tessera up' in front of it, and sends it requests from threads of \
            this process, whose processor time is left out. A model that has next to nothing to compute shows what \
            everything else takes.

            Of a step the coordinator's part is the time from its order to the next one's, less the slowest worker's time \
            in the call; with one picture at a time, and with as many as go into a step (server.batch). Jobs count when \
            they are on disk and answered, pictures when they are made and answered.

              tessera bench serve
              tessera bench serve --layout 2x1@model=2 --set server.batch=16 --requests 1000
            """)

    @Option(help: ArgumentHelp("Workers, threads and mesh.", valueName: "WxT@mesh"))
    var layout = BenchLayout.small

    @Option(help: "A built-in configuration, with generated weights.")
    var preset = "muse-tiny"

    @OptionGroup var settings: ConfigurationOptions

    @Option(help: "Steps of each picture while steps are measured.")
    var steps = 400

    @Option(help: "Jobs, and then pictures, while requests are measured.")
    var requests = 400

    @Option(help: "Connections at once while requests are measured.")
    var clients = 16

    @Flag(help: "Prints one JSON document instead of a table; docs/performance.md describes its keys.")
    var json = false

    func validate() throws {
        guard ModelSettings.presets.contains(preset) else {
            throw ValidationError(
                "There is no preset '\(preset)'; there are \(ModelSettings.presets.joined(separator: ", ")).")
        }
        if !(2...1000).contains(steps) { throw ValidationError("--steps takes 2 to 1000, not \(steps).") }
        if !(1...5000).contains(requests) { throw ValidationError("--requests takes 1 to 5000, not \(requests).") }
        if !(1...256).contains(clients) { throw ValidationError("--clients takes 1 to 256, not \(clients).") }
    }

    func run() async throws {
        let configuration = try BenchSession.configuration(
            layout, preset: preset, dtype: "bf16", flags: settings.flags)
        let load = ServeBenchSession.Load(steps: steps, requests: requests, clients: min(clients, requests))
        let subject = "\(preset) \(layout)"
        var options = BenchOptions()
        options.json = json
        try await BenchSession.run("serve", options) { tell in
            try await ServeBenchSession.measure(configuration, subject: subject, load: load, tell: tell)
        }
    }
}

extension BenchLayout {
    /// One thread in one worker.
    fileprivate static var small: BenchLayout {
        guard let layout = BenchLayout(argument: "1x1") else { preconditionFailure("1x1 is a layout") }
        return layout
    }
}
