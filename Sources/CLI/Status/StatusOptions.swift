import ArgumentParser
import Coordinator
import Foundation

/// Which server is asked, and with which key.
struct StatusOptions: ParsableArguments {
    @Argument(
        help: ArgumentHelp(
            "The cluster file that the server was started with, for its address; TESSERA_CONFIG or cluster.yaml if left "
                + "out.", valueName: "config"))
    var path: String?

    @OptionGroup var configuration: ConfigurationOptions

    @Option(help: ArgumentHelp("The server's address instead of the file's (TESSERA_URL).", valueName: "url"))
    var url: String?

    @Option(
        help: ArgumentHelp(
            "File with the API key to show, on a server that has keys; else TESSERA_API_KEY is shown.",
            valueName: "file"))
    var apiKeyFile: String?

    /// The server to ask.
    func fetch() throws -> (fetch: HTTPFetch, url: String) {
        let address = try address()
        let variable = ProcessInfo.processInfo.environment["TESSERA_API_KEY"].flatMap { $0.isEmpty ? nil : $0 }
        var key = variable
        if let apiKeyFile {
            guard let bytes = FileManager.default.contents(atPath: apiKeyFile), bytes.count <= 4096 else {
                throw ValidationError("--api-key-file: '\(apiKeyFile)' cannot be read.")
            }
            key = String(decoding: bytes, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
        }
        if let key, !key.allSatisfy({ $0.isASCII && !$0.isWhitespace && !$0.isNewline }) {
            throw ValidationError("An API key is one word of ASCII characters.")
        }
        do {
            return (try HTTPFetch(url: address, key: key), address)
        } catch {
            throw ValidationError("\(error).")
        }
    }

    private func address() throws -> String {
        if let url = url ?? ProcessInfo.processInfo.environment["TESSERA_URL"].flatMap({ $0.isEmpty ? nil : $0 }) {
            return url
        }
        let server = try configuration.load(path).server
        guard server.isEnabled else {
            throw ValidationError("The cluster file has 'server.enabled: false': nothing can be asked over HTTP.")
        }
        // A server that listens everywhere listens here, too.
        let host = ["0.0.0.0", "[::]", "::"].contains(server.address.host) ? "127.0.0.1" : server.address.host
        return "http://\(host.contains(":") && !host.hasPrefix("[") ? "[\(host)]" : host):\(server.address.port)"
    }
}
