import Synchronization

/// Where things are in a segment that two ranks of one host share: both directions of one link.
///
/// What a message costs: the sender writes it once into the ring (n bytes read, n written), the receiver reads it there
/// (n bytes through the shared cache, 20 to 30 GB/s a core where the cache holds the rings, memory's speed where not).
/// A reduction reads its operands in place, so an all-reduce of n result bytes in bf16 between two workers moves, on each of
/// them, 2n (partial sums written) + 4n (own and peer's read) + n (results written to the ring and to their place)
/// + n/2 read: of 2 MiB about 15 MiB, some 0.6 ms at 25 GB/s. Over a socket every byte is copied four more times.
/// The memory is bounded: two rings and three pages a link.
///
///     page 0      16 random bytes that both ends know
///     page 1      control of the listener's frames to the connector
///     page 2      control of the connector's frames to the listener
///     then        the payloads of the one direction, then those of the other
///
/// A control page has, each on a cache line of its own: frames published by the writer, frames given back by the reader,
/// whether the reader sleeps, whether the writer sleeps; then the slots, a cache line each: a ``FrameHeader``, and offset and
/// length of the payload.
///
/// Nobody trusts what the other end writes here: counters and slots are read once into private memory and checked against
/// what this end knows, payloads always lie inside the ring.
enum RingLayout {
    static let pageByteCount = 4096
    /// Frames that may be on their way in one direction.
    static let slotCount = 32
    static let slotByteCount = 64
    /// Payloads begin at multiples of this.
    static let alignment = 64
    /// Two of the longest frames, so that one can be written while the other is read.
    static let ringByteCountMin = 2 * FrameHeader.chunkByteCountMax
    /// What a link of a rank with few peers gets: an all-reduce of 8 MiB in place.
    static let ringByteCountMax = 8 << 20

    static let publishedOffset = 0
    static let takenOffset = 64
    static let readerSleepsOffset = 128
    static let writerSleepsOffset = 192
    static let slotsOffset = 256

    /// Bytes of a ring on a rank with so many peers: messages to each get smaller as ranks get more.
    static func ringByteCount(peers: Int) -> Int {
        let share = ringByteCountMax / max(1, peers) / pageByteCount * pageByteCount
        return max(ringByteCountMin, share)
    }

    static func isRing(byteCount: Int) -> Bool {
        byteCount >= ringByteCountMin && byteCount <= ringByteCountMax && byteCount % pageByteCount == 0
    }

    /// Bytes of a segment.
    static func segmentByteCount(ring: Int) -> Int { 3 * pageByteCount + 2 * ring }

    /// One direction in a segment.
    struct Direction {
        let control: UnsafeMutableRawPointer
        let ring: UnsafeMutableRawPointer
        let byteCount: Int

        /// Direction 0 is that of the listener's frames.
        init(_ direction: Int, segment: UnsafeMutableRawPointer, ringByteCount: Int) {
            control = segment + (1 + direction) * RingLayout.pageByteCount
            ring = segment + 3 * RingLayout.pageByteCount + direction * ringByteCount
            byteCount = ringByteCount
        }

        /// Frames published.
        var published: UnsafePointer<Atomic<UInt64>> { counter(RingLayout.publishedOffset) }
        /// Frames given back.
        var taken: UnsafePointer<Atomic<UInt64>> { counter(RingLayout.takenOffset) }
        /// 1 while the reader waits for the doorbell.
        var readerSleeps: UnsafePointer<Atomic<UInt64>> { counter(RingLayout.readerSleepsOffset) }
        /// 1 while the writer waits for the doorbell.
        var writerSleeps: UnsafePointer<Atomic<UInt64>> { counter(RingLayout.writerSleepsOffset) }

        func slot(_ frame: UInt64) -> UnsafeMutableRawPointer {
            control + RingLayout.slotsOffset + Int(frame % UInt64(RingLayout.slotCount)) * RingLayout.slotByteCount
        }

        private func counter(_ offset: Int) -> UnsafePointer<Atomic<UInt64>> {
            UnsafePointer((control + offset).assumingMemoryBound(to: Atomic<UInt64>.self))
        }
    }
}
