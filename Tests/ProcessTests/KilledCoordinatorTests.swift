import Foundation
import Glibc
import HTTPProbe
import Testing

/// A coordinator that is killed in the middle of its jobs, and the next one.
@Suite(.timeLimit(.minutes(5)), .serialized) struct KilledCoordinatorTests {
    private static let count = 20

    private func post(_ port: Int, _ path: String, _ json: String) async throws -> HTTPAnswer {
        try await HTTPProbe.exchange(
            port: port, "POST", path, headers: ["content-type": "application/json"], body: Array(json.utf8))
    }

    private func get(_ port: Int, _ path: String) async throws -> HTTPAnswer {
        try await HTTPProbe.exchange(port: port, "GET", path)
    }

    /// What is ordered: prompts, steps and, every fourth time, a variation of a picture, differ.
    private func settings(_ index: Int) -> String {
        #""prompt": "a \#(index % 2 == 0 ? "red circle" : "blue square") \#(index)", "num_inference_steps": \#(8 + index % 3)"#
    }

    private func states(_ port: Int) async throws -> [String: Int] {
        let jobs = try await get(port, "/v1/jobs?limit=100").json["data"] as? [[String: Any]] ?? []
        return jobs.reduce(into: [:]) { $0[$1["state"] as? String ?? "", default: 0] += 1 }
    }

    @Test func everyAcceptedJobIsFinishedOnceWithTheSamePixels() async throws {
        let atelier = try Atelier()
        let file = atelier.path("jobs.sqlite")
        let first = try RunningCluster(jobs: file)
        let ports = (control: first.port, server: try first.serverPort)
        let source = try await post(ports.server, "/v1/images/generations", #"{"prompt": "a red circle", "seed": 1}"#)
        let image = try #require((source.json["data"] as? [[String: Any]])?.first?["b64_json"] as? String)
        var ids: [String] = []
        for index in 0..<Self.count {
            let picture = index % 4 == 3 ? #", "kind": "variation", "image": "\#(image)""# : ""
            let answer = try await post(ports.server, "/v1/jobs", "{\(settings(index))\(picture)}")
            try #require(answer.status == 202, "\(answer.text)")
            ids.append(try #require(answer.json["id"] as? String))
        }
        while try await states(ports.server)["completed", default: 0] < 3 {}
        #expect(first.workers.count == 4)
        // Its workers end with it: `end` checks that none of its processes is left.
        #expect(try first.end(SIGKILL).code == 128 + SIGKILL)

        // The next one takes the same ports at once.
        let second = try RunningCluster(jobs: file, ports: ports)
        let before = try await states(ports.server)
        #expect(before["completed", default: 0] >= 3, "\(before)")
        while try await states(ports.server)["completed"] != Self.count {}
        let made = try await metric("tessera_requests_total{state=\"completed\"}", ports.server)
        #expect(made + before["completed", default: 0] >= Self.count)
        #expect(made <= Self.count - 3, "what was finished is not made again")
        for (index, id) in ids.enumerated() {
            let job = try await get(ports.server, "/v1/jobs/\(id)").json
            let kept = try await get(ports.server, "/v1/jobs/\(id)/results/0")
            #expect(kept.status == 200)
            // The same order without an interruption, with the seed that was chosen when the job was accepted.
            let seed = try #require((job["settings"] as? [String: Any])?["seed"] as? Int)
            let again = try await alone(index, seed: seed, image: image, ports.server)
            #expect(again == kept.body, "job \(index)")
        }
        #expect(try second.end(SIGTERM).code == 0)
    }

    /// The picture of an order of the same settings, made while its client waits.
    private func alone(_ index: Int, seed: Int, image: String, _ port: Int) async throws -> Data {
        let answer: HTTPAnswer
        if index % 4 == 3 {
            var body = Data()
            let prompt = "a \(index % 2 == 0 ? "red circle" : "blue square") \(index)"
            let fields = [("prompt", prompt), ("seed", "\(seed)"), ("num_inference_steps", "\(8 + index % 3)")]
            for (name, value) in fields {
                body += Data("--edge\r\ncontent-disposition: form-data; name=\"\(name)\"\r\n\r\n\(value)\r\n".utf8)
            }
            let head = "--edge\r\ncontent-disposition: form-data; name=\"image\"; filename=\"a.png\"\r\n\r\n"
            body += Data(head.utf8) + (Data(base64Encoded: image) ?? Data()) + Data("\r\n--edge--\r\n".utf8)
            answer = try await HTTPProbe.exchange(
                port: port, "POST", "/v1/images/variations",
                headers: ["content-type": "multipart/form-data; boundary=edge"], body: Array(body))
        } else {
            answer = try await post(port, "/v1/images/generations", "{\(settings(index)), \"seed\": \(seed)}")
        }
        let data = answer.json["data"] as? [[String: Any]]
        return try #require(Data(base64Encoded: data?.first?["b64_json"] as? String ?? ""), "\(answer.text)")
    }

    private func metric(_ name: String, _ port: Int) async throws -> Int {
        let lines = try await get(port, "/metrics").text.split(separator: "\n")
        return lines.first { $0.hasPrefix(name + " ") }.flatMap { Int($0.split(separator: " ").last ?? "") } ?? 0
    }

    @Test func aJobsFileHasOneServer() throws {
        let atelier = try Atelier()
        let file = atelier.path("jobs.sqlite")
        let cluster = try RunningCluster(jobs: file)
        let settings = ["control.port=0", "server.port=0", "server.jobs=\(file)"]
        let outcome = try ObservedCommand.run(["up", "cluster.yaml"] + settings.flatMap { ["--set", $0] })
        #expect(outcome.code == 78)
        #expect(outcome.errors.contains("\(file) is in use by another process: stop that one"), "\(outcome.errors)")
        #expect(try cluster.end(SIGTERM).code == 0)
    }
}
