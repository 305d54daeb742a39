import Coordinator
import Sharding
import Synchronization

/// Shows how far something is that takes its time: bytes loaded by each worker, steps with the time left, meshes compared,
/// bytes written.
final class Progress: Sendable {
    /// More workers than this share one bar.
    private static let barsMax = 16

    private struct State {
        /// What the plain lines have said: workers that are complete, and whether loading has begun.
        var complete: Set<String> = []
        var isLoading = false
        var lastLine = ""
    }

    private let terminal: Terminal
    private let state = Mutex(State())

    init(terminal: Terminal = .shared) { self.terminal = terminal }

    /// The workers have loaded so much of what they need: a bar for each on a terminal, else a line at the beginning and
    /// one for each worker that is complete.
    func loaded(_ report: LoadingProgress) {
        if terminal.isInteractive { return terminal.show(Self.block(report)) }
        let lines = state.withLock { state in
            var lines: [String] = []
            if !state.isLoading {
                state.isLoading = true
                lines.append("loading \(PlanReport.bytes(report.byteCount)) of weights")
            }
            for worker in report.workers where worker.byteCount > 0 && worker.loadedByteCount >= worker.byteCount {
                if state.complete.insert(worker.name).inserted {
                    lines.append("\(worker.name): loaded \(PlanReport.bytes(worker.byteCount))")
                }
            }
            return lines
        }
        for line in lines { terminal.note(line) }
    }

    private static func block(_ report: LoadingProgress) -> [String] {
        var entries = report.workers
        if entries.count > barsMax {
            entries = [
                .init(
                    name: "\(entries.count) workers", loadedByteCount: report.loadedByteCount,
                    byteCount: report.byteCount)
            ]
        }
        let width = entries.map(\.name.count).max() ?? 0
        return entries.map { entry in
            let name = entry.name + String(repeating: " ", count: width - entry.name.count)
            return "\(name)  \(bar(entry.loadedByteCount, of: entry.byteCount))  "
                + "\(PlanReport.bytes(entry.loadedByteCount)) of \(PlanReport.bytes(entry.byteCount))"
        }
    }

    /// `done` of `total` decoding steps are behind us.
    func stepped(_ done: Int, of total: Int, left: Duration?) {
        let time = left.map { ", \(Self.time($0)) left" } ?? ""
        let text = "step \(done) of \(total)\(time)"
        show(["\(Self.bar(done, of: total))  \(text)"], line: text)
    }

    /// So many orders come first; nothing where it is none.
    func waiting(behind count: Int) {
        guard count > 0 else { return }
        let text = "waiting behind \(count == 1 ? "1 other order" : "\(count) other orders")"
        show([text], line: text)
    }

    /// `done` of at most `total` meshes are compiled.
    func compared(_ done: Int, of total: Int) {
        show(
            ["\(Self.bar(done, of: total))  mesh \(done) of \(total)"],
            line: done == 0 ? "comparing \(total) meshes" : nil)
    }

    /// `done` of `total` bytes are written.
    func wrote(_ done: Int, of total: Int) {
        show(
            ["\(Self.bar(done, of: total))  \(PlanReport.bytes(done)) of \(PlanReport.bytes(total))"],
            line: done == 0 ? "writing \(PlanReport.bytes(total))" : nil)
    }

    /// `done` of `total` measurements are behind us; `subject` is next.
    func measured(_ done: Int, of total: Int, _ subject: String) {
        let text = "measuring \(subject), \(done) of \(total)"
        show(["\(Self.bar(done, of: total))  \(text)"], line: done == total ? nil : text)
    }

    /// Takes the progress block away; what is loaded next is told anew.
    func finish() {
        terminal.show([])
        state.withLock { $0 = State() }
    }

    private func show(_ block: [String], line: String?) {
        if terminal.isInteractive {
            terminal.show(block)
        } else if let line {
            let isNew = state.withLock { state in
                defer { state.lastLine = line }
                return state.lastLine != line
            }
            if isNew { terminal.note(line) }
        }
    }

    private static func bar(_ done: Int, of total: Int) -> String {
        let width = 24
        let filled = total <= 0 ? width : min(width, max(0, done * width / total))
        return "[\(String(repeating: "#", count: filled))\(String(repeating: "-", count: width - filled))]"
    }

    /// "1.5 s", "42 s" or "3 min 5 s".
    static func time(_ duration: Duration) -> String {
        let seconds = Double(duration.components.seconds) + Double(duration.components.attoseconds) * 1e-18
        if seconds < 10 {
            let tenths = Int((seconds * 10).rounded())
            return "\(tenths / 10).\(tenths % 10) s"
        }
        let whole = Int(seconds.rounded())
        return whole < 120 ? "\(whole) s" : "\(whole / 60) min \(whole % 60) s"
    }
}
