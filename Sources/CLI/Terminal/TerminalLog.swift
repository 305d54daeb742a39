import Foundation
import Logging

/// Writes log lines through the ``Terminal``, so that they do not tear its progress block.
struct TerminalLog: LogHandler {
    var logLevel: Logger.Level
    var metadata: Logger.Metadata = [:]
    private let label: String

    /// A logger of the program; TESSERA_LOG_LEVEL (trace, debug, info, notice, warning, error) replaces the level.
    static func logger(level: Logger.Level) -> Logger {
        let wanted = ProcessInfo.processInfo.environment["TESSERA_LOG_LEVEL"].flatMap { Logger.Level(rawValue: $0) }
        let handler = TerminalLog(logLevel: wanted ?? level, label: "tessera")
        return Logger(label: "tessera", factory: { (_: String) -> any LogHandler in handler })
    }

    private init(logLevel: Logger.Level, label: String) {
        self.logLevel = logLevel
        self.label = label
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let all = metadata.merging(event.metadata ?? [:]) { $1 }
        let pairs = all.sorted { $0.key < $1.key }.map { " \($0.key)=\($0.value)" }.joined()
        Terminal.shared.note("\(label) \(event.level): \(event.message)\(pairs)")
    }
}
