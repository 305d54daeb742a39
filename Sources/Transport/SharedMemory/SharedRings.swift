/// Both directions of a link's shared memory, as one end sees them.
final class SharedRings {
    var writer: RingWriter
    let reader: RingReader
    /// The frame that wakes the peer.
    let bell: UnsafeMutableRawBufferPointer
    private let segment: SharedSegment

    init(_ segment: SharedSegment, isListener: Bool, bell header: FrameHeader) {
        self.segment = segment
        func direction(_ number: Int) -> RingLayout.Direction {
            RingLayout.Direction(number, segment: segment.base, ringByteCount: segment.ringByteCount)
        }
        writer = RingWriter(direction(isListener ? 0 : 1))
        reader = RingReader(direction(isListener ? 1 : 0))
        bell = .allocate(byteCount: FrameHeader.byteCount, alignment: 8)
        header.encode(into: bell)
    }

    deinit { bell.deallocate() }

    /// Bytes of the segment.
    var byteCount: Int { RingLayout.segmentByteCount(ring: segment.ringByteCount) }
}
