import Tensor

/// What the workers of a cluster and the links between them can do: measured by `tessera calibrate`, or assumed.
///
/// Workers are numbered; a plan for some of them takes ``selecting(_:)``. Rates are what all of a worker's threads do
/// together while the other workers are busy too.
public struct MachineProfile: Sendable, Hashable {
    /// Where a figure comes from.
    public enum Origin: String, Sendable, Hashable, CaseIterable {
        /// Typical of common machines, on the low side; see ``MachineProfile/Worker/assumed(name:cores:speed:)``.
        case assumed
        /// The cluster file says so.
        case configured
        /// Measured on the machine.
        case measured
    }

    /// What a matrix product multiplies.
    public enum Precision: String, Sendable, Hashable, CaseIterable {
        /// bf16 values and weights.
        case bf16
        /// f32 values and weights.
        case f32
        /// bf16 values that are quantised on the way, and weights that were quantised when they were loaded.
        case int8

        /// Bytes of one weight.
        public var byteCount: Int {
            switch self {
            case .bf16: DType.bf16.byteCount
            case .f32: DType.f32.byteCount
            case .int8: 1
            }
        }
    }

    /// How fast matrix products of one shape are.
    public struct MatrixRate: Sendable, Hashable {
        /// What is multiplied.
        public var precision: Precision
        /// Rows of the left operand.
        public var rows: Int
        /// Contracted elements (K).
        public var depth: Int
        /// Columns of the result (N).
        public var columns: Int
        /// Floating-point operations a second; a multiply-add counts as two.
        public var rate: Double

        /// Makes an entry.
        public init(precision: Precision, rows: Int, depth: Int, columns: Int, rate: Double) {
            self.precision = precision
            self.rows = rows
            self.depth = depth
            self.columns = columns
            self.rate = rate
        }
    }

    /// What one worker can do.
    public struct Worker: Sendable, Hashable {
        /// Name in the cluster file.
        public var name: String
        /// Where the figures come from.
        public var origin: Origin
        /// Compute threads.
        public var cores: Int
        /// Rates of matrix products at a few shapes; a shape between them gets a rate between theirs.
        public var matrixRates: [MatrixRate]
        /// Floating-point operations a second in fused attention.
        public var attentionRate: Double
        /// Elements a second of a point-wise function with a transcendental (gelu).
        public var elementRate: Double
        /// Bytes a second that streaming kernels read and write.
        public var memoryBandwidth: Double
        /// Seconds that an instruction takes however little it does.
        public var instructionSeconds: Double

        /// Makes a worker.
        public init(
            name: String, origin: Origin, cores: Int, matrixRates: [MatrixRate], attentionRate: Double,
            elementRate: Double, memoryBandwidth: Double, instructionSeconds: Double
        ) {
            self.name = name
            self.origin = origin
            self.cores = cores
            self.matrixRates = matrixRates
            self.attentionRate = attentionRate
            self.elementRate = elementRate
            self.memoryBandwidth = memoryBandwidth
            self.instructionSeconds = instructionSeconds
        }
    }

    /// One direction between two workers; the other direction may be used at the same time without loss.
    public struct Link: Sendable, Hashable {
        /// Seconds from a send to the arrival of a message without content.
        public var latency: Double
        /// Bytes a second.
        public var bandwidth: Double
        /// Where the figures come from.
        public var origin: Origin

        /// Makes a link.
        public init(latency: Double, bandwidth: Double, origin: Origin) {
            self.latency = latency
            self.bandwidth = bandwidth
            self.origin = origin
        }

        /// Gigabit Ethernet with the payload rate of TCP, and a round through two user-space stacks.
        public static let ethernet = Link(latency: 100e-6, bandwidth: 117e6, origin: .assumed)

        /// Seconds that a message of so many bytes takes on an idle link.
        public func seconds(_ byteCount: Int) -> Double { latency + Double(byteCount) / bandwidth }
    }

    /// By number.
    public private(set) var workers: [Worker]
    private var links: [Link]

    /// Makes a profile in which all links are alike.
    public init(workers: [Worker], link: Link = .ethernet) {
        self.workers = workers
        links = Array(repeating: link, count: workers.count * workers.count)
    }

    /// The link from one worker to another, by their numbers.
    public subscript(from: Int, to: Int) -> Link {
        get { links[from * workers.count + to] }
        set { links[from * workers.count + to] = newValue }
    }

