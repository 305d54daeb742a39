import Synchronization

/// The sending end of one direction of a shared segment.
///
/// What this end believes is in private memory; of the reader only a count of frames comes in, and it is checked.
struct RingWriter {
    private let direction: RingLayout.Direction
    /// Frames published, frames given back.
    private var published: UInt64 = 0
    private var taken: UInt64 = 0
    /// Where the frames that are out begin, by slot.
    private var begins = [Int](repeating: 0, count: RingLayout.slotCount)
    /// Where the next frame goes if there is room behind the last one.
    private var next = 0
    /// The reserved part of the ring that is not published yet.
    private var reserved = 0..<0

    init(_ direction: RingLayout.Direction) { self.direction = direction }

    /// True where a message of so many bytes can lie in the ring as a whole.
    func fits(_ byteCount: Int) -> Bool { byteCount <= direction.byteCount }

    /// Where a message of so many bytes, or a frame, may be written; nil where there is no room now.
    ///
    /// A reservation stays until all of it is published or another is made.
    mutating func reserve(_ byteCount: Int) throws(RingError) -> UnsafeMutableRawPointer? {
        reserved = 0..<0
        try readTaken()
        let need = Self.span(byteCount)
        guard need <= direction.byteCount else { return nil }
        if published == taken { next = 0 }
        var begin = next
        if published != taken {
            let tail = begins[Int(taken % UInt64(RingLayout.slotCount))]
            if next > tail {
                if need > direction.byteCount - next {
                    guard need <= tail else { return nil }
                    begin = 0
                }
            } else {
                guard need <= tail - next else { return nil }
            }
        }
        reserved = begin..<(begin + need)
        return direction.ring + begin
    }

    /// True where this is the place that is reserved.
    func isReserved(_ pointer: UnsafeRawPointer?) -> Bool {
        !reserved.isEmpty && pointer == UnsafeRawPointer(direction.ring + reserved.lowerBound)
    }

    /// The reserved place of the next frame; nil where nothing, or too little, is reserved.
    func reserved(_ byteCount: Int) -> UnsafeMutableRawPointer? {
        reserved.count >= Self.span(byteCount) ? direction.ring + reserved.lowerBound : nil
    }

    /// True where a slot is free.
    mutating func hasSlot() throws(RingError) -> Bool {
        if published &- taken < UInt64(RingLayout.slotCount) { return true }
        try readTaken()
        return published &- taken < UInt64(RingLayout.slotCount)
    }

    /// Hands the next `byteCount` reserved bytes to the reader; true where it sleeps and wants the bell.
    ///
    /// There must be a free slot, and a reservation that has so many bytes.
    mutating func publish(_ header: UnsafeRawBufferPointer, byteCount: Int) -> Bool {
        let need = Self.span(byteCount)
        precondition(reserved.count >= need && published &- taken < UInt64(RingLayout.slotCount), "a frame has room")
        let slot = direction.slot(published)
        slot.copyMemory(from: header.baseAddress ?? UnsafeRawPointer(slot), byteCount: header.count)
        slot.storeBytes(of: UInt32(reserved.lowerBound), toByteOffset: FrameHeader.byteCount, as: UInt32.self)
        slot.storeBytes(of: UInt32(byteCount), toByteOffset: FrameHeader.byteCount + 4, as: UInt32.self)
        begins[Int(published % UInt64(RingLayout.slotCount))] = reserved.lowerBound
        next = reserved.lowerBound + need
        reserved = next..<reserved.upperBound
        published += 1
        direction.published.pointee.store(published, ordering: .sequentiallyConsistent)
        guard direction.readerSleeps.pointee.load(ordering: .sequentiallyConsistent) != 0 else { return false }
        return direction.readerSleeps.pointee.exchange(0, ordering: .acquiringAndReleasing) != 0
    }

    /// Says that this end is about to sleep until frames are given back, or that it does not any more.
    func setSleeping(_ isSleeping: Bool) {
        direction.writerSleeps.pointee.store(isSleeping ? 1 : 0, ordering: .sequentiallyConsistent)
    }

    /// True where the reader has given back frames that this end does not know of yet.
    var isBehind: Bool { direction.taken.pointee.load(ordering: .sequentiallyConsistent) != taken }

    private mutating func readTaken() throws(RingError) {
        let found = direction.taken.pointee.load(ordering: .acquiring)
        guard found >= taken, found <= published else { throw .counter(found, known: taken...published) }
        taken = found
    }

    /// Bytes that a payload takes in the ring: never none, so that beginnings differ.
    private static func span(_ byteCount: Int) -> Int {
        max(RingLayout.alignment, (byteCount + RingLayout.alignment - 1) / RingLayout.alignment * RingLayout.alignment)
    }
}

/// What the other end of a segment must not write; cases in alphabetical order.
enum RingError: Error, Hashable, CustomStringConvertible {
    /// A count of frames that cannot be.
    case counter(UInt64, known: ClosedRange<UInt64>)
    /// A payload outside the ring, or at an odd place.
    case payload(offset: UInt32, byteCount: UInt32)

    /// What is wrong, as part of a sentence.
    var description: String {
        switch self {
        case .counter(let found, let known):
            "a count of \(found) frames in shared memory, which cannot be but \(known.lowerBound) to \(known.upperBound)"
        case .payload(let offset, let count):
            "a payload of \(count) bytes at \(offset) in shared memory, where none can be"
        }
    }
}
