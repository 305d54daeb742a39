import ArgumentParser
import Foundation
import Glibc
import Protocol

/// The command `tessera`: lists the subcommands and turns what they throw into exit codes.
@main
struct Tessera: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tessera",
        abstract: "Serves token-based image models on a cluster of Linux machines.",
        discussion: """
            One YAML file describes a cluster: the model, the mesh of devices and the workers. Each command takes it.

              tessera validate cluster.yaml          Is the file right?
              tessera key --out cluster.key          A key for a cluster of several machines.
              tessera plan cluster.yaml              What will each worker do?
              tessera calibrate cluster.yaml         What can the workers do?
              tessera generate "a red fox in snow"   One picture.
              tessera batch prompts.jsonl -o DIR     Many pictures.
              tessera up cluster.yaml                Keep a cluster running.
              tessera status cluster.yaml            How is it?
              tessera top cluster.yaml               What does it do?
              tessera bench step                     How fast is it, and how fast could it be?

            Results go to standard output, progress and messages to standard error. Exit codes: 0 done, 1 failed, \
            2 wrong usage, 69 nothing answers, 78 wrong configuration. Every flag has a twin in the environment, such as TESSERA_STEPS for \
            --steps; a flag wins.
            """,
        version: ProtocolVersion.build,
        subcommands: [
            UpCommand.self, StatusCommand.self, TopCommand.self, GenerateCommand.self, BatchCommand.self,
            PlanCommand.self, CalibrateCommand.self,
            BenchCommand.self, ValidateCommand.self, ExportCommand.self, KeyCommand.self, DoctorCommand.self,
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
