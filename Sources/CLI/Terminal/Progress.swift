import Synchronization

/// Shows how far a generation is: first bytes loaded by each worker, then steps with the time left.
final class Progress: Sendable {
    private struct Loading {
        var name: String
        var loaded: Int
        var total: Int
    }

    private struct State {
        var loading: [Loading] = []
        var lastLine = ""
    }

    private let terminal: Terminal
    private let state = Mutex(State())

    init(terminal: Terminal = .shared) { self.terminal = terminal }

    /// A worker has loaded some of its weights. Counts in bytes.
    func loaded(worker: String, bytes: Int, of total: Int) {
        let (block, line) = state.withLock { state -> ([String], String?) in
            let index = state.loading.firstIndex { $0.name == worker } ?? state.loading.count
            if index == state.loading.count { state.loading.append(Loading(name: worker, loaded: 0, total: total)) }
            let wasComplete = state.loading[index].loaded >= total && total > 0
            state.loading[index].loaded = bytes
            state.loading[index].total = total
            let isComplete = bytes >= total && !wasComplete
            let nameWidth = state.loading.map(\.name.count).max() ?? 0
            let block = state.loading.map { entry in
                let name = entry.name + String(repeating: " ", count: nameWidth - entry.name.count)
                return "\(name)  \(Self.bar(entry.loaded, of: entry.total))  "
                    + "\(Self.bytes(entry.loaded)) of \(Self.bytes(entry.total))"
            }
            return (block, isComplete ? "\(worker): loaded \(Self.bytes(total))" : nil)
        }
        show(block, line: line)
    }

    /// `done` of `total` decoding steps are behind us.
    func stepped(_ done: Int, of total: Int, left: Duration?) {
        let time = left.map { ", \(Self.time($0)) left" } ?? ""
        let text = "step \(done) of \(total)\(time)"
        show(["\(Self.bar(done, of: total))  \(text)"], line: text)
    }

    /// Takes the progress block away.
    func finish() { terminal.show([]) }

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

    /// "12.3 MiB".
    static func bytes(_ count: Int) -> String {
        var value = Double(count)
        var unit = 0
        let units = ["B", "KiB", "MiB", "GiB", "TiB"]
        while value >= 1024, unit < units.count - 1 {
            value /= 1024
            unit += 1
        }
        if unit == 0 { return "\(count) B" }
        let tenths = Int((value * 10).rounded())
        return "\(tenths / 10).\(tenths % 10) \(units[unit])"
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
