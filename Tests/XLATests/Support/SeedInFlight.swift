import Foundation

/// Says which seeds were being tried when the process dies: a trap would otherwise hide its seed.
enum SeedInFlight {
    private static let count = 64
    /// One more than the seed that each thread tries; 0 for none.
    ///
    /// Unsafe because a signal handler reads it, which may neither lock nor allocate.
    nonisolated(unsafe) private static let slots: UnsafeMutablePointer<Int> = {
        let slots = UnsafeMutablePointer<Int>.allocate(capacity: count)
        slots.initialize(repeating: 0, count: count)
        return slots
    }()
    private static let lock = NSLock()

    private static let handler: Void = {
        _ = slots
        for number in [SIGILL, SIGTRAP, SIGSEGV, SIGBUS, SIGABRT] {
            signal(number) { number in
                SeedInFlight.report()
                signal(number, SIG_DFL)
                raise(number)
            }
        }
    }()

    /// Tries a seed.
    static func run<Result>(_ seed: Int, _ body: () -> Result) -> Result {
        _ = handler
        let slot = lock.withLock {
            let free = (0..<count).first { slots[$0] == 0 } ?? 0
            slots[free] = seed + 1
            return free
        }
        defer { lock.withLock { slots[slot] = 0 } }
        return body()
    }

    private static func report() {
        write("\nseeds that were being tried:")
        for index in 0..<count where slots[index] > 0 {
            write(" ")
            var rest = slots[index] - 1
            var divisor = 1
            while rest / divisor >= 10 { divisor *= 10 }
            while divisor > 0 {
                var digit = UInt8(ascii: "0") + UInt8(rest / divisor)
                _ = Foundation.write(STDERR_FILENO, &digit, 1)
                rest %= divisor
                divisor /= 10
            }
        }
        write("\n")
    }

    private static func write(_ text: StaticString) {
        _ = Foundation.write(STDERR_FILENO, text.utf8Start, text.utf8CodeUnitCount)
    }
}
