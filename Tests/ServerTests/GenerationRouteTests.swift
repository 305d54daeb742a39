import Coordinator
import Foundation
import HTTPProbe
import Server
import Testing

/// `POST /v1/images/generations`, over a socket, without a cluster.
@Suite(.timeLimit(.minutes(10))) struct GenerationRouteTests {
    @Test func answersAsOpenAIDoes() async throws {
        let service = FakeService()
        try await serving(service) { port in
            let answer = try await generate(port, #"{"prompt": "a fox", "n": 2, "seed": 18446744073709551615}"#)
            #expect(answer.status == 200)
            #expect(answer.headers["content-type"] == "application/json")
            #expect(answer.headers["x-request-id"]?.hasPrefix("req_") == true)
            let data = try #require(answer.json["data"] as? [[String: Any]])
            let pictures = try data.map { try #require(Data(base64Encoded: $0["b64_json"] as? String ?? "")) }
            #expect(try pictures.map { Array($0) } == [FakeService.square(100), FakeService.square(101)])
            #expect(answer.json["output_format"] as? String == "png" && answer.json["size"] as? String == "4x4")
            #expect(answer.json["created"] as? Int ?? 0 > 1_600_000_000)
            #expect(answer.json["seed"] as? UInt64 == .max)
            let usage = try #require(answer.json["usage"] as? [String: Any])
            #expect(usage["input_tokens"] as? Int == 5 && usage["output_tokens"] as? Int == 32)
            #expect(usage["total_tokens"] as? Int == 37)
        }
    }

    @Test func everyFieldReachesTheOrder() async throws {
        let service = FakeService()
        try await serving(service) { port in
            let answer = try await generate(
                port,
                #"""
                {"prompt": "a \u00e4", "model": "demo", "n": 3, "size": "256x512", "quality": "auto", "seed": 9,
                 "response_format": "b64_json", "output_format": "png", "background": "opaque", "moderation": "low",
                 "user": "u", "stream": false, "partial_images": 0, "negative_prompt": "blur",
                 "num_inference_steps": 7, "guidance_scale": 2.5, "temperature": 1, "style": null}
                """#)
            #expect(answer.status == 200, "\(answer.text)")
        }
        let request = try #require(service.placed.first?.request)
        #expect(request.prompts == ["a ä"] && request.negativePrompt == "blur" && request.seed == 9)
        #expect(request.picturesPerPrompt == 3 && request.width == 256 && request.height == 512)
        #expect(request.steps == 7 && request.guidanceScale == 2.5 && request.temperature == TemperatureRange(1))
    }

    @Test func withoutASeedEveryOrderGetsItsOwn() async throws {
        let service = FakeService()
        try await serving(service) { port in
            for _ in 0..<3 { _ = try await generate(port, #"{"prompt": "x"}"#) }
        }
        #expect(Set(service.placed.map(\.request.seed)).count == 3)
    }

    @Test func whatTheUserShouldKnowIsSaid() async throws {
        try await serving(FakeService()) { port in
            let answer = try await generate(port, #"{"prompt": "long"}"#)
            #expect(answer.json["warnings"] as? [String] == ["cut"])
        }
    }

    /// Body, status, code and param.
    static let wrong: [(body: String, status: Int, code: String, param: String?)] = [
        ("", 400, "invalid_json", nil), ("[1]", 400, "invalid_json", nil),
        (#"{"prompt": "x""#, 400, "invalid_json", nil),
        (#"{"prompt": [[[[[[[[[[1]]]]]]]]]]}"#, 400, "invalid_json", nil),
        ("{}", 400, "missing_field", "prompt"), (#"{"prompt": 7}"#, 400, "invalid_type", "prompt"),
        (#"{"prompt": "x", "promt": "y"}"#, 400, "unknown_field", "promt"),
        (#"{"prompt": "x", "model": "dall-e-3"}"#, 404, "model_not_found", "model"),
        (#"{"prompt": "x", "n": 0}"#, 400, "invalid_value", "n"),
        (#"{"prompt": "x", "n": 11}"#, 400, "invalid_value", "n"),
        (#"{"prompt": "x", "n": true}"#, 400, "invalid_value", "n"),
        (#"{"prompt": "x", "n": "2"}"#, 400, "invalid_value", "n"),
        (#"{"prompt": "x", "n": 1.5}"#, 400, "invalid_value", "n"),
        (#"{"prompt": "x", "size": "big"}"#, 400, "invalid_value", "size"),
        (#"{"prompt": "x", "size": "1x2x3"}"#, 400, "invalid_value", "size"),
        (#"{"prompt": "x", "size": "0x99999999999999999999"}"#, 400, "invalid_value", "size"),
        (#"{"prompt": "x", "size": "100x100"}"#, 400, "invalid_value", "size"),
        (#"{"prompt": "x", "quality": "hd"}"#, 400, "unsupported_value", "quality"),
        (#"{"prompt": "x", "quality": "best"}"#, 400, "invalid_value", "quality"),
        (#"{"prompt": "x", "response_format": "url", "stream": true}"#, 400, "unsupported_value", "response_format"),
        (#"{"prompt": "x", "output_format": "webp"}"#, 400, "unsupported_value", "output_format"),
        (#"{"prompt": "x", "output_compression": 50}"#, 400, "unsupported_value", "output_compression"),
        (
            #"{"prompt": "x", "output_format": "png", "output_compression": 99}"#, 400, "unsupported_value",
            "output_compression"
        ),
        (
            #"{"prompt": "x", "output_format": "jpeg", "output_compression": 101}"#, 400, "invalid_value",
            "output_compression"
        ),
        (#"{"prompt": "x", "output_format": "gif"}"#, 400, "invalid_value", "output_format"),
        (#"{"prompt": "x", "background": "transparent"}"#, 400, "unsupported_value", "background"),
        (#"{"prompt": "x", "style": "vivid"}"#, 400, "unsupported_value", "style"),
        (#"{"prompt": "x", "stream": "yes"}"#, 400, "invalid_type", "stream"),
        (#"{"prompt": "x", "stream": true, "n": 2}"#, 400, "unsupported_value", "n"),
        (#"{"prompt": "x", "partial_images": 2}"#, 400, "unsupported_value", "partial_images"),
        (#"{"prompt": "x", "stream": true, "partial_images": 4}"#, 400, "invalid_value", "partial_images"),
        (#"{"prompt": "x", "seed": -1}"#, 400, "invalid_value", "seed"),
        (#"{"prompt": "x", "seed": 1.5}"#, 400, "invalid_value", "seed"),
        (#"{"prompt": "x", "num_inference_steps": 0}"#, 400, "invalid_value", "num_inference_steps"),
        (#"{"prompt": "x", "guidance_scale": -1}"#, 400, "invalid_value", "guidance_scale"),
        (#"{"prompt": "x", "temperature": 1e99}"#, 400, "invalid_value", "temperature"),
        (#"{"prompt": "x", "temperature": 1e999}"#, 400, "invalid_json", nil),
        (#"{"prompt": "\#(String(repeating: "x", count: 5000))"}"#, 400, "too_long", "prompt"),
        (#"{"prompt": "\#(String(repeating: "x", count: 300_000))"}"#, 413, "too_large", nil),
        (#"{"prompt": "lost"}"#, 500, "callFailed", nil),
    ]

    @Test func whatIsWrongIsNamed() async throws {
        let service = FakeService()
        try await serving(service) { port in
            for (body, status, code, param) in Self.wrong {
                let answer = try await generate(port, body)
                let shown = body.prefix(80)
                #expect(answer.status == status, "\(shown): \(answer.text)")
                #expect(answer.error["code"] as? String == code, "\(shown): \(answer.text)")
                #expect(answer.error["param"] as? String == param, "\(shown): \(answer.text)")
                #expect(answer.error["type"] as? String == (status == 500 ? "server_error" : "invalid_request_error"))
                #expect(answer.error.keys.contains("param") && !(answer.error["message"] as? String ?? "").isEmpty)
                #expect(answer.headers["x-should-retry"] == "false" && answer.headers["x-request-id"] != nil)
                #expect(!answer.text.contains("secret"))
            }
        }
    }

    @Test func otherContentTypesAreNotRead() async throws {
        try await serving(FakeService()) { port in
            let answer = try await generate(port, "{}", headers: ["content-type": "text/plain"])
            #expect(answer.status == 415 && answer.error["code"] as? String == "unsupported_media_type")
        }
    }

    @Test func aFullQueueSaysWhenToComeBack() async throws {
        let service = FakeService(queueLimit: 1, waits: true)
        try await serving(service) { port in
            async let first = generate(port, #"{"prompt": "1"}"#)
            var life = service.life.makeAsyncIterator()
            #expect(await life.next() == .started("1"))
            let events = try await service.place(PictureOrder(GenerationRequest(prompt: "2")))
            let answer = try await generate(port, #"{"prompt": "3"}"#)
            #expect(answer.status == 429 && answer.error["code"] as? String == "queue_full")
            #expect(answer.error["type"] as? String == "rate_limit_error")
            #expect((Int(answer.headers["retry-after"] ?? "") ?? 0) >= 1)
            #expect(answer.headers["x-should-retry"] == "true")
            service.letGo()
            #expect(try await first.status == 200)
            for try await _ in events {}
        }
    }

    @Test func aClientThatLeavesGivesItsOrderUp() async throws {
        let service = FakeService(waits: true)
        try await serving(service) { port in
            let probe = try HTTPProbe(port: port)
            try probe.send(
                "POST", "/v1/images/generations", headers: ["content-type": "application/json"],
                body: Array(#"{"prompt": "1"}"#.utf8))
            var life = service.life.makeAsyncIterator()
            #expect(await life.next() == .started("1"))
            probe.hangUp()
            #expect(await life.next() == .cancelled("1"))
        }
    }

    @Test func aServiceThatIsNotReadySaysWhy() async throws {
        let service = FakeService()
        try await serving(service) { port in
            service.set(.loading("the workers are starting"))
            let early = try await generate(port, #"{"prompt": "x"}"#)
            #expect(early.status == 503 && early.error["code"] as? String == "not_ready")
            #expect((early.error["message"] as? String)?.contains("the workers are starting") == true)
            #expect(early.headers["retry-after"] != nil)
            service.set(.stopping("it ends"))
            let late = try await generate(port, #"{"prompt": "x"}"#)
            #expect(late.status == 503 && late.error["code"] as? String == "stopping")
        }
    }

    @Test func whatRunsWhenTheServiceEndsIsAnswered() async throws {
        let service = FakeService(waits: true)
        try await serving(service) { port in
            async let running = generate(port, #"{"prompt": "1"}"#)
            var life = service.life.makeAsyncIterator()
            #expect(await life.next() == .started("1"))
            let waiting = try await service.place(PictureOrder(GenerationRequest(prompt: "2")))
            async let drained: Void = service.queue.drain(because: "it ends")
            await #expect(throws: OrderError.stopping("it ends")) { for try await _ in waiting {} }
            let late = try await generate(port, #"{"prompt": "3"}"#)
            #expect(late.status == 503)
            service.letGo()
            #expect(try await running.status == 200)
            await drained
        }
    }
}
