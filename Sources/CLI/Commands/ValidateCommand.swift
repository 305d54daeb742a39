import ArgumentParser
import Coordinator
import Models
import Program
import Sharding
import Tensor

/// `tessera validate`.
struct ValidateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "validate", abstract: "Checks a cluster file.",
        discussion: """
            Reports every problem at once, each with its line, the values that are allowed and the nearest spelling, \
            and partitions the model's programs to see that rules and overrides fit them. Loads no weights, starts nothing. Ends with 78 if the file cannot be used.

              tessera validate cluster.yaml
              tessera validate cluster.yaml --set model.dtype=f32
            """)

    @OptionGroup var configuration: ConfigurationArgument

    func run() throws {
        let configuration = try configuration.load()
        // Rules that are right by themselves may still not fit the model, or each other.
        _ = try configuration.planned()
        Terminal.shared.result(configuration.summary)
    }
}

extension ClusterConfiguration {
    /// One line: name, model, mesh and workers.
    var summary: String {
        let model =
            switch model.source {
            case .path(let path): "model \(path)"
            case .preset(let name): "preset \(name)"
            }
        let weights = self.model.weights == .generated ? ", generated weights" : ""
        let written =
            mesh.axes.isEmpty ? "1 device" : mesh.axes.map { "\($0.name) \($0.size)" }.joined(separator: " x ")
        let mesh = automatic.map { "chosen for \($0.rawValue)" } ?? written
        var places: [String] = []
        for host in workers.compactMap(\.host) where !places.contains(host) { places.append(host) }
        let place = places.isEmpty ? "" : " on \(places.joined(separator: ", "))"
        let start =
            switch launcher.kind {
            case .local: ""
            case .external: ", started by others"
            case .slurm: ", started by Slurm"
            case .ssh: ", started by ssh"
            }
        return "\(name): \(model), \(self.model.dtype.rawValue)\(weights); mesh \(mesh); "
            + (workers.count == 1 ? "1 worker" : "\(workers.count) workers") + place + start
    }
}
