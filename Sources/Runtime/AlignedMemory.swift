import Glibc

/// Anonymous pages: aligned, zeroed, and given back to the system when freed.
final class AlignedMemory {
    /// First byte; aligned to a page.
    let base: UnsafeMutableRawPointer
    /// Usable bytes.
    let byteCount: Int
    private let mappedByteCount: Int

    /// Maps at least `byteCount` bytes; nil where the system refuses.
    ///
    /// Large areas ask for huge pages.
    init?(byteCount: Int) {
        self.byteCount = byteCount
        mappedByteCount = (max(byteCount, 1) + 4095) / 4096 * 4096
        let address = mmap(nil, mappedByteCount, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        guard let address, address != MAP_FAILED else { return nil }
        if mappedByteCount >= 8 << 20 { madvise(address, mappedByteCount, MADV_HUGEPAGE) }
        base = address
    }

    deinit { munmap(base, mappedByteCount) }
}

/// Rounds up to the alignment of buffers and cache lines.
func aligned(_ byteCount: Int) -> Int { (byteCount + 63) / 64 * 64 }
