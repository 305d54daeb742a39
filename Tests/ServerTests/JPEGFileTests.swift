import Foundation
import Tensor
import TestSupport
import Testing

@testable import Server

@Suite struct JPEGFileTests {
    struct Cases: Decodable {
        struct Case: Decodable {
            var name: String
            var jpeg: Data
            var dims: [Int]
            var pixels: Data
        }
        var cases: [Case]
    }

    static let cases: [Cases.Case] = {
        let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appendingPathComponent("Golden/Pictures/jpeg.json")
        do {
            return try JSONDecoder().decode(Cases.self, from: Data(contentsOf: file)).cases
        } catch {
            Issue.record("\(error)")
            return []
        }
    }()

    /// The largest difference between two bytes in the same place.
    private static func difference(_ left: [UInt8], _ right: [UInt8]) -> Int {
        var most = 0
        for (one, other) in zip(left, right) { most = max(most, abs(Int(one) - Int(other))) }
        return most
    }

    @Test("files of every kind are read, upright, as Pillow reads them")
    func goldens() throws {
        #expect(Self.cases.count == 27)
        for item in Self.cases {
            let picture = try DecodedPicture(file: Array(item.jpeg))
            #expect(picture.pixels.dims == item.dims, "\(item.name)")
            // Versions of the library differ by a level where colours are coarse.
            #expect(Self.difference(picture.pixels.bytes, Array(item.pixels)) <= 2, "\(item.name)")
            #expect(picture.transparency == nil && !picture.hasAlpha)
        }
    }

    @Test("what is written comes back nearly the same")
    func roundTrip() throws {
        let bytes = (0..<1860).map { (index: Int) -> UInt8 in UInt8(40 + index / 12) }
        let rgb = HostTensor(dtype: .u8, dims: [20, 31, 3], bytes: bytes)
        let read = try JPEGFile.decode(try PictureFormat(.jpeg, quality: 100).encode(rgb))
        #expect(read.pixels.dims == rgb.dims)
        #expect(Self.difference(read.pixels.bytes, bytes) <= 8)
    }

    @Test("files that end too early are damaged, not grey")
    func cutOff() throws {
        for item in Self.cases.prefix(6) {
            let file = Array(item.jpeg)
            for count in stride(from: 3, to: file.count - 2, by: 7) {
                let error = #expect(throws: PictureError.self, "\(item.name), \(count)") {
                    try JPEGFile.decode(Array(file[..<count]))
                }
                guard case .damaged(.jpeg, let reason) = error else {
                    Issue.record("\(item.name), \(count): \(String(describing: error))")
                    continue
                }
                #expect(!reason.isEmpty)
            }
        }
        #expect(throws: PictureError.unknownFormat) { try JPEGFile.decode([0xFF, 0xD8]) }
    }

    @Test("sizes beyond the limits are refused before anything is allocated")
    func limits() throws {
        var file = Array(try #require(Self.cases.first).jpeg)
        let frame = try #require(file.firstRange(of: [0xFF, 0xC0])).lowerBound
        file.replaceSubrange(frame + 5..<frame + 9, with: [0x40, 0x01, 0x00, 0x10])
        #expect(throws: PictureError.tooLarge) { try JPEGFile.decode(file) }
        // 16384 x 16384 keeps to the side limit, not to the pixel limit.
        file.replaceSubrange(frame + 5..<frame + 9, with: [0x40, 0x00, 0x40, 0x00])
        #expect(throws: PictureError.tooLarge) { try JPEGFile.decode(file) }
    }

    @Test("a file that repeats itself in very many scans is refused")
    func scans() throws {
        let file = Array(try #require(Self.cases.first { $0.name == "progressive" }).jpeg)
        let scan = try #require(file.firstRange(of: [0xFF, 0xDA])).lowerBound
        let next = try #require(file[(scan + 2)...].firstRange(of: [0xFF, 0xC4])).lowerBound
        var many = Array(file[..<scan])
        for _ in 0..<100 { many += file[scan..<next] }
        many += file[next...]
        let error = #expect(throws: PictureError.self) { try JPEGFile.decode(many) }
        guard case .damaged(.jpeg, _) = error else {
            Issue.record("\(String(describing: error))")
            return
        }
    }

    @Test("changed bytes never do more than throw")
    func mutations() throws {
        var random = SeededGenerator(seed: 11)
        var read = 0
        for round in 0..<4000 {
            var bytes = Array(Self.cases[round % Self.cases.count].jpeg)
            for _ in 0...Int(random.next() % 4) {
                let index = 3 + Int(random.next() % UInt64(bytes.count - 3))
                switch random.next() % 4 {
                case 0: bytes[index] = UInt8(truncatingIfNeeded: random.next())
                case 1: bytes[index] ^= 1 << UInt8(random.next() % 8)
                case 2: bytes.removeSubrange(index..<min(bytes.count, index + 1 + Int(random.next() % 9)))
                default: bytes.insert(contentsOf: [UInt8](repeating: 0xFF, count: 4), at: index)
                }
                if bytes.count <= 3 { break }
            }
            do {
                let picture = try JPEGFile.decode(bytes)
                read += 1
                #expect(picture.pixels.bytes.count == picture.pixels.dims.reduce(1, *))
            } catch {
                #expect(!error.description.isEmpty)
            }
        }
        #expect(read > 100)
    }
}
