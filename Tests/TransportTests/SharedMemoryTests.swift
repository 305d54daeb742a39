import CLinux
import Glibc
import Program
import Synchronization
import Testing

@testable import Transport

/// Memory that two ranks share: what is offered, what is refused, and peers that write nonsense into it.
struct SharedMemoryTests {
    // MARK: Offers and segments

    @Test("an offer survives the wire; whatever else arrives is none, or one within bounds")
    func offers() throws {
        let (segment, offer) = try SharedSegment.make(ringByteCount: RingLayout.ringByteCountMin)
        let bytes = offer.encoded
        #expect(bytes.count == SegmentOffer.byteCount)
        #expect(bytes.withUnsafeBytes { SegmentOffer(decoding: $0) } == offer)
        for count in 0..<bytes.count {
            #expect(
                bytes.withUnsafeBytes { SegmentOffer(decoding: UnsafeRawBufferPointer(rebasing: $0[..<count])) } == nil)
        }
        var random = SystemRandomNumberGenerator()
        for _ in 0..<20_000 {
            var damaged = bytes
            for _ in 0...Int.random(in: 0...2, using: &random) {
                damaged[Int.random(in: 0..<damaged.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            guard let found = damaged.withUnsafeBytes({ SegmentOffer(decoding: $0) }) else { continue }
            #expect(RingLayout.isRing(byteCount: found.ringByteCount) && found.process > 0 && found.descriptor >= 0)
        }
        withExtendedLifetime(segment) {}
    }

    @Test("a segment is opened once offered, cannot be resized, and is closed to others afterwards")
    func segments() throws {
        let (segment, offer) = try SharedSegment.make(ringByteCount: RingLayout.ringByteCountMin)
        let other = try SharedSegment.open(offer)
        segment.base.storeBytes(of: 77, toByteOffset: 9000, as: Int.self)
        #expect(other.base.load(fromByteOffset: 9000, as: Int.self) == 77)
        #expect(ftruncate(offer.descriptor, 0) == -1 && ftruncate(offer.descriptor, 1 << 30) == -1)
        segment.closeFile()
        #expect(throws: SegmentError.self) { try SharedSegment.open(offer) }
    }

    @Test("what an offer names must be the offered memory")
    func foreign() throws {
        let (segment, offer) = try SharedSegment.make(ringByteCount: RingLayout.ringByteCountMin)
        func refused(_ change: (inout SegmentOffer) -> Void) -> Bool {
            var offer = offer
            change(&offer)
            return (try? SharedSegment.open(offer)) == nil
        }
        #expect(refused { $0.token.0 &+= 1 } && refused { $0.token.1 &+= 1 })
        #expect(refused { $0.boot.0 &+= 1 } && refused { $0.number &+= 1 })
        #expect(refused { $0.ringByteCount += RingLayout.pageByteCount })
        // Standard input; a descriptor that nobody has; a process of somebody else, or of nobody.
        #expect(refused { $0.descriptor = 0 } && refused { $0.descriptor = 1 << 20 } && refused { $0.process = 1 })
        // The right name and another length.
        let short = clinux_sealed_memory(offer.name, Int64(RingLayout.pageByteCount))
        #expect(short >= 0 && refused { $0.descriptor = short })
        close(short)
        withExtendedLifetime(segment) {}
    }

    // MARK: Rings

    private final class Ends {
        let segment: SharedSegment
        let direction: RingLayout.Direction
        var writer: RingWriter
        let reader: RingReader

        init() throws {
            segment = try SharedSegment.make(ringByteCount: RingLayout.ringByteCountMin).segment
            direction = RingLayout.Direction(0, segment: segment.base, ringByteCount: segment.ringByteCount)
            writer = RingWriter(direction)
            reader = RingReader(direction)
        }

        func send(_ bytes: [UInt8]) throws -> Bool {
            guard try writer.hasSlot(), let place = try writer.reserve(bytes.count) else { return false }
            bytes.withUnsafeBytes {
                place.copyMemory(from: $0.baseAddress ?? UnsafeRawPointer(place), byteCount: $0.count)
            }
            let header = [UInt8](repeating: UInt8(truncatingIfNeeded: bytes.count), count: FrameHeader.byteCount)
            _ = header.withUnsafeBytes { writer.publish($0, byteCount: bytes.count) }
            return true
        }

        func receive() throws -> [UInt8]? { try reader.next().map { Array($0.payload) } }
    }

    @Test("frames of any sizes come out as they went in, whatever the reader holds back", arguments: UInt64(0)..<6)
    func random(seed: UInt64) throws {
        let ends = try Ends()
        var generator = FaultInjector.Numbers(seed)
        var sent: [[UInt8]] = []
        var (received, held, index) = (0, 0, 0)
        while received < 400 {
            let size = [0, 1, 64, 4096, 200_000, 1 << 20][generator.next(6)] + generator.next(3)
            let bytes = pattern(min(size, 1 << 20), index)
            if sent.count < received + RingLayout.slotCount, try ends.send(bytes) {
                sent.append(bytes)
                index += 1
            } else {
                // No room: something must be there to be given back.
                #expect(received < sent.count || held > 0)
            }
            for _ in 0..<generator.next(3) {
                guard let found = try ends.receive() else { break }
                #expect(found == sent[received], "frame \(received)")
                (received, held) = (received + 1, held + 1)
            }
            if generator.next(4) == 0 || received == sent.count {
                _ = ends.reader.giveBack()
                held = 0
            }
        }
    }

    @Test("a frame is sent from where it was written, and a ring that is empty begins anew")
    func reservation() throws {
        let ends = try Ends()
        let first = try #require(try ends.writer.reserve(1000))
        #expect(ends.writer.isReserved(first) && !ends.writer.isReserved(first + 64))
        #expect(try ends.send([1, 2, 3]) && ends.receive() == [1, 2, 3])
        #expect(try ends.writer.reserve(8) != UnsafeMutableRawPointer(first))
        _ = ends.reader.giveBack()
        #expect(try ends.writer.reserve(8) == first)
        #expect(
            try ends.writer.reserve(ends.segment.ringByteCount) == first
                && !ends.writer.fits(ends.segment.ringByteCount + 1))
        #expect(try ends.writer.reserve(ends.segment.ringByteCount + 1) == nil)
    }

    @Test("a reader believes no count and no place that cannot be")
    func hostileWriter() throws {
        let counts: [UInt64] = [UInt64(RingLayout.slotCount) + 1, .max, 1 << 63]
        for count in counts {
            let ends = try Ends()
            ends.direction.published.pointee.store(count, ordering: .sequentiallyConsistent)
            #expect(throws: RingError.self) { try ends.reader.next() }
        }
        let ring = UInt32(RingLayout.ringByteCountMin)
        let places: [(UInt32, UInt32)] = [
            (ring, 1), (ring - 64, 65), (.max, 1), (.max - 63, .max), (0, (1 << 20) + 1), (1, 1), (4, 4),
            (ring + 64, 0),
        ]
        for (offset, count) in places {
            let ends = try Ends()
            ends.direction.slot(0).storeBytes(of: offset, toByteOffset: FrameHeader.byteCount, as: UInt32.self)
            ends.direction.slot(0).storeBytes(of: count, toByteOffset: FrameHeader.byteCount + 4, as: UInt32.self)
            ends.direction.published.pointee.store(1, ordering: .sequentiallyConsistent)
            #expect(throws: RingError.payload(offset: offset, byteCount: count)) { try ends.reader.next() }
        }
        // A count that goes back.
        let ends = try Ends()
        #expect(try ends.send([1]) && ends.receive() == [1])
        ends.direction.published.pointee.store(0, ordering: .sequentiallyConsistent)
        #expect(throws: RingError.self) { try ends.reader.next() }
    }

    @Test("a writer believes no count that cannot be")
    func hostileReader() throws {
        for count in [UInt64(2), .max] {
            let ends = try Ends()
            #expect(try ends.send([1]))
            ends.direction.taken.pointee.store(count, ordering: .sequentiallyConsistent)
            #expect(throws: RingError.counter(count, known: 0...1)) { try ends.writer.reserve(1) }
        }
    }

    @Test(
        "random bytes all over the control page end in errors or in frames inside the ring", arguments: UInt64(0)..<20)
    func fuzz(seed: UInt64) throws {
        let ends = try Ends()
        var generator = FaultInjector.Numbers(seed)
        for _ in 0..<500 {
            let offset = RingLayout.slotsOffset + generator.next(RingLayout.slotCount * RingLayout.slotByteCount)
            ends.direction.control.storeBytes(of: UInt8(generator.next(256)), toByteOffset: offset, as: UInt8.self)
            ends.direction.published.pointee.store(UInt64(generator.next(40)), ordering: .sequentiallyConsistent)
            guard let frame = try? ends.reader.next() else { continue }
            let begin = try #require(frame.payload.baseAddress) - UnsafeRawPointer(ends.direction.ring)
            #expect(begin >= 0 && begin + frame.payload.count <= ends.direction.byteCount)
            if generator.next(3) == 0 { _ = ends.reader.giveBack() }
        }
    }
}

extension FaultInjector {
    /// Numbers from a seed, for tests.
    fileprivate struct Numbers {
        private var state: UInt64

        init(_ seed: UInt64) { state = seed }

        /// A number below `bound`.
        mutating func next(_ bound: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % bound
        }
    }
}
