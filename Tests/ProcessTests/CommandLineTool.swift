import Foundation
import Testing

/// The real binary, which lies beside the test bundle.
enum CommandLineTool {
    static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    static var binary: URL {
        get throws {
            let bundle = try #require(Bundle.main.executableURL)
            return bundle.deletingLastPathComponent().appending(path: "tessera")
        }
    }

    /// Runs it to its end with arguments in the repository's root, without any variable of the caller's that would
    /// change it.
    static func run(_ arguments: [String], environment: [String: String] = [:]) throws -> ObservedCommand.Outcome {
        try ObservedCommand.run(arguments, environment: environment)
    }
}
