import ArgumentParser
import Logging

/// `tessera up`.
struct UpCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "up", abstract: "Starts a cluster and keeps it running.",
        discussion: """
            Starts the workers of the cluster file, or waits for them ('workers.launcher'), loads the model and stays in \
            the foreground. 'tessera generate' with the same file then uses the cluster instead of starting one.

            Over HTTP it serves OpenAI's Images API, health and metrics, and a page at /, at server.host and server.port \
            of the cluster file (127.0.0.1:8000); docs/server.md describes them.

            Messages go to standard error, as text or, with --log-format json, as one JSON object a line; then every \
            request has a line, and all lines of a request have its request_id.

            SIGTERM or SIGINT (Ctrl-C) lets running pictures finish and stops; a second one stops at once.

              tessera up cluster.yaml
              tessera up cluster.yaml --set control.port=29700
              tessera up cluster.yaml --log-format json 2>> tessera.log
            """)

    @OptionGroup var configuration: ConfigurationArgument
    @OptionGroup var log: LogOptions

    func run() async throws {
        let logger = log.logger(text: .notice, json: .info)
        try await ClusterSession.up(try configuration.load(), logger: logger)
    }
}
