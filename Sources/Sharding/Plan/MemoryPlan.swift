/// Gives buffers offsets in one arena so that buffers alive at the same time never overlap.
///
/// First fit over a list of free ranges, in the order of first use: near linear, and within a few per cent of the peak
/// for the layered graphs that models are.
struct MemoryPlan {
    /// Bytes that the arena needs.
    private(set) var byteCount = 0
    private var free: [Range<Int>] = []

    /// What a buffer needs: bytes, and the first and last step at which it holds something.
    struct Lifetime {
        var id: Int
        var byteCount: Int
        var first: Int
        var last: Int
    }

    /// Offsets by id; multiples of 64.
    mutating func place(_ lifetimes: [Lifetime]) -> [Int: Int] {
        var offsets: [Int: Int] = [:]
        var expiring: [(last: Int, range: Range<Int>)] = []
        for lifetime in lifetimes.sorted(by: { ($0.first, $0.id) < ($1.first, $1.id) }) {
            let expired = expiring.filter { $0.last < lifetime.first }
            if !expired.isEmpty {
                expiring.removeAll { $0.last < lifetime.first }
                for entry in expired { release(entry.range) }
            }
            let size = (max(lifetime.byteCount, 1) + 63) / 64 * 64
            let offset = take(size)
            offsets[lifetime.id] = offset
            expiring.append((lifetime.last, offset..<(offset + size)))
        }
        return offsets
    }

    private mutating func take(_ size: Int) -> Int {
        if let index = free.firstIndex(where: { $0.count >= size }) {
            let range = free[index]
            if range.count == size {
                free.remove(at: index)
            } else {
                free[index] = (range.lowerBound + size)..<range.upperBound
            }
            return range.lowerBound
        }
        if let last = free.last, last.upperBound == byteCount {
            free.removeLast()
            byteCount = last.lowerBound + size
            return last.lowerBound
        }
        let offset = byteCount
        byteCount += size
        return offset
    }

    private mutating func release(_ range: Range<Int>) {
        var index = free.firstIndex { $0.lowerBound > range.lowerBound } ?? free.count
        var merged = range
        if index < free.count, free[index].lowerBound == merged.upperBound {
            merged = merged.lowerBound..<free[index].upperBound
            free.remove(at: index)
        }
        if index > 0, free[index - 1].upperBound == merged.lowerBound {
            merged = free[index - 1].lowerBound..<merged.upperBound
            index -= 1
            free.remove(at: index)
        }
        free.insert(merged, at: index)
    }
}
