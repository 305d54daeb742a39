import Coordinator
import Foundation
import HTTPProbe
import Server
import Tensor
import Testing

/// `response_format: url`, and variations.
@Suite(.timeLimit(.minutes(10))) struct ResultRouteTests {
    private func urls(_ answer: HTTPAnswer) throws -> [String] {
        try #require(answer.status == 200, "\(answer.text)")
        let data = try #require(answer.json["data"] as? [[String: Any]])
        #expect(data.allSatisfy { $0.count == 1 })
        return try data.map { try #require($0["url"] as? String) }
    }

    @Test func picturesAreAtTheirAddressesForAWhile() async throws {
        let (service, clock) = (FakeService(), FakeClock())
        let drawer = try Drawer()
        let keys = drawer.path("keys")
        try Data("a sha256:\(KeyRing.hash("one"))\n".utf8).write(to: URL(filePath: keys))
        try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: keys)
        try await serving(service, keysPath: keys, results: .init(seconds: 60), clock: clock) { port in
            let answer = try await generate(
                port, #"{"prompt": "x", "n": 2, "response_format": "url"}"#, headers: ["authorization": "Bearer one"])
            let urls = try urls(answer)
            #expect(urls.count == 2 && Set(urls).count == 2)
            for (index, url) in urls.enumerated() {
                // The probe says who it believes the server to be; who has the address needs no key.
                #expect(url.hasPrefix("http://127.0.0.1/v1/images/img_") && url.hasSuffix("/content"))
                let path = String(url.dropFirst("http://127.0.0.1".count))
                let picture = try await get(port, path)
                #expect(try Array(picture.body) == FakeService.square(UInt8(100 + index)))
                #expect(picture.headers["content-type"] == "image/png")
                #expect(picture.headers["x-content-type-options"] == "nosniff")
                #expect(picture.headers["cache-control"] == "private, max-age=60, immutable")
            }
            let paths = urls.map { String($0.dropFirst("http://127.0.0.1".count)) }
            clock.advance(by: 59.5)
            for path in paths {
                #expect(try await get(port, path).headers["cache-control"] == "private, max-age=0, immutable")
            }
            let digits = String(repeating: "0", count: 32)
            for wrong in ["img_x", "job_" + digits, "img_" + digits] {
                #expect(try await get(port, "/v1/images/\(wrong)/content").status == 404)
            }
            // It is listed as a job that is over.
            let list = try await get(port, "/v1/jobs", headers: ["authorization": "Bearer one"])
            #expect((list.json["data"] as? [[String: Any]])?.map { $0["state"] as? String } == ["completed"])
            clock.advance(by: 1)
            for path in paths {
                let gone = try await get(port, path)
                #expect(gone.status == 404 && gone.error["code"] as? String == "picture_not_found")
            }
        }
        withExtendedLifetime(drawer) {}
    }

    @Test func addressesAreWhatClientsCallTheServer() async throws {
        let order = #"{"prompt": "x", "response_format": "url"}"#
        try await serving(FakeService()) { port in
            func base(_ host: String) async throws -> String {
                let probe = try HTTPProbe(port: port)
                let body = Array(order.utf8)
                try probe.send(
                    Array(
                        ("POST /v1/images/generations HTTP/1.1\r\nhost: \(host)\r\ncontent-type: application/json\r\n"
                            + "content-length: \(body.count)\r\n\r\n").utf8) + body)
                let url = try urls(try await HTTPProbe.blocking { try probe.answer() })[0]
                return url.components(separatedBy: "/v1/")[0]
            }
            let named = try await base("[::1]:8000")
            #expect(named == "http://[::1]:8000")
            #expect(try await base("pictures.example.org:8000") == "http://pictures.example.org:8000")
            #expect(try await base("a\"b<c>") == "http://localhost")
        }
        try await serving(FakeService(), publicURL: "https://p.example.org/t") { port in
            let url = try urls(try await generate(port, order))[0]
            #expect(url.hasPrefix("https://p.example.org/t/v1/images/img_"))
        }
    }

    @Test func oldPicturesMakeRoomForNewOnes() async throws {
        let size = try FakeService.square(100).count
        try await serving(FakeService(), results: .init(byteCount: size * 2)) { port in
            var paths: [String] = []
            for _ in 0..<4 {
                let url = try urls(try await generate(port, #"{"prompt": "x", "response_format": "url"}"#))[0]
                paths.append(String(url.dropFirst("http://127.0.0.1".count)))
            }
            // The last prune may come after its answer.
            while try await get(port, paths[1]).status != 404 {}
            let found = try await [0, 1, 2, 3].asyncMap { try await get(port, paths[$0]).status }
            #expect(found == [404, 404, 200, 200])
        }
    }

    @Test func aVariationNeedsAPictureOnly() async throws {
        let service = FakeService()
        try await serving(service) { port in
            func post(_ build: (inout Form) throws -> Void) async throws -> HTTPAnswer {
                var form = Form()
                try build(&form)
                return try await HTTPProbe.exchange(
                    port: port, "POST", "/v1/images/variations", headers: Form.headers, body: form.finished)
            }
            let plain = try await post { $0.add("image", file: "a.png", try FakeService.square(7)) }
            #expect(plain.status == 200 && (plain.json["data"] as? [[String: Any]])?.count == 1, "\(plain.text)")
            let full = try await post {
                $0.add("image", file: "a.png", try FakeService.square(7))
                for (name, value) in [
                    ("n", "2"), ("size", "256x256"), ("response_format", "url"), ("user", "u"), ("model", "demo"),
                    ("prompt", "p"), ("strength", "0.75"), ("seed", "5"), ("num_inference_steps", "3"),
                    ("guidance_scale", "2"), ("temperature", "1"), ("negative_prompt", "q"),
                ] { $0.add(name, value) }
            }
            #expect(try urls(full).count == 2)
            let missing = try await post { $0.add("n", "1") }
            #expect(missing.error["param"] as? String == "image")
            for (name, value) in [("stream", "true"), ("style", "vivid"), ("background", "opaque"), ("x", "1")] {
                let wrong = try await post {
                    $0.add("image", file: "a.png", try FakeService.square(7))
                    $0.add(name, value)
                }
                #expect(wrong.status == 400 && wrong.error["code"] as? String == "unknown_field", "\(name)")
            }
            let masked = try await post {
                $0.add("image", file: "a.png", try FakeService.square(7))
                $0.add("mask", file: "m.png", try FakeService.square(7))
            }
            #expect(masked.error["param"] as? String == "mask")
        }
        let requests = service.placed.map(\.request)
        #expect(requests.map(\.prompts) == [[""], ["p"]] && requests.map(\.editing?.strength) == [0.5, 0.75])
        guard case .variation(let image, _)? = requests[0].editing else { throw HTTPProbeError("no variation") }
        #expect(image.dims == [4, 4, 3] && image.bytes.allSatisfy { $0 == 7 })
        #expect(requests[1].picturesPerPrompt == 2 && requests[1].seed == 5 && requests[1].steps == 3)
    }
}

extension Array {
    fileprivate func asyncMap<Value>(_ body: (Element) async throws -> Value) async rethrows -> [Value] {
        var values: [Value] = []
        for element in self { values.append(try await body(element)) }
        return values
    }
}
