import ArgumentParser

/// Which build this is.
enum Version {
    /// The release.
    static let text = "0.1.0"
}

/// `tessera version`.
struct VersionCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "version", abstract: "Prints the version.",
        discussion: """
            All workers of a cluster run the coordinator's version; a worker of another version is turned away with a \
            message that names both.
            """)

    func run() { Terminal.shared.result("tessera \(Version.text)") }
}
