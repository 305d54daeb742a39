public import Program
import Protocol
public import Sharding
import Tensor

/// How thorough a calibration is.
public enum CalibrationEffort: Sendable, Hashable {
    /// A few seconds on common machines: figures that tell meshes apart; bf16 and int8 products.
    case quick
    /// A minute: more repetitions, larger products, f32 beside bf16.
    case thorough
}

/// How far a calibration is.
public struct CalibrationProgress: Sendable, Hashable {
    /// Measurements behind us.
    public var done: Int
    /// All measurements.
    public var total: Int
    /// What is measured now.
    public var subject: String
}

/// Why workers could not be measured.
public enum CalibrationError: Error, Sendable, Hashable, CustomStringConvertible {
    /// A measurement is no longer than the call around it.
    case tooShort(subject: String, worker: String)

    /// What, where, what to do.
    public var description: String {
        switch self {
        case .tooShort(let subject, let worker):
            "\(subject) took worker \(worker) no measurable time; its machine is too busy or its clock too coarse: try "
                + "again without --quick"
        }
    }
}

/// Runs programs on devices and says how long each took: what a calibration needs of a cluster.
public protocol CalibrationTarget: Sendable {
    /// Installs a program, one local program a device; `sources` says where its weights come from.
    func prepare(_ key: String, locals: [LocalProgram], sources: [String: ParameterSource]) async throws
    /// Runs it; seconds by device, without the way to the worker and back.
    func time(_ key: String) async throws -> [Double]
    /// Frees what it takes.
    func drop(_ key: String) async
}

extension Cluster: CalibrationTarget {
    /// Installs a program on all workers.
    public func prepare(_ key: String, locals: [LocalProgram], sources: [String: ParameterSource]) async throws {
        try await install(key, locals: locals, sources: sources)
    }

    /// Runs it under a request of its own; seconds on each worker.
    public func time(_ key: String) async throws -> [Double] {
        let request = UInt64(key.utf8.reduce(7) { ($0 &* 31 &+ Int($1)) & 0xFFFF_FFFF }) | 1 << 62
        let report = try await call(key, request: request, inputs: [:])
        release(request: request)
        return report.durations.map {
            Double($0.components.seconds) + Double($0.components.attoseconds) * 1e-18
        }
    }

    /// Takes it off all workers.
    public func drop(_ key: String) { uninstall(key) }
}

/// Measures workers and links with the programs of ``CalibrationPrograms``.
///
/// All workers compute at the same time, as they do when they make a picture, and all pairs that can swap at once do. Every
/// figure is the best of several calls, timed on the worker, less what a call with nothing to do takes there.
public struct Calibration: Sendable {
    private let target: any CalibrationTarget
    private let workers: [String]
    private let threads: [Int]
    private let effort: CalibrationEffort
    private let progress: @Sendable (CalibrationProgress) -> Void

    /// A calibration of workers with these names and numbers of threads, by rank.
    public init(
        target: any CalibrationTarget, workers: [String], threads: [Int], effort: CalibrationEffort,
        progress: @escaping @Sendable (CalibrationProgress) -> Void = { _ in }
    ) {
        precondition(workers.count == threads.count && !workers.isEmpty, "each worker has a number of threads")
        self.target = target
        self.workers = workers
        self.threads = threads
        self.effort = effort
        self.progress = progress
    }

    /// A matrix product to measure.
    private struct Shape {
        var precision: MachineProfile.Precision
        var rows: Int
        var size: Int
        var count: Int
    }

    private var shapes: [Shape] {
        let isQuick = effort == .quick
        return (isQuick ? [MachineProfile.Precision.bf16, .int8] : [.bf16, .int8, .f32]).flatMap { precision in
            [
                Shape(precision: precision, rows: 1, size: 2048, count: isQuick ? 3 : 8),
                Shape(precision: precision, rows: 64, size: 512, count: isQuick ? 8 : 16),
                Shape(precision: precision, rows: 512, size: 1024, count: isQuick ? 4 : 8),
                Shape(precision: precision, rows: 512, size: 2048, count: isQuick ? 3 : 8),
            ]
        }
    }

    private var callCount: Int { effort == .quick ? 3 : 7 }

