import Coordinator
import Foundation
import HTTPProbe
import Server
import Tensor
import Testing

/// `POST /v1/images/edits`: forms, files and masks.
@Suite(.timeLimit(.minutes(10))) struct EditRouteTests {
    /// 4 x 4 pixels with alpha; the left half fully transparent.
    static let halfMask =
        "iVBORw0KGgoAAAANSUhEUgAAAAQAAAAECAYAAACp8Z5+AAAAFElEQVR42mMQUDBggOL/IMxAugAAsG8N+VeuwmYAAA"
        + "AASUVORK5CYII="

    private func edit(_ port: Int, _ form: Form) async throws -> HTTPAnswer {
        try await HTTPProbe.exchange(
            port: port, "POST", "/v1/images/edits", headers: Form.headers, body: form.finished)
    }

    private func form(prompt: String? = "x") throws -> Form {
        var form = Form()
        if let prompt { form.add("prompt", prompt) }
        form.add("image", file: "a.png", try FakeService.square(9))
        return form
    }

    @Test func aPictureIsVaried() async throws {
        let service = FakeService()
        try await serving(service) { port in
            var form = try form()
            form.add("n", "2")
            form.add("seed", "7")
            form.add("size", "8x8")
            form.add("strength", "0.25")
            form.add("guidance_scale", "")
            let answer = try await edit(port, form)
            #expect(answer.status == 200, "\(answer.text)")
            let usage = try #require(answer.json["usage"] as? [String: Any])
            #expect((usage["input_tokens_details"] as? [String: Any])?["image_tokens"] as? Int == 16)
        }
        let request = try #require(service.placed.first?.request)
        #expect(request.picturesPerPrompt == 2 && request.seed == 7 && request.width == 8)
        let image = HostTensor(dtype: .u8, dims: [4, 4, 3], bytes: [UInt8](repeating: 9, count: 48))
        #expect(request.editing == .variation(image: image, strength: 0.25))
    }

    @Test func aPhotographIsVaried() async throws {
        let service = FakeService()
        let rgb = HostTensor(dtype: .u8, dims: [8, 4, 3], bytes: [UInt8](repeating: 130, count: 96))
        try await serving(service) { port in
            var form = Form()
            form.add("prompt", "x")
            form.add("image", file: "a.jpg", try PictureFormat(.jpeg).encode(rgb))
            let answer = try await edit(port, form)
            #expect(answer.status == 200, "\(answer.text)")
        }
        #expect(service.placed.first?.request.editing == .variation(image: rgb, strength: 0.5))
    }

    @Test func transparentPixelsOfAMaskArePainted() async throws {
        let service = FakeService()
        let mask = try #require(Data(base64Encoded: Self.halfMask))
        try await serving(service) { port in
            var form = try form()
            form.add("mask", file: "m.png", Array(mask))
            let answer = try await edit(port, form)
            #expect(answer.status == 200, "\(answer.text)")
            // Without a mask the picture's own transparent pixels are meant.
            var alone = Form()
            alone.add("prompt", "x")
            alone.add("image[]", file: "m.png", Array(mask))
            #expect(try await edit(port, alone).status == 200)
        }
        for order in service.placed {
            guard case .inpainting(_, let hidden, let strength) = order.request.editing else {
                Issue.record("no inpainting")
                continue
            }
            #expect(strength == 1 && hidden.dims == [4, 4])
            #expect(hidden.bytes == [255, 255, 0, 0, 255, 255, 0, 0, 255, 255, 0, 0, 255, 255, 0, 0])
        }
        #expect(service.placed.count == 2)
    }

    @Test func streamsHaveEditEvents() async throws {
        try await serving(FakeService()) { port in
            var form = try form()
            form.add("stream", "true")
            form.add("partial_images", "1")
            let answer = try await edit(port, form)
            let names = try EventStreamTests.events(answer.text).map(\.name)
            #expect(names == ["image_edit.partial_image", "image_edit.completed"])
        }
    }

    @Test func whatIsWrongIsNamed() async throws {
        let square = try FakeService.square(9)
        let large = try PNGFile.encode(
            HostTensor(dtype: .u8, dims: [5, 4, 3], bytes: [UInt8](repeating: 1, count: 60)))
        // A header that promises more pixels than anybody has memory for.
        let bomb = Array(square[..<16]) + [0, 1, 0, 0, 0, 1, 0, 0] + Array(square[24...])
        var cases: [(name: String, form: Form, status: Int, code: String, param: String?)] = []
        func add(
            _ name: String, _ status: Int, _ code: String, _ param: String?, prompt: String? = "x",
            _ change: (inout Form) -> Void
        ) throws {
            var form = Form()
            if let prompt { form.add("prompt", prompt) }
            change(&form)
            cases.append((name, form, status, code, param))
        }
        try add("no image", 400, "missing_field", "image") { _ in }
        try add("no prompt", 400, "missing_field", "prompt", prompt: nil) { $0.add("image", file: "a", square) }
        try add("no file", 400, "invalid_type", "image") { $0.add("image", "text") }
        try add("two images", 400, "unsupported_value", "image") {
            $0.add("image[]", file: "a", square)
            $0.add("image[]", file: "b", square)
        }
        try add("no PNG", 400, "invalid_image", "image") { $0.add("image", file: "a", Array("GIF89a".utf8)) }
        try add("cut PNG", 400, "invalid_image", "image") { $0.add("image", file: "a", Array(square.dropLast(20))) }
        try add("bomb", 413, "too_large", "image") { $0.add("image", file: "a", bomb) }
        try add("mask without alpha", 400, "invalid_image", "mask") {
            $0.add("image", file: "a", square)
            $0.add("mask", file: "m", square)
        }
        try add("mask of another size", 400, "invalid_image", "mask") {
            $0.add("image", file: "a", square)
            $0.add("mask", file: "m", large)
        }
        try add("unknown file", 400, "unknown_field", "picture") { $0.add("picture", file: "a", square) }
        try add("unknown field", 400, "unknown_field", "style") {
            $0.add("image", file: "a", square)
            $0.add("style", "vivid")
        }
        try add("strength", 400, "invalid_value", "strength") {
            $0.add("image", file: "a", square)
            $0.add("strength", "2")
        }
        try add("twice", 400, "invalid_value", "seed") {
            $0.add("image", file: "a", square)
            $0.add("seed", "1")
            $0.add("seed", "1")
        }
        let fixed = cases
        try await serving(FakeService(), limits: .init(pixels: 1 << 20)) { port in
            for entry in fixed {
                let answer = try await edit(port, entry.form)
                #expect(answer.status == entry.status, "\(entry.name): \(answer.text)")
                #expect(answer.error["code"] as? String == entry.code, "\(entry.name): \(answer.text)")
                #expect(answer.error["param"] as? String == entry.param, "\(entry.name): \(answer.text)")
            }
        }
    }

    @Test func bodiesAreBounded() async throws {
        try await serving(FakeService(), limits: .init(bodyByteCount: 16 << 10)) { port in
            var form = Form()
            form.add("prompt", String(repeating: "x", count: 20 << 10))
            let announced = try await edit(port, form)
            #expect(announced.status == 413 && announced.error["code"] as? String == "too_large")
            // Chunks that do not say how many there will be.
            let whole = form.finished
            let body = Array("\(String(whole.count, radix: 16))\r\n".utf8) + whole + Array("\r\n0\r\n\r\n".utf8)
            let chunked = try await HTTPProbe.blocking {
                let probe = try HTTPProbe(port: port)
                try probe.send(
                    "POST", "/v1/images/edits",
                    headers: Form.headers.merging(["transfer-encoding": "chunked"]) { $1 })
                try probe.send(body)
                return try probe.answer()
            }
            #expect(chunked.status == 413)
            #expect(try await HTTPProbe.exchange(port: port, "GET", "/healthz").status == 200)
        }
    }
}
