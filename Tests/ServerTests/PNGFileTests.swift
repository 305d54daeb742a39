import Foundation
import Server
import Tensor
import TestSupport
import Testing

@Suite struct PNGFileTests {
    struct Cases: Decodable {
        struct Case: Decodable {
            var name: String
            var png: Data
            var dims: [Int]
            var pixels: Data
        }
        var cases: [Case]
    }

    static let cases: [Cases.Case] = {
        let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appendingPathComponent("Golden/Pictures/png.json")
        do {
            return try JSONDecoder().decode(Cases.self, from: Data(contentsOf: file)).cases
        } catch {
            Issue.record("\(error)")
            return []
        }
    }()

    private func picture(_ height: Int, _ width: Int) -> HostTensor {
        let bytes = (0..<(height * width * 3)).map { UInt8(truncatingIfNeeded: $0 &* 37 &+ $0 / 7) }
        return HostTensor(dtype: .u8, dims: [height, width, 3], bytes: bytes)
    }

    @Test("every colour type, bit depth and interlacing is read")
    func goldens() throws {
        #expect(Self.cases.count == 39)
        for item in Self.cases {
            let png = try PNGFile.decode(Array(item.png))
            #expect(png.pixels.dims == item.dims, "\(item.name)")
            #expect(png.pixels.bytes == Array(item.pixels), "\(item.name)")
            #expect(png.rgb.dims == [item.dims[0], item.dims[1], 3])
        }
    }

    @Test("pixels and texts come back", arguments: [(1, 1), (1, 300), (17, 5), (64, 64)])
    func roundTrip(size: (Int, Int)) throws {
        let texts = [
            PNGFile.Text(keyword: "plain", value: "two\nlines"),
            PNGFile.Text(keyword: "other scripts", value: "树懒 🚲 é\r\t"),
            PNGFile.Text(keyword: "empty", value: ""),
            PNGFile.Text(keyword: String(repeating: "k", count: 79), value: String(repeating: "v", count: 10_000)),
        ]
        let rgb = picture(size.0, size.1)
        let bytes = try PNGFile.encode(rgb, texts: texts)
        let png = try PNGFile.decode(bytes)
        #expect(png.pixels == rgb)
        #expect(png.texts == texts)
        #expect(try PNGFile.encode(rgb, texts: texts) == bytes)
    }

    @Test("keywords and values that the format does not allow are refused")
    func keywords() {
        let bad = [
            ("", "a"), (String(repeating: "k", count: 80), "a"), (" a", "a"), ("a ", "a"), ("a  b", "a"), ("é", "a"),
            ("a\nb", "a"), ("a", "b\0c"),
        ]
        for (keyword, value) in bad {
            #expect(throws: PictureError.keyword(keyword)) {
                try PNGFile.encode(picture(1, 1), texts: [.init(keyword: keyword, value: value)])
            }
        }
    }

    @Test("other bytes are not a PNG")
    func otherFormats() {
        for bytes in [[], [0x89], Array("GIF89a..........".utf8), [UInt8](repeating: 0, count: 100)] {
            #expect(throws: PictureError.unknownFormat) { try PNGFile.decode(bytes) }
        }
    }

    @Test("a file cut at any byte is damaged, or complete in its pixels")
    func truncated() throws {
        let rgb = picture(9, 7)
        let bytes = try PNGFile.encode(rgb, texts: [.init(keyword: "a", value: "b")])
        for count in 8..<bytes.count {
            do {
                let png = try PNGFile.decode(Array(bytes[..<count]))
                #expect(png.pixels == rgb)
            } catch {
                guard case .damaged(.png, let reason) = error else {
                    Issue.record("\(count): \(error)")
                    continue
                }
                #expect(!reason.isEmpty)
            }
        }
    }

    @Test("sizes beyond the limits are refused before anything is allocated")
    func limits() throws {
        var bytes = try PNGFile.encode(picture(2, 2))
        let limit = PictureError.tooLarge
        for (offset, value) in [(16, 0x7F), (20, 0x7F), (18, 0x41), (16, 0xFF)] {
            var changed = bytes
            changed[offset] = UInt8(value)
            #expect(throws: limit) { try PNGFile.decode(changed) }
        }
        // 16384 x 16384 keeps to the side limit, not to the pixel limit.
        bytes.replaceSubrange(16..<24, with: [0, 0, 0x40, 0, 0, 0, 0x40, 0])
        #expect(throws: limit) { try PNGFile.decode(bytes) }
    }

    @Test("changed bytes never do more than throw")
    func mutations() throws {
        var random = SeededGenerator(seed: 7)
        let texts = [PNGFile.Text(keyword: "a", value: "bcd"), .init(keyword: "e", value: "ü")]
        var seeds = Self.cases.map { Array($0.png) }
        seeds.append(try PNGFile.encode(picture(9, 7), texts: texts))
        var read = 0
        for round in 0..<6000 {
            var bytes = seeds[round % seeds.count]
            for _ in 0...Int(random.next() % 4) {
                let index = 8 + Int(random.next() % UInt64(bytes.count - 8))
                switch random.next() % 4 {
                case 0: bytes[index] = UInt8(truncatingIfNeeded: random.next())
                case 1: bytes[index] ^= 1 << UInt8(random.next() % 8)
                case 2: bytes.removeSubrange(index..<min(bytes.count, index + 1 + Int(random.next() % 9)))
                default: bytes.insert(contentsOf: [UInt8](repeating: 0xFF, count: 4), at: index)
                }
                if bytes.count <= 8 { break }
            }
            // Half of them get right checksums, so that the damage reaches the decoder.
            if round % 2 == 0 { Self.repairChecksums(&bytes) }
            do {
                let png = try PNGFile.decode(bytes)
                read += 1
                #expect(png.pixels.bytes.count == png.pixels.dims.reduce(1, *))
            } catch {
                #expect(!error.description.isEmpty)
            }
        }
        #expect(read > 100)
    }

    /// Recomputes the checksum of each chunk whose length still fits.
    private static func repairChecksums(_ bytes: inout [UInt8]) {
        var at = 8
        while at + 12 <= bytes.count {
            let length = bytes[at..<(at + 4)].reduce(0) { $0 << 8 | Int($1) }
            guard at + 12 + length <= bytes.count else { return }
            var crc: UInt32 = .max
            for byte in bytes[(at + 4)..<(at + 8 + length)] {
                crc ^= UInt32(byte)
                for _ in 0..<8 { crc = crc & 1 == 1 ? crc >> 1 ^ 0xEDB8_8320 : crc >> 1 }
            }
            for index in 0..<4 { bytes[at + 8 + length + index] = UInt8(truncatingIfNeeded: ~crc >> (24 - 8 * index)) }
            at += 12 + length
        }
    }
}
