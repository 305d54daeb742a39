import Glibc

/// One arena for all programs of a rank: they run one after the other, so the largest decides what is needed.
///
/// A range of addresses is set aside once and never moves; the system gives memory only to pages that are touched.
final class SharedArena {
    /// Addresses set aside.
    ///
    /// Far more than any program needs; costs nothing until touched.
    private static let reservedByteCount = 1 << 38

    /// First byte; nil where the system does not let processes set aside more than it has.
    private let base: UnsafeMutableRawPointer?

    init() {
        let address = mmap(
            nil, Self.reservedByteCount, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
        base = address == MAP_FAILED ? nil : address
    }

    deinit {
        if let base { munmap(base, Self.reservedByteCount) }
    }

    /// Where programs of up to `byteCount` bytes put their buffers; nil where they need memory of their own.
    func memory(byteCount: Int) -> UnsafeMutableRawPointer? {
        guard byteCount <= Self.reservedByteCount, let base else { return nil }
        if byteCount >= 8 << 20 { madvise(base, byteCount, MADV_HUGEPAGE) }
        return base
    }

    /// Gives back to the system what was touched above this size.
    func free(above byteCount: Int) {
        let kept = (byteCount + 4095) / 4096 * 4096
        guard let base, kept < Self.reservedByteCount else { return }
        madvise(base + kept, Self.reservedByteCount - kept, MADV_DONTNEED)
    }
}

extension ThreadPool {
    /// Gives back to the system what programs with larger arenas have used, once none of them is left.
    public func freeArena(above byteCount: Int) { arena.free(above: byteCount) }
}
