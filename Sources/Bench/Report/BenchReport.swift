/// What a benchmark found, as people read it and as one JSON document (docs/performance.md describes the keys).
public struct BenchReport: Sendable, Hashable, Codable {
    /// Version of the document; raised when a key changes its meaning.
    public static let currentSchema = 1

    /// Version of the document.
    public var schema = BenchReport.currentSchema
    /// Which benchmark: "matmul", "rows" and so on.
    public var benchmark: String
    /// Version of the program.
    public var version: String
    /// Level of instructions that kernels run at.
    public var instructionSet: String
    /// Cores that this process may use.
    public var cores: Int
    /// What was measured, in order.
    public var figures: [Figure] = []
    /// What the reader should know: what could not be measured, and why.
    public var notes: [String] = []

    /// A report without figures.
    public init(benchmark: String, version: String, instructionSet: String, cores: Int) {
        self.benchmark = benchmark
        self.version = version
        self.instructionSet = instructionSet
        self.cores = cores
    }

    /// One measurement beside its limit.
    public struct Figure: Sendable, Hashable, Codable {
        /// What ran: "bf16 512 x 2048 x 8192".
        public var subject: String
        /// Workers.
        public var workers: Int
        /// Threads of each.
        public var threads: Int
        /// The best run's speed, in ``unit``.
        public var value: Double
        /// "FLOP/s", "OP/s", "B/s".
        public var unit: String
        /// Seconds of one operation.
        public var seconds: Seconds
        /// What the machine does at most, measured before and after; nil where there is no such figure.
        public var limit: Limit?
        /// More numbers by name; units are in the names.
        public var details: [String: Double] = [:]
        /// Where each worker's time went, by rank; only for whole steps and pictures.
        public var split: [Split]?

        /// Speed over the limit.
        public var ratio: Double? { limit.map { value / $0.value } }

        /// Makes a figure.
        public init(
            subject: String, workers: Int = 1, threads: Int, value: Double, unit: String, seconds: Seconds,
            limit: Limit? = nil, details: [String: Double] = [:], split: [Split]? = nil
        ) {
            self.subject = subject
            self.workers = workers
            self.threads = threads
            self.value = value
            self.unit = unit
            self.seconds = seconds
            self.limit = limit
            self.details = details
            self.split = split
        }

        private enum CodingKeys: String, CodingKey {
            case subject, workers, threads, value, unit, seconds, limit, ratio, details, split
        }

        /// Reads a figure; the ratio follows from the rest.
        public init(from decoder: any Decoder) throws {
            let keys = try decoder.container(keyedBy: CodingKeys.self)
            subject = try keys.decode(String.self, forKey: .subject)
            workers = try keys.decode(Int.self, forKey: .workers)
            threads = try keys.decode(Int.self, forKey: .threads)
            value = try keys.decode(Double.self, forKey: .value)
            unit = try keys.decode(String.self, forKey: .unit)
            seconds = try keys.decode(Seconds.self, forKey: .seconds)
            limit = try keys.decodeIfPresent(Limit.self, forKey: .limit)
            details = try keys.decode([String: Double].self, forKey: .details)
            split = try keys.decodeIfPresent([Split].self, forKey: .split)
        }

        /// Writes a figure, its ratio included.
        public func encode(to encoder: any Encoder) throws {
            var keys = encoder.container(keyedBy: CodingKeys.self)
            try keys.encode(subject, forKey: .subject)
            try keys.encode(workers, forKey: .workers)
            try keys.encode(threads, forKey: .threads)
            try keys.encode(value, forKey: .value)
            try keys.encode(unit, forKey: .unit)
            try keys.encode(seconds, forKey: .seconds)
            try keys.encodeIfPresent(limit, forKey: .limit)
            try keys.encodeIfPresent(ratio, forKey: .ratio)
            try keys.encode(details, forKey: .details)
            try keys.encodeIfPresent(split, forKey: .split)
        }
    }

    /// Seconds of several runs.
    public struct Seconds: Sendable, Hashable, Codable {
        /// How many runs.
        public var runs: Int
        /// The shortest.
        public var best: Double
        /// The middle one.
        public var median: Double
        /// The longest.
        public var worst: Double

        /// Sums up runs; there is at least one.
        public init(_ samples: [Double]) {
            let sorted = samples.sorted()
            precondition(!sorted.isEmpty, "a measurement has at least one run")
            runs = sorted.count
            best = sorted[0]
            median = sorted[sorted.count / 2]
            worst = sorted[sorted.count - 1]
        }

        /// How much longer the longest run took than the shortest, as a part of the shortest.
        public var spread: Double { best > 0 ? worst / best - 1 : 0 }
    }

    /// What the machine does at most.
    public struct Limit: Sendable, Hashable, Codable {
        /// How it was measured: "AVX512-BF16 on registers, 2 threads".
        public var name: String
        /// In the figure's unit.
        public var value: Double

        /// Makes a limit.
        public init(name: String, value: Double) {
            self.name = name
            self.value = value
        }
    }

    /// Where a worker's time went, in seconds.
    public struct Split: Sendable, Hashable, Codable {
        /// The worker.
        public var worker: String
        /// Kernels.
        public var compute: Double
        /// Waiting for peers that had not begun to send.
        public var wait: Double
        /// The rest of exchanges: packing, sending, receiving, combining.
        public var transfer: Double
        /// Calls outside instructions: inputs, outputs, bookkeeping.
        public var other: Double
        /// Between calls: the coordinator and the control link.
        public var idle: Double
        /// Payload bytes sent to peers.
        public var sentBytes: Int

        /// Makes a split.
        public init(
            worker: String, compute: Double, wait: Double, transfer: Double, other: Double, idle: Double, sentBytes: Int
        ) {
            self.worker = worker
            self.compute = compute
            self.wait = wait
            self.transfer = transfer
            self.other = other
            self.idle = idle
            self.sentBytes = sentBytes
        }
    }
}
