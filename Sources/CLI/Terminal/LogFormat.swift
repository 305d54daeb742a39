import ArgumentParser
import Foundation
import Logging

/// Form of the lines on standard error.
enum LogFormat: String, ExpressibleByArgument, CaseIterable, Sendable {
    /// One JSON object a line, for log collectors.
    case json
    /// Lines for people.
    case text
}

/// `--log-format` and `--log-level`, with their twins in the environment.
struct LogOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Form of the lines on standard error: text, or json, an object a line (TESSERA_LOG_FORMAT).",
            valueName: "json|text"))
    var logFormat: LogFormat?

    @Option(
        help: ArgumentHelp(
            "Lines from this level on: trace, debug, info, notice, warning or error (TESSERA_LOG_LEVEL).",
            valueName: "level"))
    var logLevel: String?

    func validate() throws {
        if let word = word(logLevel, "TESSERA_LOG_LEVEL"), Logger.Level(rawValue: word) == nil {
            throw ValidationError("'\(word)' is no log level: take trace, debug, info, notice, warning or error.")
        }
        if logFormat == nil, let word = word(nil, "TESSERA_LOG_FORMAT"), LogFormat(rawValue: word) == nil {
            throw ValidationError("TESSERA_LOG_FORMAT is json or text, not '\(word)'.")
        }
    }

    /// Makes all lines of the process take the form from now on, and returns a logger.
    ///
    /// - Parameters:
    ///   - text: level without options where people read.
    ///   - json: level without options where programs read.
    func logger(text: Logger.Level, json: Logger.Level) -> Logger {
        let format = logFormat ?? word(nil, "TESSERA_LOG_FORMAT").flatMap(LogFormat.init) ?? .text
        Terminal.shared.format = format
        let level = word(logLevel, "TESSERA_LOG_LEVEL").flatMap(Logger.Level.init(rawValue:))
        return TerminalLog.logger(at: level ?? (format == .json ? json : text))
    }

    private func word(_ flag: String?, _ variable: String) -> String? {
        flag ?? ProcessInfo.processInfo.environment[variable].flatMap { $0.isEmpty ? nil : $0 }
    }
}
