import Program
import TestSupport
import Testing
import Transport

struct FrameHeaderTests {
    private let header = FrameHeader(
        tag: FrameTag(epoch: 3, request: 0x0123_4567_89AB_CDEF, step: 24, instruction: 99), chunk: 2,
        messageByteCount: 2_500_000, sequence: 0xFFFF_FFFF)

    private func encode(_ header: FrameHeader) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: FrameHeader.byteCount)
        bytes.withUnsafeMutableBytes(header.encode(into:))
        return bytes
    }

    private func decode(_ bytes: [UInt8]) throws -> FrameHeader {
        try bytes.withUnsafeBytes { try FrameHeader(decoding: $0) }
    }

    @Test("a header survives the wire, at the documented offsets")
    func roundTrip() throws {
        let bytes = encode(header)
        #expect(try decode(bytes) == header)
        #expect(header.payloadByteCount == 2_500_000 - 2 << 20)
        #expect(bytes[0..<6] == [0x54, 0x53, 0x52, 0x41, 1, 0])
        #expect(bytes[8..<12] == [3, 0, 0, 0] && bytes[16..<18] == [0xEF, 0xCD] && bytes[24] == 99 && bytes[28] == 2)
        for kind in FrameHeader.Kind.allCases {
            var other = header
            other.kind = kind
            #expect(try decode(encode(other)).kind == kind)
        }
        let empty = FrameHeader(tag: header.tag)
        #expect(try decode(encode(empty)) == empty && empty.payloadByteCount == 0)
    }

    @Test("a header cut at any byte, or too long, is refused")
    func truncation() {
        let bytes = encode(header)
        for count in 0..<bytes.count {
            #expect(throws: FrameHeaderError.length(count)) { try decode(Array(bytes[..<count])) }
        }
        #expect(throws: FrameHeaderError.length(49)) { try decode(bytes + [0]) }
    }

    @Test("every flipped bit is found, and every pair of them")
    func bitFlips() {
        let bytes = encode(header)
        for first in 0..<bytes.count * 8 {
            for second in first..<bytes.count * 8 {
                var damaged = bytes
                damaged[first / 8] ^= 1 << (first % 8)
                if second != first { damaged[second / 8] ^= 1 << (second % 8) }
                if (try? decode(damaged)) != nil { Issue.record("bits \(first) and \(second) were not found") }
            }
        }
    }

    @Test("fields out of range are refused although the checksum is right")
    func ranges() {
        func check(_ error: FrameHeaderError, _ change: (inout [UInt8]) -> Void) {
            var bytes = encode(header)
            change(&bytes)
            withChecksum(&bytes)
            #expect(throws: error) { try decode(bytes) }
        }
        check(.version(2)) { $0[4] = 2 }
        check(.kind(9)) { $0[6] = 9 }
        check(.chunk(3, messageByteCount: 2_500_000)) { $0[28] = 3 }
        check(.chunk(2, messageByteCount: 0xFF26_25A0)) { $0[35] = 0xFF }
        check(.payload(0)) { $0.replaceSubrange(36..<40, with: [0, 0, 0, 0]) }
    }

    @Test("random bytes never crash the parser, and what it accepts encodes to the same bytes")
    func fuzz() throws {
        var generator = SeededGenerator(seed: 42)
        var accepted = 0
        for round in 0..<20_000 {
            var bytes: [UInt8]
            if round % 2 == 0 {
                bytes = (0..<Int.random(in: 0...96, using: &generator)).map { _ in
                    .random(in: .min ... .max, using: &generator)
                }
            } else {
                bytes = encode(header)
                for _ in 0..<Int.random(in: 0...3, using: &generator) {
                    bytes[Int.random(in: 4..<44, using: &generator)] = .random(in: .min ... .max, using: &generator)
                }
                withChecksum(&bytes)
            }
            guard let found = try? decode(bytes) else { continue }
            accepted += 1
            #expect(encode(found) == bytes)
            #expect(found.payloadByteCount >= 0 && found.payloadByteCount <= FrameHeader.chunkByteCountMax)
        }
        #expect(accepted > 100)
    }

    /// Writes the right checksum, computed bit by bit as the definition says.
    private func withChecksum(_ bytes: inout [UInt8]) {
        var value = ~UInt32(0)
        for byte in bytes[..<44] {
            value ^= UInt32(byte)
            for _ in 0..<8 { value = value & 1 == 1 ? (value >> 1) ^ 0x82F6_3B78 : value >> 1 }
        }
        for index in 0..<4 { bytes[44 + index] = UInt8(truncatingIfNeeded: ~value >> UInt32(8 * index)) }
    }
}
