import ArgumentParser

/// `tessera up`.
struct UpCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "up", abstract: "Starts a cluster and keeps it running.",
        discussion: """
            Starts the workers of the cluster file, loads the model and stays in the foreground. 'tessera generate' with \
            the same file then uses the cluster instead of starting one.

            SIGTERM or SIGINT (Ctrl-C) lets running pictures finish and stops; a second one stops at once.

              tessera up cluster.yaml
              tessera up cluster.yaml --set control.port=29700
            """)

    @OptionGroup var configuration: ConfigurationArgument

    func run() async throws {
        try await ClusterSession.up(try configuration.load())
    }
}
