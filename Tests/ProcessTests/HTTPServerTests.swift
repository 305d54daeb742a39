import Foundation
import Glibc
import HTTPProbe
import Testing

/// The HTTP server of a real cluster, from its first answer to its last.
@Suite(.timeLimit(.minutes(5)), .serialized) struct HTTPServerTests {
    /// 64 x 64 pixels, grey and alpha; the left half fully transparent.
    private static let leftMask =
        "iVBORw0KGgoAAAANSUhEUgAAAEAAAABACAQAAAAAYLlVAAAAPUlEQVR42u3OMQEAAAzCMPyb3kRw8KQ1kKTtygEAAAAAAAAA"
        + "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAADWgAec7fhqG6a8iAAAAABJRU5ErkJggg=="

    private func generate(_ port: Int, _ json: String) async throws -> HTTPAnswer {
        try await HTTPProbe.exchange(
            port: port, "POST", "/v1/images/generations", headers: ["content-type": "application/json"],
            body: Array(json.utf8))
    }

    private func picture(_ answer: HTTPAnswer) throws -> Data {
        try #require(answer.status == 200, "\(answer.text)")
        let data = try #require(answer.json["data"] as? [[String: Any]])
        return try #require(Data(base64Encoded: data.first?["b64_json"] as? String ?? ""))
    }

    /// One cluster, in the order of a day: pictures for both kinds of clients, an edit, a stream, a full queue, the end.
    @Test func servesTheImagesAPI() async throws {
        let atelier = try Atelier()
        let cluster = try RunningCluster()
        let port = try cluster.serverPort
        #expect(try await HTTPProbe.exchange(port: port, "GET", "/readyz").text == #"{"status":"ready"}"#)
        let list = try await HTTPProbe.exchange(port: port, "GET", "/v1/models")
        let model = try #require((list.json["data"] as? [[String: Any]])?.first?["id"] as? String)

        // The same order by HTTP and on the control port: the same file.
        let order = #"{"prompt": "a red circle", "model": "\#(model)", "seed": 7, "num_inference_steps": 3}"#
        let answer = try await generate(port, order)
        let served = try picture(answer)
        let path = atelier.path("cli.png")
        let outcome = try CommandLineTool.run([
            "generate", "a red circle", "--seed", "7", "--steps", "3", "-o", path, "--set",
            "control.port=\(cluster.port)",
        ])
        #expect(outcome.code == 0, "\(outcome.errors)")
        #expect(try served == Data(contentsOf: URL(filePath: path)))
        let usage = try #require(answer.json["usage"] as? [String: Any])
        #expect((usage["output_tokens"] as? Int ?? 0) > 0 && (usage["input_tokens"] as? Int ?? 0) > 3)

        // Its left half anew, by a mask.
        let mask = try #require(Data(base64Encoded: Self.leftMask))
        let edited = try await edit(port, image: served, mask: mask)
        #expect(try picture(edited) != served)

        let stream = try await generate(
            port,
            #"""
            {"prompt": "a red circle", "seed": 7, "num_inference_steps": 3, "stream": true, "partial_images": 2}
            """#)
        let names = stream.text.split(separator: "\n").filter { $0.hasPrefix("event: ") }
        #expect(
            names == [
                "event: image_generation.partial_image", "event: image_generation.partial_image",
                "event: image_generation.completed",
            ])
        #expect(stream.text.contains(served.base64EncodedString()))

        let metrics = try await HTTPProbe.exchange(port: port, "GET", "/metrics").text
        #expect(metrics.contains("tessera_requests_total{state=\"completed\"} 4\n"), "\(metrics)")
        try await leave(port)
        try await end(cluster, port)
    }

    /// Clients that hang up in the middle of a thousand steps do not keep the cluster.
    private func leave(_ port: Int) async throws {
        for isStream in [true, false] {
            let probe = try HTTPProbe(port: port)
            let body = #"{"prompt": "x", "size": "128x128", "num_inference_steps": 1000, "stream": \#(isStream)}"#
            try probe.send(
                "POST", "/v1/images/generations", headers: ["content-type": "application/json"], body: Array(body.utf8))
            var isRunning = false
            while !isRunning {
                let progress = try await HTTPProbe.exchange(port: port, "GET", "/health/progress")
                isRunning = progress.json["running"] as? Int == 1
            }
            probe.hangUp()
            #expect(try await generate(port, #"{"prompt": "x", "num_inference_steps": 2}"#).status == 200)
        }
    }

    /// After SIGTERM the picture in progress is still made, others are told, and everything ends.
    private func end(_ cluster: RunningCluster, _ port: Int) async throws {
        async let last = generate(port, #"{"prompt": "x", "size": "128x128", "num_inference_steps": 60}"#)
        while try await HTTPProbe.exchange(port: port, "GET", "/health/progress").json["running"] as? Int != 1 {}
        cluster.signal(SIGTERM)
        try cluster.command.waitForLine("stopping after the picture in progress")
        let late = try await generate(port, #"{"prompt": "x"}"#)
        #expect(late.status == 503 && late.error["code"] as? String == "stopping", "\(late.text)")
        #expect(try await last.status == 200)
        let outcome = try cluster.command.finish()
        #expect(outcome.code == 0, "\(outcome.errors)")
    }

    private func edit(_ port: Int, image: Data, mask: Data) async throws -> HTTPAnswer {
        var body = Data()
        for (name, value) in [("prompt", "a blue square"), ("seed", "3"), ("num_inference_steps", "3")] {
            body += Data("--edge\r\ncontent-disposition: form-data; name=\"\(name)\"\r\n\r\n\(value)\r\n".utf8)
        }
        for (name, file) in [("image", image), ("mask", mask)] {
            body += Data(
                "--edge\r\ncontent-disposition: form-data; name=\"\(name)\"; filename=\"\(name).png\"\r\n\r\n".utf8)
            body += file + Data("\r\n".utf8)
        }
        return try await HTTPProbe.exchange(
            port: port, "POST", "/v1/images/edits", headers: ["content-type": "multipart/form-data; boundary=edge"],
            body: Array(body + Data("--edge--\r\n".utf8)))
    }
}
