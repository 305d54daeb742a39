import Coordinator
import Foundation
import HTTPProbe
import Tensor
import Testing

@testable import Server

/// Pictures as JPEG files, wherever they are given out.
@Suite(.timeLimit(.minutes(2))) struct PictureFormatTests {
    /// A gradient, which compresses well, with one hard edge, which does not.
    private static let picture: HostTensor = {
        var bytes: [UInt8] = []
        for row in 0..<48 {
            for column in 0..<64 { bytes += [UInt8(4 * column), row < 24 ? 200 : 20, UInt8(5 * row)] }
        }
        return HostTensor(dtype: .u8, dims: [48, 64, 3], bytes: bytes)
    }()

    @Test func qualitySaysHowMuchIsKept() throws {
        let files = try [0, 10, 50, 89, 90, 100].map {
            try PictureFormat(.jpeg, quality: $0).encode(Self.picture, texts: [.init(keyword: "a", value: "{\"b\":1}")])
        }
        for file in files {
            #expect(file.starts(with: [0xFF, 0xD8, 0xFF]) && file.suffix(2) == [0xFF, 0xD9])
            #expect(PictureKind.size(of: file).map { [$0.width, $0.height] } == [64, 48])
            // The comment is a segment FF FE with its length, two bytes included (ITU-T T.81, B.2.4.5).
            #expect(file.firstRange(of: [0xFF, 0xFE, 0, 9] + Array("{\"b\":1}".utf8)) != nil)
        }
        let sizes = files.map(\.count)
        #expect(sizes == sizes.sorted() && Set(sizes).count == sizes.count)
        // Sampling factors of the first component in the frame header: 2 x 2 below 90, 1 x 1 from there on.
        let factors = files.map { file in
            file.firstRange(of: [0xFF, 0xC0]).map { file[$0.lowerBound + 11] }
        }
        #expect(factors == [0x22, 0x22, 0x22, 0x22, 0x11, 0x11])
        let twice = try (0..<2).map { _ in try PictureFormat(.jpeg, quality: 50).encode(Self.picture) }
        #expect(twice[0] == twice[1])
    }

    @Test func longCommentsGoIntoSeveralSegments() throws {
        let text = String(repeating: "x", count: 70_000)
        let file = try PictureFormat(.jpeg).encode(Self.picture, texts: [.init(keyword: "a", value: text)])
        #expect(file.count { $0 == UInt8(ascii: "x") } >= 70_000)
        #expect(PictureKind.size(of: file).map { [$0.width, $0.height] } == [64, 48])
    }

    /// What is cut off or damaged has no size, or a wrong one, and harms nobody.
    @Test func sizesAreReadOfAnything() throws {
        let file = try PictureFormat(.jpeg, quality: 50).encode(Self.picture)
        for count in 0..<file.count { _ = PictureKind.size(of: Array(file.prefix(count))) }
        var random = SystemRandomNumberGenerator()
        for _ in 0..<2000 {
            var broken = file
            for _ in 0..<8 {
                broken[Int.random(in: 3..<200, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            _ = PictureKind.size(of: broken)
        }
        #expect(PictureKind.size(of: [0xFF, 0xD8, 0xFF, 0xE0, 0, 0]) == nil)
    }

    @Test func answersAndStreamsSayWhatTheyHold() async throws {
        let service = FakeService()
        let jpeg = PictureFormat(.jpeg, quality: 40)
        let fields = #""prompt": "x", "output_format": "jpeg", "output_compression": 40"#
        try await serving(service) { port in
            let answer = try await generate(port, "{\(fields)}")
            #expect(answer.json["output_format"] as? String == "jpeg")
            let data = try #require((answer.json["data"] as? [[String: Any]])?.first?["b64_json"] as? String)
            let square = try FakeService.square(100, jpeg)
            #expect(Data(base64Encoded: data) == Data(square))
            let stream = try await generate(port, "{\(fields), \"stream\": true, \"partial_images\": 2}")
            let events = try EventStreamTests.events(stream.text)
            #expect(events.count == 3)
            for (index, event) in events.enumerated() {
                #expect(event.object["output_format"] as? String == "jpeg" && event.object["size"] as? String == "4x4")
                let bytes = try #require(Data(base64Encoded: event.object["b64_json"] as? String ?? ""))
                let square = try FakeService.square(index == 2 ? 100 : UInt8(index + 1), jpeg)
                #expect(bytes == Data(square))
            }
        }
        #expect(service.placed.map(\.format) == [jpeg, jpeg])
    }

    @Test func keptFilesHaveTheirTypeAndName() async throws {
        let drawer = try Drawer()
        let fields = #""prompt": "x", "output_format": "jpeg""#
        try await serving(FakeService(), store: try DatabaseJobStore(path: drawer.path("jobs.sqlite"))) { port in
            let made = try await generate(port, "{\(fields), \"response_format\": \"url\"}")
            let url = try #require((made.json["data"] as? [[String: Any]])?.first?["url"] as? String)
            let file = try await get(port, try #require(URL(string: url)?.path))
            #expect(file.headers["content-type"] == "image/jpeg" && file.headers["etag"] != nil)
            let square = try FakeService.square(100, PictureFormat(.jpeg))
            #expect(file.body == Data(square))
            let id = try #require(try await postJob(port, "{\(fields)}").json["id"] as? String)
            let done = try await job(port, id, in: "completed")
            let result = try #require((done["results"] as? [[String: Any]])?.first)
            #expect(result["content_type"] as? String == "image/jpeg")
            let settings = try #require(done["settings"] as? [String: Any])
            #expect(settings["output_format"] as? String == "jpeg" && settings["output_compression"] as? Int == 100)
            let picture = try await get(port, "/v1/jobs/\(id)/results/0")
            #expect(picture.headers["content-type"] == "image/jpeg")
            #expect(picture.headers["content-disposition"] == "inline; filename=\"\(id)-0.jpg\"")
        }
    }

    /// A job's format survives the process, and jobs of older files are PNG.
    @Test func ordersAreKeptWithTheirFormat() throws {
        let order = PictureOrder(.init(prompt: "x"), format: PictureFormat(.jpeg, quality: 7))
        let stored = try JSONDecoder().decode(StoredOrder.self, from: JSONEncoder().encode(StoredOrder(order)))
        #expect(try stored.order(nil).format == order.format)
        var old = try #require(
            try JSONSerialization.jsonObject(with: JSONEncoder().encode(StoredOrder(order))) as? [String: Any])
        old["format"] = nil
        let read = try JSONDecoder().decode(StoredOrder.self, from: JSONSerialization.data(withJSONObject: old))
        #expect(try read.order(nil).format == .png)
    }
}
