import ArgumentParser
import Foundation
import Glibc

/// The command `tessera`: lists the subcommands and turns what they throw into exit codes.
@main
struct Tessera: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tessera",
        abstract: "Serves token-based image models on a cluster of Linux machines.",
        discussion: """
            One YAML file describes a cluster: the model, the mesh of devices and the workers. Each command takes it.

              tessera validate cluster.yaml            is the file right?
              tessera plan cluster.yaml                what would each worker hold and send?
              tessera generate "a red fox in snow"     one picture, on a cluster started for it
              tessera up cluster.yaml                  keep a cluster running; generate then uses it

            Results go to standard output, progress and messages to standard error. Exit codes: 0 done, 1 failed, \
            2 wrong usage, 78 wrong configuration. Every flag has a twin in the environment, such as TESSERA_STEPS for \
            --steps; a flag wins.
            """,
        version: Version.text,
        subcommands: [
            UpCommand.self, GenerateCommand.self, PlanCommand.self, ValidateCommand.self, DoctorCommand.self,
            WorkerCommand.self, VersionCommand.self,
        ])

    static func main() async {
        let arguments = EnvironmentFlags.expand(
            Array(CommandLine.arguments.dropFirst()), environment: ProcessInfo.processInfo.environment)
        do {
            var command = try parseAsRoot(arguments)
            if var asynchronous = command as? any AsyncParsableCommand {
                try await asynchronous.run()
            } else {
                try command.run()
            }
        } catch {
            Glibc.exit(ExitStatus.report(error).rawValue)
        }
    }
}
