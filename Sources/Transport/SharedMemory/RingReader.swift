import Synchronization

/// The receiving end of one direction of a shared segment.
///
/// A slot is copied before it is looked at, so that a peer that changes it meanwhile changes nothing. Payloads stay where
/// they are until they are given back; a peer that writes to one spoils its own message only.
final class RingReader {
    private let direction: RingLayout.Direction
    /// Frames looked at, frames given back.
    private var seen: UInt64 = 0
    private var taken: UInt64 = 0
    private let slot = UnsafeMutableRawBufferPointer.allocate(byteCount: RingLayout.slotByteCount, alignment: 8)

    init(_ direction: RingLayout.Direction) { self.direction = direction }

    deinit { slot.deallocate() }

    /// The next frame's header and payload, if one is there; the header is valid until the next call.
    func next() throws(RingError) -> (header: UnsafeRawBufferPointer, payload: UnsafeRawBufferPointer)? {
        let published = direction.published.pointee.load(ordering: .acquiring)
        let bound = taken + UInt64(RingLayout.slotCount)
        guard published >= seen, published <= bound else { throw .counter(published, known: seen...bound) }
        guard published > seen else { return nil }
        slot.copyMemory(from: UnsafeRawBufferPointer(start: direction.slot(seen), count: slot.count))
        let offset = slot.load(fromByteOffset: FrameHeader.byteCount, as: UInt32.self)
        let count = slot.load(fromByteOffset: FrameHeader.byteCount + 4, as: UInt32.self)
        guard
            Int(count) <= FrameHeader.chunkByteCountMax, Int(offset) % RingLayout.alignment == 0,
            Int(offset) + Int(count) <= direction.byteCount
        else { throw .payload(offset: offset, byteCount: count) }
        seen += 1
        return (
            UnsafeRawBufferPointer(rebasing: slot[..<FrameHeader.byteCount]),
            UnsafeRawBufferPointer(start: direction.ring + Int(offset), count: Int(count))
        )
    }

    /// Lets the writer use the memory of all frames looked at so far; true where it sleeps and wants the bell.
    func giveBack() -> Bool {
        guard taken != seen else { return false }
        taken = seen
        direction.taken.pointee.store(taken, ordering: .sequentiallyConsistent)
        guard direction.writerSleeps.pointee.load(ordering: .sequentiallyConsistent) != 0 else { return false }
        return direction.writerSleeps.pointee.exchange(0, ordering: .acquiringAndReleasing) != 0
    }

    /// Says that this end is about to sleep until a frame comes, or that it does not any more.
    func setSleeping(_ isSleeping: Bool) {
        direction.readerSleeps.pointee.store(isSleeping ? 1 : 0, ordering: .sequentiallyConsistent)
    }

    /// True where frames wait.
    var hasNext: Bool { direction.published.pointee.load(ordering: .sequentiallyConsistent) != seen }
}
