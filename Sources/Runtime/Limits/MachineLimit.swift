import CKernels
import Glibc

/// What this machine does at most, measured: what the speed of kernels is held against.
///
/// Each is the best of several short runs on all given threads at once, so that another process on the machine does not
/// count against it for long.
public enum MachineLimit {
    /// Which arithmetic.
    public enum Arithmetic: String, Sendable, Hashable, CaseIterable {
        /// Products of bf16 summed in f32.
        case bf16
        /// Fused multiply-adds of f32.
        case f32
        /// Products of int8 summed in i32.
        case int8

        /// The instructions that are run: "AMX-BF16", "AVX512-BF16", "AVX-512 FMA" and so on.
        public var instructions: String { String(cString: tk_limit_name(tk_best_isa(), limit)) }

        fileprivate var limit: tk_limit {
            switch self {
            case .bf16: TK_LIMIT_BF16
            case .f32: TK_LIMIT_F32
            case .int8: TK_LIMIT_INT8
            }
        }
    }

    /// Operations a second of multiply-adds on registers (each counts as two), on so many threads.
    ///
    /// Takes about 50 milliseconds, all cores of the threads busy.
    public static func operationsPerSecond(_ arithmetic: Arithmetic, threads: Int) -> Double {
        let (isa, limit) = (tk_best_isa(), arithmetic.limit)
        let pool = ThreadPool(threads: threads)
        // As many rounds as take about 5 milliseconds.
        var rounds = 1000
        var best = 0.0
        var repeats = 0
        while repeats < 8 {
            var operations: UInt64 = 0
            let seconds = time {
                pool.parallelFor(threads) { index in
                    let done = tk_limit_run(isa, limit, rounds)
                    if index == 0 { operations = done }
                }
            }
            if seconds < 4e-3 {
                rounds = max(2 * rounds, Int(Double(rounds) * 5e-3 / max(seconds, 1e-6)))
                continue
            }
            best = max(best, Double(operations) * Double(threads) / seconds)
            repeats += 1
        }
        return best
    }

    /// Bytes a second of reading memory on so many threads, each its own part of `byteCount` bytes.
    ///
    /// Caches must hold only a small part of them. Nil where there is no memory for it.
    public static func readBytesPerSecond(threads: Int, byteCount: Int = 256 << 20) -> Double? {
        let part = byteCount / threads / 4096 * 4096
        guard part > 0, let memory = AlignedMemory(byteCount: part * threads) else { return nil }
        // Pages that were never written are all the same page of zeros.
        memset(memory.base, 1, part * threads)
        let isa = tk_best_isa()
        let pool = ThreadPool(threads: threads)
        var best = 0.0
        var sums = [UInt64](repeating: 0, count: threads)
        for _ in 0..<5 {
            let seconds = sums.withUnsafeMutableBufferPointer { sums in
                time { pool.parallelFor(threads) { sums[$0] |= tk_limit_read(isa, memory.base + $0 * part, part) } }
            }
            best = max(best, Double(part * threads) / seconds)
        }
        return sums.contains(0) ? nil : best
    }

    /// Seconds that writing memory takes that the process has just got, on so many threads, each its own part of
    /// `byteCount` bytes; nil where there is no memory for it.
    ///
    /// Most of it is the system's work: pages are found and cleared before they are written.
    public static func firstWriteSeconds(threads: Int, byteCount: Int) -> Double? {
        let part = max(4096, byteCount / threads / 4096 * 4096)
        guard let memory = AlignedMemory(byteCount: part * threads) else { return nil }
        let pool = ThreadPool(threads: threads)
        return time { pool.parallelFor(threads) { _ = memset(memory.base + $0 * part, 1, part) } }
    }

    private static func time(_ body: () -> Void) -> Double {
        let begin = TraceRing.now
        body()
        return Double(TraceRing.now - begin) * 1e-9
    }
}
