import Synchronization

/// Counters and histograms of the service, and their Prometheus text.
public final class Metrics: Sendable {
    /// A metric with its help text; names follow Prometheus' rules (base units, `_total` for counters).
    public struct Family: Sendable, Hashable {
        let name: String
        let help: String
        /// Upper bounds of a histogram's buckets; empty for a counter.
        let bounds: [Double]

        private init(_ name: String, _ help: String, bounds: [Double] = []) {
            self.name = name
            self.help = help
            self.bounds = bounds
        }

        /// Families are told apart by their names.
        public static func == (left: Self, right: Self) -> Bool { left.name == right.name }

        /// As ``==(_:_:)``: help and bounds are not hashed at every count.
        public func hash(into hasher: inout Hasher) { hasher.combine(name) }

        private static let short = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]
        private static let long = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800]

        /// Answers, by `route`, `method` and `status`.
        public static let answers = Self("tessera_http_requests_total", "HTTP requests answered.")
        /// Time from a request's head to the start of its answer, by `route`.
        public static let answerSeconds = Self(
            "tessera_http_request_duration_seconds", "Time from a request's head to the head of its answer.",
            bounds: long)
        /// Orders of all clients by `state`: completed, failed, cancelled, refused.
        public static let orders = Self("tessera_requests_total", "Orders for pictures of all clients, by outcome.")
        /// Time that orders waited.
        public static let queueSeconds = Self(
            "tessera_queue_duration_seconds", "Time that orders waited in the queue.", bounds: long)
        /// Time that orders took once their turn had come.
        public static let paintingSeconds = Self(
            "tessera_request_duration_seconds", "Time that completed orders took after the queue.", bounds: long)
        /// Time of calls of a step program.
        public static let stepSeconds = Self(
            "tessera_step_duration_seconds", "Time of decoding steps, of all pictures of a batch together.",
            bounds: short)
        /// Pictures of calls of a step program.
        public static let batchSize = Self(
            "tessera_batch_size", "Pictures that made a decoding step together.",
            bounds: [1, 2, 3, 4, 6, 8, 12, 16, 32, 64])
        /// Steps of pictures.
        public static let steps = Self("tessera_picture_steps_total", "Decoding steps, counted once a picture.")
        /// Calls of programs by `activity`: text, encode, step, preview, decode, and `result`: ok, error.
        public static let calls = Self("tessera_calls_total", "Calls of programs on the cluster.")
        /// Pictures.
        public static let pictures = Self("tessera_pictures_total", "Pictures made.")

        static let all = [
            answers, answerSeconds, orders, queueSeconds, paintingSeconds, stepSeconds, batchSize, steps, calls,
            pictures,
        ]
    }

    /// A value that is read when it is asked for.
    struct Gauge {
        var name: String
        var help: String
        var values: [(labels: [String: String], value: Double)]
        /// A counter that somebody else counts.
        var isCounter = false
    }

    private struct Histogram {
        var counts: [Int]
        var sum = 0.0
    }

    private struct State {
        var counters: [Family: [String: Int]] = [:]
        var histograms: [Family: [String: Histogram]] = [:]
    }

    /// Label combinations of one metric; more are not counted, so that nobody fills the memory with names.
    private static let seriesLimit = 1000

    private let state = Mutex(State())

    /// Metrics at zero.
    public init() {}

    /// Counts up.
    public func count(_ family: Family, _ labels: [String: String] = [:], by amount: Int = 1) {
        let key = Self.text(labels)
        state.withLock { state in
            // Nothing holds the series while it changes, so it is not copied.
            guard state.counters[family]?[key] != nil || (state.counters[family]?.count ?? 0) < Self.seriesLimit
            else { return }
            state.counters[family, default: [:]][key, default: 0] += amount
        }
    }

    /// Adds a value to a histogram.
    public func observe(_ family: Family, _ value: Double, _ labels: [String: String] = [:]) {
        let key = Self.text(labels)
        let bucket = family.bounds.firstIndex { value <= $0 } ?? family.bounds.count
        state.withLock { state in
            if state.histograms[family]?[key] == nil {
                guard (state.histograms[family]?.count ?? 0) < Self.seriesLimit else { return }
                state.histograms[family, default: [:]][key] = Histogram(
                    counts: [Int](repeating: 0, count: family.bounds.count + 1))
            }
            state.histograms[family]?[key]?.counts[bucket] += 1
            state.histograms[family]?[key]?.sum += value
        }
    }

    /// Everything as Prometheus' text format, version 0.0.4.
    func text(gauges: [Gauge]) -> String {
        let state = state.withLock { $0 }
        var lines: [String] = []
        func head(_ name: String, _ help: String, _ type: String) {
            lines.append("# HELP \(name) \(help)")
            lines.append("# TYPE \(name) \(type)")
        }
        for gauge in gauges {
            head(gauge.name, gauge.help, gauge.isCounter ? "counter" : "gauge")
            for (labels, value) in gauge.values {
                lines.append("\(gauge.name)\(Self.braces(Self.text(labels))) \(Self.number(value))")
            }
        }
        for family in Family.all where family.bounds.isEmpty {
            head(family.name, family.help, "counter")
            for (labels, value) in (state.counters[family] ?? [:]).sorted(by: { $0.key < $1.key }) {
                lines.append("\(family.name)\(Self.braces(labels)) \(value)")
            }
        }
        for family in Family.all where !family.bounds.isEmpty {
            head(family.name, family.help, "histogram")
            for (labels, histogram) in (state.histograms[family] ?? [:]).sorted(by: { $0.key < $1.key }) {
                let prefix = labels.isEmpty ? "" : labels + ","
                var sum = 0
                for (bound, count) in zip(family.bounds.map(Self.number) + ["+Inf"], histogram.counts) {
                    sum += count
                    lines.append("\(family.name)_bucket{\(prefix)le=\"\(bound)\"} \(sum)")
                }
                lines.append("\(family.name)_sum\(Self.braces(labels)) \(Self.number(histogram.sum))")
                lines.append("\(family.name)_count\(Self.braces(labels)) \(sum)")
            }
        }
        return lines.joined(separator: "\n") + "\n"
    }

    private static func braces(_ labels: String) -> String { labels.isEmpty ? "" : "{\(labels)}" }

    private static func number(_ value: Double) -> String {
        value == value.rounded() && abs(value) < 1e15 ? String(Int(value)) : String(value)
    }

    /// `key="value"` pairs in order, escaped.
    private static func text(_ labels: [String: String]) -> String {
        labels.sorted { $0.key < $1.key }.map { key, value in
            let escaped = value.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"").replacing("\n", with: "\\n")
            return "\(key)=\"\(escaped)\""
        }.joined(separator: ",")
    }
}
