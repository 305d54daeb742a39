import Coordinator
import Foundation

/// Where a timeline goes that `--trace` asked for.
enum TraceFile {
    /// Writes the trace in the format of Chrome's tracing page and says so.
    static func write(_ trace: ClusterTrace, to path: String) throws {
        do {
            try Data(ChromeTrace(trace).json.utf8).write(to: URL(filePath: path))
        } catch {
            throw OutputError(path: path, reason: error.localizedDescription)
        }
        for (worker, count) in zip(trace.workers, trace.lost) where count > 0 {
            Terminal.shared.note(
                "warning: \(worker) recorded \(count) events more than it keeps; they are not in \(path)")
        }
        Terminal.shared.note("wrote \(path); open it at https://ui.perfetto.dev or chrome://tracing")
    }
}
