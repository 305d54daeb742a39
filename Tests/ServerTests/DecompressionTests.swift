import Foundation
import Server
import Tensor
import Testing

/// Files that become far larger than they are: what libpng may unpack of them is bounded.
@Suite struct DecompressionTests {
    /// A zlib stream (RFC 1950, RFC 1951) of so many equal bytes, in one block with fixed codes: 13 bits for 258 bytes.
    private static func zeros(_ count: Int) -> [UInt8] {
        var bytes: [UInt8] = [0x78, 0x9C]
        var (buffer, bits): (UInt32, UInt32) = (0, 0)
        func put(_ value: UInt32, _ width: UInt32) {
            buffer |= value << bits
            bits += width
            while bits >= 8 {
                bytes.append(UInt8(truncatingIfNeeded: buffer))
                buffer >>= 8
                bits -= 8
            }
        }
        /// Codes stand with their first bit first, everything else with its last.
        func putCode(_ code: UInt32, _ width: UInt32) {
            for bit in (0..<width).reversed() { put(code >> bit & 1, 1) }
        }
        put(1, 1)  // the last block
        put(1, 2)  // fixed codes
        putCode(0x30, 8)  // a literal 0
        for _ in 0..<(count / 258) {
            putCode(0xC5, 8)  // length 258
            putCode(0, 5)  // from one byte back
        }
        putCode(0, 7)  // the end
        if bits > 0 { put(0, 8 - bits) }
        let length = UInt32(count / 258 * 258 + 1)
        // Adler-32 of zeros: the sum stays 1, the sum of sums is their number.
        let checksum = (length % 65521) << 16 | 1
        return bytes + withUnsafeBytes(of: checksum.bigEndian) { Array($0) }
    }

    private static func chunk(_ name: String, _ data: [UInt8]) -> [UInt8] {
        let body = Array(name.utf8) + data
        var checksum: UInt32 = 0xFFFF_FFFF
        for byte in body {
            checksum ^= UInt32(byte)
            for _ in 0..<8 { checksum = checksum >> 1 ^ (checksum & 1 == 1 ? 0xEDB8_8320 : 0) }
        }
        func big(_ number: UInt32) -> [UInt8] { withUnsafeBytes(of: number.bigEndian) { Array($0) } }
        return big(UInt32(data.count)) + body + big(~checksum)
    }

    /// Bytes of this process that were in memory at most.
    private static var peak: Int {
        let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
        let line = status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") }
        return (line?.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0) << 10
    }

    @Test(arguments: ["zTXt", "iCCP", "iTXt"])
    func chunksAreNotUnpackedWithoutBound(name: String) throws {
        let unpacked = 512 << 20
        let head: [UInt8] = Array("a".utf8) + (name == "iTXt" ? [0, 1, 0, 0, 0] : [0, 0])
        let bomb = Self.chunk(name, head + Self.zeros(unpacked))
        let square = try PNGFile.encode(
            HostTensor(dtype: .u8, dims: [4, 4, 3], bytes: [UInt8](repeating: 9, count: 48)))
        // After the header chunk, before the pixels.
        let file = Array(square[..<33]) + bomb + Array(square[33...])
        let before = Self.peak
        do throws(PictureError) {
            let decoded = try PNGFile.decode(file)
            #expect(decoded.pixels.bytes.allSatisfy { $0 == 9 })
            #expect(decoded.texts.allSatisfy { $0.value.utf8.count <= 8 << 20 })
        } catch {
            guard case .damaged = error else {
                Issue.record("\(error)")
                return
            }
        }
        #expect(Self.peak - before < unpacked / 2, "it was unpacked")
    }

    @Test("more pixels than the header says are not unpacked")
    func pixelsBeyondTheHeader() throws {
        let square = try PNGFile.encode(
            HostTensor(dtype: .u8, dims: [4, 4, 3], bytes: [UInt8](repeating: 0, count: 48)))
        let file = Array(square[..<33]) + Self.chunk("IDAT", Self.zeros(512 << 20)) + Self.chunk("IEND", [])
        let before = Self.peak
        do throws(PictureError) {
            #expect(try PNGFile.decode(file).pixels.bytes.count == 48)
        } catch {
            guard case .damaged = error else {
                Issue.record("\(error)")
                return
            }
        }
        #expect(Self.peak - before < 128 << 20, "it was unpacked")
    }
}
