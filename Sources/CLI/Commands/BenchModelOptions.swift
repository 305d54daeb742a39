public import ArgumentParser
public import Bench
import Coordinator
import Models

/// Which model benchmarks of whole steps and pictures run, and what it computes in.
struct BenchModelOptions: ParsableArguments {
    @Option(
        name: [.long, .customShort("c")],
        help: "A cluster file; its model, mesh and workers are measured as they are.")
    var config: String?

    @OptionGroup var settings: ConfigurationOptions

    @Option(help: "Without a cluster file: a built-in configuration, with generated weights.")
    var preset = "amused-256"

    @Option(help: "Without a cluster file: bf16, int8 or f32.")
    var dtype = "bf16"

    func validate() throws {
        guard ModelSettings.presets.contains(preset) else {
            throw ValidationError(
                "There is no preset '\(preset)'; there are \(ModelSettings.presets.joined(separator: ", ")).")
        }
        guard ModelPrecision(rawValue: dtype) != nil else {
            throw ValidationError("--dtype takes bf16, int8 or f32, not '\(dtype)'.")
        }
    }

    /// The configuration to measure: the file's, or the preset's on these workers.
    func configuration(_ layout: BenchLayout) throws -> ClusterConfiguration {
        try config.map { try settings.load($0) }
            ?? BenchSession.configuration(layout, preset: preset, dtype: dtype, flags: settings.flags)
    }

    /// What is measured, for people.
    func subject(_ layout: BenchLayout, _ configuration: ClusterConfiguration) -> String {
        config == nil ? "\(preset) \(dtype) \(layout)" : configuration.name
    }
}

extension BenchLayout: ExpressibleByArgument {
    /// Reads a layout; nil where it is none.
    public init?(argument: String) {
        guard let layout = try? BenchLayout(argument) else { return nil }
        self = layout
    }

    /// Two threads in one worker.
    static var standard: BenchLayout {
        guard let layout = BenchLayout(argument: "1x2") else { preconditionFailure("1x2 is a layout") }
        return layout
    }
}