    /// Measures everything.
    ///
    /// - Throws: ``CalibrationError``, what the target throws (``ClusterError``), `CancellationError`.
    public func run() async throws -> MachineProfile {
        let rounds = CalibrationPrograms.rounds(workers.count)
        var steps = Steps(total: shapes.count + 5 + 2 * rounds.count, progress: progress)
        steps.begin("calls")
        let empty = try await best("empty", CalibrationPrograms.additions(elements: 1024, count: 1))
        steps.begin("instructions")
        let instructions = try await net(
            "instructions", CalibrationPrograms.additions(elements: 1024, count: 257), empty, per: 256)
        var rates: [[MachineProfile.MatrixRate]] = workers.map { _ in [] }
        for shape in shapes {
            let name = "\(shape.precision.rawValue) products \(shape.rows) x \(shape.size) x \(shape.size)"
            steps.begin(name)
            let program = CalibrationPrograms.products(
                shape.precision, rows: shape.rows, size: shape.size, count: shape.count)
            let seconds = try await net(name, program, empty, per: Double(shape.count))
            let flops = 2 * Double(shape.rows) * Double(shape.size) * Double(shape.size)
            for rank in workers.indices {
                rates[rank].append(
                    .init(
                        precision: shape.precision, rows: shape.rows, depth: shape.size, columns: shape.size,
                        rate: flops / seconds[rank]))
            }
        }
        steps.begin("attention")
        let attention = try await net(
            "attention", CalibrationPrograms.attentions(.bf16, tokens: 256, count: 4), empty, per: 4)
        steps.begin("gelu")
        let gelu = try await net("gelu", CalibrationPrograms.gelus(.bf16, elements: 1 << 20, count: 4), empty, per: 4)
        steps.begin("memory")
        // 64 MiB in and out: more than caches hold.
        let elements = effort == .quick ? 4 << 20 : 16 << 20
        let memory = try await net(
            "memory", CalibrationPrograms.additions(elements: elements, count: 4), empty, per: 4)
        let machines = workers.indices.map { rank in
            MachineProfile.Worker(
                name: workers[rank], origin: .measured, cores: threads[rank], matrixRates: rates[rank],
                attentionRate: 4.0 * 256 * 256 * 16 * 64 / attention[rank],
                elementRate: Double(1 << 20) / gelu[rank],
                // A value added to itself is read once.
                memoryBandwidth: 8 * Double(elements) / memory[rank], instructionSeconds: instructions[rank])
        }
        var profile = MachineProfile(workers: machines)
        for (index, round) in rounds.enumerated() {
            try await measure(round, index, empty, &steps, &profile)
        }
        steps.end()
        return profile
    }

    /// Measures the links of one round, small messages and large ones.
    private func measure(
        _ round: [(Int, Int)], _ index: Int, _ empty: [Double], _ steps: inout Steps, _ profile: inout MachineProfile
    ) async throws {
        let isQuick = effort == .quick
        func swap(_ name: String, byteCount: Int, count: Int) async throws -> [Double] {
            let locals = CalibrationPrograms.swaps(
                round, deviceCount: workers.count, byteCount: byteCount, count: count)
            let key = "calibration.\(name).\(index)"
            try await target.prepare(key, locals: locals, sources: [:])
            let seconds = try await timer.times(key).best
            await target.drop(key)
            return zip(seconds, empty).map { max(0, $0 - $1) / Double(count) }
        }
        // Both ends time the same swaps.
        func mean(_ seconds: [Double], _ pair: (Int, Int)) -> Double { (seconds[pair.0] + seconds[pair.1]) / 2 }
        steps.begin("latency, round \(index + 1)")
        let small = try await swap("latency", byteCount: 64, count: isQuick ? 32 : 128)
        let latencies = round.map { max(1e-7, mean(small, $0)) }
        steps.begin("bandwidth, round \(index + 1)")
        var byteCount = isQuick ? 1 << 20 : 4 << 20
        var large = try await swap("bandwidth.\(byteCount)", byteCount: byteCount, count: isQuick ? 4 : 8)
        // A message that takes no longer than an empty one tells nothing: on fast links, and on machines that are busy
        // with something else, only larger ones do.
        func isTelling() -> Bool { zip(round, latencies).allSatisfy { mean(large, $0) > 1.5 * $1 } }
        while !isTelling(), byteCount < Self.maximumMessageByteCount {
            byteCount *= 4
            large = try await swap("bandwidth.\(byteCount)", byteCount: byteCount, count: isQuick ? 4 : 8)
        }
        for (pair, latency) in zip(round, latencies) {
            let seconds = mean(large, pair) - latency
            guard seconds > 0 else {
                throw CalibrationError.tooShort(subject: "a message of \(byteCount) bytes", worker: workers[pair.0])
            }
            let link = MachineProfile.Link(
                latency: latency, bandwidth: Double(byteCount) / seconds, origin: .measured)
            profile[pair.0, pair.1] = link
            profile[pair.1, pair.0] = link
        }
    }

    /// The largest message that a link is measured with: 64 MiB.
    private static let maximumMessageByteCount = 64 << 20

    // MARK: Timing

    /// Seconds of one of `count` equal operations, by rank: the best call less the best empty one.
    private func net(
        _ name: String, _ program: Program, _ empty: [Double], per count: Double
    ) async throws -> [Double] {
        let seconds = try await best(name, program)
        return try workers.indices.map { rank in
            let net = seconds[rank] - empty[rank]
            guard net > 0 else { throw CalibrationError.tooShort(subject: name, worker: workers[rank]) }
            return net / count
        }
    }

    /// Compiles a program so that every device runs all of it, installs it and times it.
    private func best(_ name: String, _ program: Program) async throws -> [Double] {
        try await timer.times("calibration.\(name)", program).best
    }

    private var timer: ProgramTimer {
        ProgramTimer(target: target, deviceCount: workers.count, callCount: callCount)
    }

    /// Counts measurements.
    private struct Steps {
        var done = -1
        let total: Int
        let progress: @Sendable (CalibrationProgress) -> Void

        init(total: Int, progress: @escaping @Sendable (CalibrationProgress) -> Void) {
            self.total = total
            self.progress = progress
        }

        mutating func begin(_ subject: String) {
            done += 1
            progress(CalibrationProgress(done: done, total: total, subject: subject))
        }

        func end() { progress(CalibrationProgress(done: total, total: total, subject: "done")) }
    }
}