    /// The profile of some workers, renumbered in this order.
    public func selecting(_ numbers: [Int]) -> MachineProfile {
        var result = MachineProfile(workers: numbers.map { workers[$0] })
        for (i, from) in numbers.enumerated() {
            for (j, to) in numbers.enumerated() { result[i, j] = self[from, to] }
        }
        return result
    }

    /// What the compiler weighs rounds of messages with: the slowest of the links that connect these workers.
    ///
    /// - Returns: ``LinkCosts/ethernet``, the compiler's own choice, for a single worker and where all links are assumed.
    public var linkCosts: LinkCosts {
        guard links.contains(where: { $0.origin != .assumed }) else { return .ethernet }
        var costs: LinkCosts?
        for from in workers.indices {
            for to in workers.indices where to != from {
                let link = self[from, to]
                costs = LinkCosts(
                    latency: max(costs?.latency ?? 0, link.latency),
                    bandwidth: min(costs?.bandwidth ?? .infinity, link.bandwidth))
            }
        }
        return costs ?? .ethernet
    }

    /// True where every figure was measured.
    public var isMeasured: Bool {
        workers.allSatisfy { $0.origin == .measured }
            && workers.indices.allSatisfy { from in
                workers.indices.allSatisfy { from == $0 || self[from, $0].origin == .measured }
            }
    }
}

extension MachineProfile.Worker {
    /// A machine that nobody measured, on the low side of what is common in 2020s servers and desktops.
    ///
    /// Per core: 40 GFLOP/s in large products (AVX2 at 3 GHz gives 96 at its peak, the kernels' half of it with memory in
    /// the way), 20 in small ones, half as much again in int8, 10 in attention, 200 million gelus a second. Per worker:
    /// 10 GB/s of memory bandwidth (one DDR4 channel shared with a neighbour), which products with few rows are bound by,
    /// and 5 µs an instruction.
    ///
    /// - Parameter speed: relative to that.
    public static func assumed(name: String, cores: Int, speed: Double = 1) -> MachineProfile.Worker {
        let core = Double(cores) * speed * 1e9
        let bandwidth = 10e9 * speed
        let rates = MachineProfile.Precision.allCases.flatMap { precision in
            let factor = precision == .int8 ? 1.5 : 1
            return [
                // Two operations for each weight that is read.
                MachineProfile.MatrixRate(
                    precision: precision, rows: 1, depth: 2048, columns: 2048,
                    rate: min(20 * core * factor, 2 * bandwidth / Double(precision.byteCount))),
                MachineProfile.MatrixRate(
                    precision: precision, rows: 64, depth: 256, columns: 256, rate: 20 * core * factor),
                MachineProfile.MatrixRate(
                    precision: precision, rows: 512, depth: 2048, columns: 2048, rate: 40 * core * factor),
            ]
        }
        return MachineProfile.Worker(
            name: name, origin: .assumed, cores: cores, matrixRates: rates, attentionRate: 10 * core,
            elementRate: 0.2 * core, memoryBandwidth: bandwidth, instructionSeconds: 5e-6)
    }

    /// Floating-point operations a second of a matrix product `[rows, depth] x [depth, columns]`.
    ///
    /// The measured shapes' rates, weighted by the inverse square of their distance in powers of two ("A two-dimensional
    /// interpolation function for irregularly-spaced data", Shepard 1968); those of another precision where none of
    /// this one was measured.
    public func matrixRate(
        _ precision: MachineProfile.Precision, rows: Int, depth: Int, columns: Int
    ) -> Double {
        var known = matrixRates.filter { $0.precision == precision }
        if known.isEmpty { known = matrixRates.filter { $0.precision == (precision == .int8 ? .bf16 : .f32) } }
        if known.isEmpty { known = matrixRates }
        var (sum, weights) = (0.0, 0.0)
        for entry in known {
            let distances = [(rows, entry.rows), (depth, entry.depth), (columns, entry.columns)].map {
                Self.log2($0.0) - Self.log2($0.1)
            }
            let square = distances.reduce(0) { $0 + $1 * $1 }
            if square < 1e-9 { return entry.rate }
            sum += entry.rate / square
            weights += 1 / square
        }
        return weights > 0 ? sum / weights : 1e9
    }

    /// Binary logarithm, linear between powers of two.
    private static func log2(_ value: Int) -> Double {
        let value = Double(max(1, value))
        return Double(value.exponent) + value.significand - 1
    }
}
