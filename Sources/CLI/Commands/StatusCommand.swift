import ArgumentParser
import Foundation

/// `tessera status`.
struct StatusCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status", abstract: "Says how a running cluster is.",
        discussion: """
            Asks the HTTP server of a running 'tessera up'. Ends with 0 where a step could run now, with 1 where it could \
            not (loading, stopping, failed, stalled), and with 69 where nothing answers. A server with keys tells more \
            to those who show one.

              tessera status cluster.yaml
              tessera status --url http://10.0.0.5:8000 --api-key-file key.txt --json
            """)

    @OptionGroup var options: StatusOptions

    @Flag(help: "Print one JSON object.")
    var json = false

    func run() throws {
        let (fetch, url) = try options.fetch()
        let status: ServerStatus
        do {
            status = try ServerStatus(fetch, url: url)
        } catch {
            Terminal.shared.note("tessera: error: \(error): is 'tessera up' running?")
            if json { Terminal.shared.result(#"{"state": "unreachable"}"#) }
            throw ExitCode(ExitStatus.unavailable.rawValue)
        }
        Terminal.shared.result(json ? status.json : StatusText.once(status))
        if status.state != "ready" { throw ExitCode(ExitStatus.failure.rawValue) }
    }
}
