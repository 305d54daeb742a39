import ArgumentParser
import Protocol

/// `tessera version`.
struct VersionCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "version", abstract: "Prints the version.",
        discussion: """
            All workers of a cluster run the coordinator's version; a worker of another version is turned away with a \
            message that names both.
            """)

    func run() { Terminal.shared.result("tessera \(ProtocolVersion.build)") }
}
