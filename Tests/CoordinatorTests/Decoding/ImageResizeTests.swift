import Coordinator
import Foundation
import Tensor
import Testing

@Suite struct ImageResizeTests {
    struct Cases: Decodable {
        struct Resize: Decodable {
            var source: Data
            var dims: [Int]
            var rows: Int
            var columns: Int
            var result: Data
        }
        struct Luma: Decodable {
            var dims: [Int]
            var source: Data
            var result: Data
        }
        var resizes: [Resize]
        var luma: Luma
    }

    private func cases() throws -> Cases {
        let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appendingPathComponent("Golden/Pictures/resize.json")
        return try JSONDecoder().decode(Cases.self, from: Data(contentsOf: file))
    }

    @Test("resizing gives Pillow's bytes")
    func lanczos() throws {
        for item in try cases().resizes {
            let source = HostTensor(dtype: .u8, dims: item.dims, bytes: Array(item.source))
            let result = ImageResize.lanczos(source, width: item.columns, height: item.rows)
            #expect(result.dims == [item.rows, item.columns] + item.dims.dropFirst(2))
            let same = result.bytes == Array(item.result)
            #expect(same, "\(item.dims) to \(item.rows), \(item.columns)")
        }
    }

    @Test("luma gives Pillow's bytes")
    func luma() throws {
        let luma = try cases().luma
        let result = ImageResize.luma(HostTensor(dtype: .u8, dims: luma.dims, bytes: Array(luma.source)))
        #expect(result.bytes == Array(luma.result))
    }

    @Test("a mask covers the tokens that are at least half white")
    func tokenMask() {
        let bytes = (0..<64).map { UInt8($0 % 8 < 4 ? 255 : 0) }
        let mask = HostTensor(dtype: .u8, dims: [8, 8], bytes: bytes)
        #expect(ImageResize.tokenMask(mask, rows: 2, columns: 2) == [true, false, true, false])
        let grey = HostTensor(dtype: .u8, dims: [1, 2], bytes: [127, 128])
        #expect(ImageResize.tokenMask(grey, rows: 1, columns: 2) == [false, true])
    }
}
