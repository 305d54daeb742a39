import ArgumentParser
import Coordinator
import Foundation

/// Settings given beside the cluster file, shared by all commands that read one.
struct ConfigurationOptions: ParsableArguments {
    @Option(
        name: .customLong("set"), parsing: .singleValue,
        help: ArgumentHelp(
            "Replaces a setting of the file, for example --set control.port=0. May be repeated.",
            discussion: "Any key with a single value can be set, lists and mappings cannot.",
            valueName: "key=value"))
    var settings: [String] = []

    func validate() throws {
        for setting in settings where setting.firstIndex(of: "=") ?? setting.startIndex == setting.startIndex {
            throw ValidationError("--set takes KEY=VALUE, for example --set model.dtype=f32, not '\(setting)'.")
        }
    }

    /// The settings by key path.
    var flags: [String: String] {
        var flags: [String: String] = [:]
        for setting in settings {
            let parts = setting.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            flags[String(parts[0])] = String(parts[1])
        }
        return flags
    }

    /// Reads the file, says its warnings and returns it.
    func load(_ path: String?) throws -> ClusterConfiguration {
        let environment = ProcessInfo.processInfo.environment
        let file = path ?? environment["TESSERA_CONFIG"].flatMap { $0.isEmpty ? nil : $0 } ?? "cluster.yaml"
        let configuration = try ClusterConfiguration.load(path: file, environment: environment, flags: flags)
        for warning in configuration.warnings { Terminal.shared.note("\(file):\(warning)") }
        return configuration
    }
}

/// A cluster file as the command's only argument.
struct ConfigurationArgument: ParsableArguments {
    @Argument(
        help: ArgumentHelp("The cluster file; TESSERA_CONFIG or cluster.yaml if left out.", valueName: "config"))
    var path: String?

    @OptionGroup var options: ConfigurationOptions

    /// Reads the file, says its warnings and returns it.
    func load() throws -> ClusterConfiguration { try options.load(path) }
}
