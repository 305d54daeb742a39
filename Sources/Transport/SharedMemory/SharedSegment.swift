import CLinux
import Glibc

/// Memory that the two ends of a link share.
///
/// It has no name in any file system: the listening end makes it, the other opens it through the maker's list of open files,
/// which the system allows to processes of the same user, and it is gone when both have ended, however they end. Its length
/// is sealed, so that neither end can take pages away from under the other.
final class SharedSegment {
    let base: UnsafeMutableRawPointer
    let ringByteCount: Int
    private let byteCount: Int
    /// What a peer opens; closed once it has.
    private var file: Int32

    /// Makes a segment, with what to tell the peer.
    static func make(ringByteCount: Int) throws(SegmentError) -> (segment: SharedSegment, offer: SegmentOffer) {
        guard let boot = SegmentOffer.boot else { throw SegmentError("this host has no boot id") }
        var random = SystemRandomNumberGenerator()
        var offer = SegmentOffer(
            descriptor: 0, ringByteCount: ringByteCount, number: random.next(), token: (random.next(), random.next()),
            boot: boot)
        let byteCount = RingLayout.segmentByteCount(ring: ringByteCount)
        let file = clinux_sealed_memory(offer.name, Int64(byteCount))
        guard file >= 0 else { throw SegmentError("making it failed", code: -file) }
        offer.descriptor = file
        let segment = try SharedSegment(file, ringByteCount: ringByteCount)
        segment.base.storeBytes(of: offer.token.0, as: UInt64.self)
        segment.base.storeBytes(of: offer.token.1, toByteOffset: 8, as: UInt64.self)
        return (segment, offer)
    }

    /// Opens what a peer offers.
    static func open(_ offer: SegmentOffer) throws(SegmentError) -> SharedSegment {
        guard let boot = SegmentOffer.boot, boot == offer.boot else {
            throw SegmentError("the peer is on another host")
        }
        let byteCount = RingLayout.segmentByteCount(ring: offer.ringByteCount)
        let file = clinux_open_sealed_memory(offer.process, offer.descriptor, offer.name, Int64(byteCount))
        guard file >= 0 else { throw SegmentError("opening the peer's failed", code: -file) }
        let segment = try SharedSegment(file, ringByteCount: offer.ringByteCount)
        segment.closeFile()
        let token = (segment.base.load(as: UInt64.self), segment.base.load(fromByteOffset: 8, as: UInt64.self))
        guard token == offer.token else { throw SegmentError("what the peer names is another's") }
        return segment
    }

    private init(_ file: Int32, ringByteCount: Int) throws(SegmentError) {
        byteCount = RingLayout.segmentByteCount(ring: ringByteCount)
        let pointer = mmap(nil, byteCount, PROT_READ | PROT_WRITE, MAP_SHARED | Int32(MAP_POPULATE), file, 0)
        guard let pointer, pointer != MAP_FAILED else {
            let error = SegmentError("mapping it failed", code: errno)
            close(file)
            throw error
        }
        self.file = file
        base = pointer
        self.ringByteCount = ringByteCount
    }

    deinit {
        closeFile()
        munmap(base, byteCount)
    }

    /// Makes it impossible for others to open it.
    func closeFile() {
        if file >= 0 { close(file) }
        file = -1
    }
}

/// Why two ranks do not share memory.
struct SegmentError: Error, Hashable, CustomStringConvertible {
    /// Part of a sentence.
    let description: String

    init(_ reason: String) { description = reason }

    init(_ reason: String, code: Int32) { description = "\(reason): \(String(cString: strerror(code)))" }
}
