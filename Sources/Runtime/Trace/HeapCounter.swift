import Glibc

/// Counts what threads take from the heap, where the library `tessera-heap-counter` was preloaded.
///
/// Counts are of the process: of all threads that said that they want to be counted.
public struct HeapCounter: Sendable {
    /// The library's functions; nil where it is not there.
    public static let shared = HeapCounter()

    /// Numbers since the process began; those of two moments are subtracted.
    public struct Counts: Sendable {
        /// Allocations, ZeroMQ's included.
        public var allocations: UInt64
        /// Allocations that ZeroMQ made while it was called.
        public var zeroMQ: UInt64
        /// Retains and releases of Swift objects.
        public var references: UInt64

        static func - (later: Counts, earlier: Counts) -> Counts {
            Counts(
                allocations: later.allocations &- earlier.allocations, zeroMQ: later.zeroMQ &- earlier.zeroMQ,
                references: later.references &- earlier.references)
        }
    }

    private let mark: @convention(c) (Int32) -> Void
    private let read: @convention(c) (UnsafeMutablePointer<UInt64>) -> Void

    private init?() {
        guard let mark = dlsym(nil, "tessera_heap_count"), let read = dlsym(nil, "tessera_heap_counts") else {
            return nil
        }
        self.mark = unsafeBitCast(mark, to: (@convention(c) (Int32) -> Void).self)
        self.read = unsafeBitCast(read, to: (@convention(c) (UnsafeMutablePointer<UInt64>) -> Void).self)
    }

    /// From now on counts what the calling thread does, or does so no more.
    public func count(_ isCounting: Bool) { mark(isCounting ? 1 : 0) }

    /// The numbers now.
    public var counts: Counts {
        withUnsafeTemporaryAllocation(of: UInt64.self, capacity: 3) { numbers in
            numbers.initialize(repeating: 0)
            if let base = numbers.baseAddress { read(base) }
            return Counts(allocations: numbers[0], zeroMQ: numbers[1], references: numbers[2])
        }
    }
}
