/// A loop as the threads of a pool see it: something that lies on the stack of the thread that waits for them.
///
/// Threads know it by address and type, which are two words: no loop takes heap memory, and none is counted by reference.
protocol PoolLoop {
    /// Runs some of the indices on a thread.
    func run(_ indices: Range<Int>, thread: Int)
    /// As ``run(_:thread:)``, of the loop at an address; the type is the one it was stored as.
    static func run(_ loop: UnsafeRawPointer, _ indices: Range<Int>, thread: Int)
}

extension PoolLoop {
    static func run(_ loop: UnsafeRawPointer, _ indices: Range<Int>, thread: Int) {
        loop.assumingMemoryBound(to: Self.self).pointee.run(indices, thread: thread)
    }
}

/// A closure that may capture anything: the caller takes heap memory for it.
struct ClosureLoop: PoolLoop {
    let body: (_ index: Int, _ thread: Int) -> Void

    func run(_ indices: Range<Int>, thread: Int) {
        for index in indices { body(index, thread) }
    }
}

/// A function of an index and of what the caller wrote down for it.
struct IndexLoop<Captures: BitwiseCopyable>: PoolLoop {
    let captures: UnsafePointer<Captures>
    let body: (_ captures: UnsafePointer<Captures>, _ index: Int, _ thread: Int) -> Void

    func run(_ indices: Range<Int>, thread: Int) {
        for index in indices { body(captures, index, thread) }
    }
}

/// A function of blocks of `grain` out of `count` elements, the last of them shorter.
struct BlockLoop<Captures: BitwiseCopyable>: PoolLoop {
    let count: Int
    let grain: Int
    let captures: UnsafePointer<Captures>
    let body: (_ captures: UnsafePointer<Captures>, _ range: Range<Int>, _ thread: Int) -> Void

    func run(_ indices: Range<Int>, thread: Int) {
        for index in indices { body(captures, index * grain..<min(count, (index + 1) * grain), thread) }
    }
}
