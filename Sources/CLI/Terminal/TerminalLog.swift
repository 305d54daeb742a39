import Foundation
import Logging
import Server

/// Writes log lines through the ``Terminal``, so that they do not tear its progress block, in its format.
struct TerminalLog: LogHandler {
    var logLevel: Logger.Level
    var metadata: Logger.Metadata = [:]
    var metadataProvider: Logger.MetadataProvider?
    private let label: String

    /// A logger of the program; TESSERA_LOG_LEVEL (trace, debug, info, notice, warning, error) replaces the level.
    static func logger(level: Logger.Level) -> Logger {
        let wanted = ProcessInfo.processInfo.environment["TESSERA_LOG_LEVEL"].flatMap { Logger.Level(rawValue: $0) }
        return logger(at: wanted ?? level)
    }

    /// A logger of exactly this level; lines of a request or an order carry its `request_id`.
    static func logger(at level: Logger.Level) -> Logger {
        let handler = TerminalLog(logLevel: level, label: "tessera")
        return Logger(label: "tessera", factory: { (_: String) -> any LogHandler in handler })
    }

    private init(logLevel: Logger.Level, label: String) {
        self.logLevel = logLevel
        self.label = label
        metadataProvider = Logger.MetadataProvider { RequestScope.id.map { ["request_id": "\($0)"] } ?? [:] }
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let all = (metadataProvider?.get() ?? [:]).merging(metadata) { $1 }.merging(event.metadata ?? [:]) { $1 }
        if Terminal.shared.format == .json {
            return Terminal.shared.line(
                JSONLine.text(
                    time: Date(), level: "\(event.level)", logger: label, message: "\(event.message)", metadata: all))
        }
        let pairs = all.sorted { $0.key < $1.key }.map { " \($0.key)=\($0.value)" }.joined()
        Terminal.shared.note("\(label) \(event.level): \(event.message)\(pairs)")
    }
}
