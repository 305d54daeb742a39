import Coordinator
import Program
import Runtime
import Tensor

/// Measures kernels as programs run them: compiled, sent to a worker and run by its executor.
///
/// A program is a chain of equal operations; its best call less the best empty call, over their number, is the time of
/// one. Every figure has workers of its own, so that memory does not fill with the weights of others.
public struct KernelBench: Sendable {
    private let workers: any BenchWorkers
    private let runs: Int
    private let progress: @Sendable (String) -> Void

    /// Makes a benchmark; every figure is the best of so many runs.
    public init(workers: any BenchWorkers, runs: Int, progress: @escaping @Sendable (String) -> Void = { _ in }) {
        precondition(runs >= 1, "a figure has at least one run")
        self.workers = workers
        self.runs = runs
        self.progress = progress
    }

    /// Weights that a chain of products reads have at least so many bytes: twice the cache of a common server core.
    private static let weightBytes = 64 << 20

    /// Matrix products, held against the arithmetic units.
    public func products(_ cases: [ProductCase], threads: [Int]) async throws -> [BenchReport.Figure] {
        var figures: [BenchReport.Figure] = []
        for product in cases {
            for count in threads { figures.append(try await self.product(product, threads: count, isMemory: false)) }
        }
        return figures
    }

    /// Products of few rows, held against the memory that the weights come from, or against the arithmetic units where
    /// these take longer for as many bytes.
    public func rows(_ cases: [ProductCase], threads: [Int]) async throws -> [BenchReport.Figure] {
        var figures: [BenchReport.Figure] = []
        for product in cases {
            for count in threads { figures.append(try await self.product(product, threads: count, isMemory: true)) }
        }
        return figures
    }

    private func product(
        _ product: ProductCase, threads: Int, isMemory: Bool
    ) async throws -> BenchReport.Figure {
        let count = max(2, (isMemory ? 4 : 1) * Self.weightBytes / product.weightBytes)
        let program = CalibrationPrograms.rectangularProducts(
            product.arithmetic == .f32 ? .f32 : .bf16, rows: product.rows, depth: product.depth,
            columns: product.columns, count: min(count, 64), isInt8: product.arithmetic == .int8)
        let (operations, bytes) = (Double(product.operations), Double(product.weightBytes))
        let arithmetic = product.arithmetic
        let (seconds, limit) = try await measure(
            product.description, program, count: min(count, 64), threads: threads
        ) {
            guard isMemory else { return await Limits.arithmetic(arithmetic, threads: threads) }
            return await Limits.weights(arithmetic, operationsPerByte: operations / bytes, threads: threads)
        }
        let isInteger = product.arithmetic == .int8
        var details =
            isMemory
            ? ["operationsPerSecond": operations / seconds.best] : ["weightBytesPerSecond": bytes / seconds.best]
        if isMemory, let reads = await Limits.memory(threads: threads) {
            details["ofMemoryReads"] = bytes / seconds.best / reads.value
            let units = await Limits.arithmetic(arithmetic, threads: threads)
            details["ofArithmetic"] = operations / seconds.best / units.value
        }
        return BenchReport.Figure(
            subject: product.description, threads: threads, value: (isMemory ? bytes : operations) / seconds.best,
            unit: isMemory ? "B/s" : isInteger ? "OP/s" : "FLOP/s", seconds: seconds, limit: limit, details: details)
    }

    /// Attention, held against multiply-adds of its operands' type.
    public func attention(_ cases: [AttentionCase], threads: [Int]) async throws -> [BenchReport.Figure] {
        var figures: [BenchReport.Figure] = []
        for attention in cases {
            let program = CalibrationPrograms.attentions(
                attention.dtype, queries: attention.queries, keys: attention.keys, heads: attention.heads,
                headSize: attention.headSize, count: 8)
            for threads in threads {
                let (seconds, limit) = try await measure(attention.description, program, count: 8, threads: threads) {
                    await Limits.arithmetic(attention.dtype == .bf16 ? .bf16 : .f32, threads: threads)
                }
                figures.append(
                    BenchReport.Figure(
                        subject: attention.description, threads: threads,
                        value: Double(attention.operations) / seconds.best, unit: "FLOP/s", seconds: seconds,
                        limit: limit))
            }
        }
        return figures
    }

    /// Normalisation, gelu and addition of `rows` rows, held against memory; each reads one value and writes one, and
    /// the addition reads two.
    public func pointwise(rows: Int, columns: Int, threads: [Int]) async throws -> [BenchReport.Figure] {
        let elements = rows * columns
        let programs: [(String, Program, Int)] = [
            ("bf16 layer norm", CalibrationPrograms.normalizations(.bf16, rows: rows, columns: columns, count: 8), 4),
            ("bf16 gelu", CalibrationPrograms.gelus(.bf16, elements: elements, count: 8), 4),
            // A value added to itself is read once.
            ("f32 addition", CalibrationPrograms.additions(elements: elements, count: 8), 8),
        ]
        var figures: [BenchReport.Figure] = []
        for (name, program, bytes) in programs {
            for threads in threads {
                let subject = "\(name) \(rows) x \(columns)"
                let (seconds, limit) = try await measure(subject, program, count: 8, threads: threads) {
                    await Limits.memory(threads: threads)
                }
                figures.append(
                    BenchReport.Figure(
                        subject: subject, threads: threads, value: Double(bytes * elements) / seconds.best, unit: "B/s",
                        seconds: seconds, limit: limit))
            }
        }
        return figures
    }

    /// Seconds of one of `count` equal operations, and the better of the limits measured before and after.
    private func measure(
        _ subject: String, _ program: Program, count: Int, threads: Int,
        limit: @escaping @Sendable () async -> BenchReport.Limit?
    ) async throws -> (BenchReport.Seconds, BenchReport.Limit?) {
        progress("\(subject), \(threads) \(threads == 1 ? "thread" : "threads")")
        let runs = runs
        return try await workers.with(WorkerGroup(threads: threads)) { cluster in
            let timer = ProgramTimer(target: cluster, deviceCount: 1, callCount: runs)
            let empty = try await timer.times("bench.empty", CalibrationPrograms.empty).slowest.first ?? 0
            let before = await limit()
            let times = try await timer.times("bench.subject", program).slowest
            let after = await limit()
            let net = times.map { ($0 - empty) / Double(count) }
            guard net.allSatisfy({ $0 > 0 }) else { throw CalibrationError.tooShort(subject: subject, worker: "bench") }
            return (BenchReport.Seconds(net), Limits.best(before, after))
        }
    }
}
