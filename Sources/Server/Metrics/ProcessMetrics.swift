import Foundation
import Glibc

/// Metrics of the coordinator's process, under the names that Prometheus' client libraries use.
enum ProcessMetrics {
    /// All that the system tells.
    static var gauges: [Metrics.Gauge] {
        var gauges: [Metrics.Gauge] = []
        func add(_ name: String, _ help: String, _ value: Double?, isCounter: Bool = false) {
            guard let value else { return }
            gauges.append(
                Metrics.Gauge(name: "process_\(name)", help: help, values: [([:], value)], isCounter: isCounter))
        }
        let (ticks, page) = (Double(sysconf(Int32(_SC_CLK_TCK))), Double(sysconf(Int32(_SC_PAGESIZE))))
        // proc(5): fields behind the name in parentheses, from the third on.
        let fields = text("/proc/self/stat").split(separator: ")").last?.split(separator: " ").map(String.init) ?? []
        func field(_ number: Int) -> Double? { number - 3 < fields.count ? Double(fields[number - 3]) : nil }
        if let user = field(14), let system = field(15) {
            add("cpu_seconds_total", "Processor time of the coordinator.", (user + system) / ticks, isCounter: true)
        }
        add("resident_memory_bytes", "Bytes of the coordinator that are in memory.", field(24).map { $0 * page })
        let boot = text("/proc/stat").split(separator: "\n").first { $0.hasPrefix("btime ") }
            .flatMap { Double($0.dropFirst(6)) }
        if let boot, let start = field(22) {
            add("start_time_seconds", "When the coordinator started, in seconds since 1970.", boot + start / ticks)
        }
        let open = try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count
        add("open_fds", "Open files and connections of the coordinator.", open.map(Double.init))
        return gauges
    }

    private static func text(_ path: String) -> String {
        (try? String(contentsOfFile: path, encoding: .utf8)) ?? ""
    }
}
