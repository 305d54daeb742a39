import Foundation
import Glibc
import HTTPProbe
import Testing

/// Log lines as JSON: each is one object, and those of a request can be found by its id.
@Suite(.timeLimit(.minutes(3))) struct LogFormatTests {
    private func lines(_ text: String) throws -> [[String: Any]] {
        try text.split(separator: "\n").map { line in
            try #require(
                try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any], "no JSON object: \(line)")
        }
    }

    @Test func everyLineIsAnObject() async throws {
        let cluster = try RunningCluster(arguments: ["--log-format", "json"])
        let port = try cluster.serverPort
        let answer = try await HTTPProbe.exchange(
            port: port, "POST", "/v1/images/generations",
            headers: ["content-type": "application/json", "x-request-id": "mine-1"],
            body: Array(#"{"prompt": "x", "num_inference_steps": 2}"#.utf8))
        #expect(answer.status == 200)
        // A path that is a message's worth of trouble: quotes and control characters.
        _ = try await HTTPProbe.exchange(port: port, "GET", "/%22%0a\"", headers: ["x-request-id": "mine-2"])
        let outcome = try cluster.end(SIGTERM)
        #expect(outcome.code == 0)
        let lines = try lines(outcome.errors)
        for line in lines {
            for name in ["time", "level", "logger", "message"] { #expect(line[name] is String, "\(line)") }
        }
        let mine = lines.filter { $0["request_id"] as? String == "mine-1" && $0["message"] as? String == "answered" }
        #expect(mine.count == 1, "\(lines)")
        #expect(mine.first?["route"] as? String == "/v1/images/generations" && mine.first?["status"] as? Int == 200)
        #expect((mine.first?["bytes"] as? Int ?? 0) == answer.body.count)
        #expect((mine.first?["seconds"] as? Double ?? 0) > 0)
        #expect(lines.contains { $0["request_id"] as? String == "mine-2" && $0["status"] as? Int == 404 })
        #expect(lines.contains { ($0["message"] as? String)?.contains(" is ready at ") == true })
    }

    @Test func wrongFormatsAreRefused() throws {
        let outcome = try CommandLineTool.run(["up", "cluster.yaml"], environment: ["TESSERA_LOG_FORMAT": "xml"])
        #expect(outcome.code == 2 && outcome.errors.contains("TESSERA_LOG_FORMAT is json or text, not 'xml'"))
    }
}
