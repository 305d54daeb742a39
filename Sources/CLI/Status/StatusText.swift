import Foundation
import Sharding

/// A server's status in words: once, or as a screen with what happened since the last look.
enum StatusText {
    /// Some lines for `tessera status`.
    static func once(_ status: ServerStatus) -> String {
        var lines = ["\(status.model ?? "tessera") at \(status.url): \(status.state)"]
        if let reason = status.reason { lines.append("  \(reason)") }
        lines.append("  \(queue(status))")
        guard status.sample != nil else {
            return (lines + ["  show an API key (TESSERA_API_KEY, --api-key-file) to see workers and counts"])
                .joined(separator: "\n")
        }
        lines.append("  \(orders(status))")
        if let mesh = status.mesh { lines.append("  mesh \(mesh)") }
        for worker in status.workers {
            var parts = ["\(worker.name): \(worker.isReady ? "ready" : "not ready")", "\(Int(worker.calls)) calls"]
            if let held = worker.heldBytes { parts.append("\(PlanReport.bytes(Int(held))) of weights and buffers") }
            if let restarts = worker.restarts, restarts > 0 { parts.append("started anew \(Int(restarts)) times") }
            lines.append("  " + parts.joined(separator: ", "))
        }
        return lines.joined(separator: "\n")
    }

    /// A screen of at most so many lines and columns; rates need an earlier look.
    static func screen(_ status: ServerStatus, since earlier: ServerStatus?, columns: Int, rows: Int) -> [String] {
        var lines = ["\(status.model ?? "tessera") at \(status.url)  \(status.state.uppercased())"]
        if let reason = status.reason { lines.append(reason) }
        let steps = rate(status, earlier) { $0.sample?.sum("tessera_step_duration_seconds_count") }
        let pictures = rate(status, earlier) { $0.sample?.sum("tessera_pictures_total") }.map { $0 * 60 }
        lines.append("steps/s \(number(steps))   pictures/min \(number(pictures))   \(queue(status))")
        if let sample = status.sample {
            lines.append(orders(status))
            let wait = times(sample, "tessera_queue_duration_seconds")
            let paint = times(sample, "tessera_request_duration_seconds")
            lines.append("queue \(wait)   order \(paint)   (half, 95 % within)")
            if let mesh = status.mesh { lines.append("mesh \(mesh)") }
            lines.append("")
            lines += table(status, earlier, rows: max(1, rows - lines.count - 3))
        } else {
            lines += ["", "show an API key (TESSERA_API_KEY, --api-key-file) to see workers and counts"]
        }
        return lines.prefix(max(1, rows)).map { String($0.prefix(columns)) }
    }

    private static func table(_ status: ServerStatus, _ earlier: ServerStatus?, rows: Int) -> [String] {
        let before = Dictionary(
            (earlier?.workers ?? []).map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
        let seconds = earlier.map { (status.time - $0.time) / .seconds(1) } ?? 0
        func change(_ worker: ServerStatus.Worker, _ value: (ServerStatus.Worker) -> Double?) -> Double? {
            guard seconds > 0, let old = before[worker.name].flatMap(value), let new = value(worker), new >= old else {
                return nil
            }
            return (new - old) / seconds
        }
        var table = [["WORKER", "STATE", "CALLS", "CALLS/S", "COMPUTE", "EXCHANGE", "SENT/S", "MEMORY"]]
        for worker in status.workers.prefix(rows) {
            table.append([
                worker.name, worker.isReady ? "ready" : "not ready", "\(Int(worker.calls))",
                number(change(worker, \.calls)), share(change(worker, \.computeSeconds)),
                share(change(worker, \.collectiveSeconds)),
                change(worker, \.sentBytes).map { PlanReport.bytes(Int($0)) } ?? "–",
                (worker.heldBytes ?? worker.residentBytes).map { PlanReport.bytes(Int($0)) } ?? "–",
            ])
        }
        let widths = table[0].indices.map { column in table.map { $0[column].count }.max() ?? 0 }
        var lines = table.map { row in
            row.enumerated().map { index, cell in
                let padding = String(repeating: " ", count: widths[index] - cell.count)
                return index < 2 ? cell + padding : padding + cell
            }.joined(separator: "  ")
        }
        if status.workers.count > rows { lines.append("and \(status.workers.count - rows) more workers") }
        return lines
    }

    private static func queue(_ status: ServerStatus) -> String {
        let age = status.lastProgressSeconds.map { ", last step \(number($0)) s ago" } ?? ""
        return "\(status.waiting) waiting, \(status.running) running\(age)"
    }

    private static func orders(_ status: ServerStatus) -> String {
        let orders = status.orders
        let words = ["completed", "failed", "cancelled", "refused"].map { "\(Int(orders[$0] ?? 0)) \($0)" }
        return "orders: \(words.joined(separator: ", "))"
    }

    private static func times(_ sample: MetricsSample, _ name: String) -> String {
        guard let half = sample.quantile(0.5, of: name), let most = sample.quantile(0.95, of: name) else { return "–" }
        return "\(number(half)) s, \(number(most)) s"
    }

    private static func rate(
        _ status: ServerStatus, _ earlier: ServerStatus?, _ value: (ServerStatus) -> Double?
    ) -> Double? {
        guard let earlier, let new = value(status), let old = value(earlier), new >= old else { return nil }
        let seconds = (status.time - earlier.time) / .seconds(1)
        return seconds > 0 ? (new - old) / seconds : nil
    }

    private static func number(_ value: Double?) -> String {
        guard let value else { return "–" }
        return value < 100 ? String(format: "%.1f", value) : "\(Int(value.rounded()))"
    }

    private static func share(_ value: Double?) -> String { value.map { "\(Int(($0 * 100).rounded())) %" } ?? "–" }
}
