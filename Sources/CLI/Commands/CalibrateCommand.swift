import ArgumentParser
import Coordinator
import Sharding

/// `tessera calibrate`.
struct CalibrateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "calibrate", abstract: "Measures the workers and their links.",
        discussion: """
            Starts the workers of the cluster file, times matrix products, attention, point-wise functions and memory on \
            all of them at once, swaps messages between every two, and writes what it found as a machine profile. Name the \
            profile in the cluster file ('profile: profile.json'), and 'mesh: auto' and predicted times rest on it.

            Figures are the best of several calls, timed on the worker less what an empty call takes there, so a busy \
            machine gives low ones. No model is opened.

              tessera calibrate cluster.yaml --out profile.json
              tessera calibrate cluster.yaml --quick --json
            """)

    @OptionGroup var configuration: ConfigurationArgument

    @Option(name: [.customShort("o"), .customLong("out")], help: "Where the profile goes.")
    var out: String?

    @Flag(help: "Takes a few seconds: fewer and smaller measurements, products in bf16 only.")
    var quick = false

    @Flag(help: "Prints the profile as JSON instead of a table.")
    var json = false

    func run() async throws {
        let configuration = try configuration.load()
        let profile = try await CalibrateSession.profile(configuration, effort: quick ? .quick : .thorough)
        if let out {
            try ProfileFile.write(profile, to: out)
            Terminal.shared.note("wrote \(out); 'profile: \(out)' in the cluster file makes plans rest on it")
        }
        Terminal.shared.result(
            json ? String(decoding: ProfileFile.encode(profile).dropLast(), as: UTF8.self) : profile.text())
    }
}
