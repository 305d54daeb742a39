import Dispatch
public import Runtime

/// The limits of this machine, measured when they are asked for: around every figure, because a shared machine's speed
/// moves from minute to minute.
public enum Limits {
    /// Multiply-adds of so many threads.
    public static func arithmetic(_ kind: MachineLimit.Arithmetic, threads: Int) async -> BenchReport.Limit {
        let value = await offPool { MachineLimit.operationsPerSecond(kind, threads: threads) }
        return BenchReport.Limit(
            name: "\(kind.instructions) on registers, \(Self.threads(threads))", value: value)
    }

    /// Reading memory with so many threads; nil where there is no memory to read.
    public static func memory(threads: Int) async -> BenchReport.Limit? {
        let value = await offPool { MachineLimit.readBytesPerSecond(threads: threads) }
        return value.map { BenchReport.Limit(name: "memory reads, \(Self.threads(threads))", value: $0) }
    }

    /// Bytes of weights that so many threads can read and multiply a second, at so many operations for each: the lower one
    /// of what memory and what the arithmetic units allow; nil where there is no memory to read.
    public static func weights(
        _ kind: MachineLimit.Arithmetic, operationsPerByte: Double, threads: Int
    ) async -> BenchReport.Limit? {
        guard let memory = await memory(threads: threads) else { return nil }
        var arithmetic = await arithmetic(kind, threads: threads)
        arithmetic.value /= operationsPerByte
        return memory.value <= arithmetic.value ? memory : arithmetic
    }

    /// Writing as much fresh memory with so many threads, once; nil where there is none.
    public static func firstWrite(byteCount: Int, threads: Int) async -> BenchReport.Limit? {
        let seconds = await offPool { MachineLimit.firstWriteSeconds(threads: threads, byteCount: byteCount) }
        return seconds.map {
            BenchReport.Limit(
                name: "first writing of as much memory, \(Self.threads(threads))", value: Double(byteCount) / $0)
        }
    }

    /// Two threads that swap messages of `byteCount` bytes over loopback TCP.
    public static func loopback(byteCount: Int) async -> BenchReport.Limit? {
        let seconds = await offPool { LoopbackLimit.swapSeconds(byteCount: byteCount, count: 24) }
        return seconds.map {
            BenchReport.Limit(name: "messages swapped over plain loopback TCP, each way", value: Double(byteCount) / $0)
        }
    }

    /// The better of two measurements of one limit.
    static func best(_ a: BenchReport.Limit?, _ b: BenchReport.Limit?) -> BenchReport.Limit? {
        guard let a, let b else { return a ?? b }
        return a.value >= b.value ? a : b
    }

    private static func threads(_ count: Int) -> String { count == 1 ? "1 thread" : "\(count) threads" }

    /// Runs what keeps cores busy where it does not hold up tasks.
    private static func offPool<Result: Sendable>(_ body: @escaping @Sendable () -> Result) async -> Result {
        await withCheckedContinuation { continuation in
            DispatchQueue.global(qos: .userInitiated).async { continuation.resume(returning: body()) }
        }
    }
}
