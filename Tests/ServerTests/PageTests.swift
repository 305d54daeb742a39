import Coordinator
import Foundation
import HTTPProbe
import Server
import Testing

/// The web page's files, and the cluster's state that it shows.
@Suite(.timeLimit(.minutes(10))) struct PageTests {
    private func get(_ port: Int, _ path: String, _ headers: [String: String] = [:]) async throws -> HTTPAnswer {
        try await HTTPProbe.exchange(port: port, "GET", path, headers: headers)
    }

    /// Paths of this server that a file names in quotes.
    private func references(in text: String) -> Set<String> {
        Set(text.matches(of: /"(\/page\/[^"]+)"/).map { String($0.1) })
    }

    @Test func thePageNeedsNothingFromElsewhere() async throws {
        try await serving(FakeService()) { port in
            let page = try await get(port, "/")
            #expect(page.status == 200 && page.headers["content-type"] == "text/html; charset=utf-8")
            #expect(page.headers["content-security-policy"]?.hasPrefix("default-src 'none'") == true)
            #expect(page.headers["content-security-policy"]?.contains("unsafe") == false)
            #expect(!page.text.contains("http://") && !page.text.contains("https://"))
            // The policy forbids inline scripts, handlers and styles.
            #expect(page.text.matches(of: /\s(on[a-z]+|style)=/).isEmpty && !page.text.contains("<script>"))
            for label in [
                "prompt", "negative", "seed", "width", "height", "steps", "guidance", "temperature", "count",
                "strength",
                "key",
            ] {
                #expect(page.text.contains("for=\"\(label)\"") && page.text.contains("id=\"\(label)\""), "\(label)")
            }
            var (seen, left) = (Set<String>(), references(in: page.text))
            while let path = left.popFirst() {
                seen.insert(path)
                let file = try await get(port, path)
                #expect(file.status == 200 && file.headers["x-content-type-options"] == "nosniff", "\(path)")
                let types = ["js": "text/javascript", "css": "text/css", "svg": "image/svg+xml"]
                let type = types[path.split(separator: ".").last.map(String.init) ?? ""] ?? "unknown"
                #expect(file.headers["content-type"]?.hasPrefix(type) == true, "\(path)")
                #expect(!file.text.replacing("http://www.w3.org/2000/svg", with: "").contains("http"), "\(path)")
                left.formUnion(references(in: file.text).subtracting(seen))
            }
            #expect(seen.count == 11)
            #expect(try await get(port, "/page/nothing.js").status == 404)
        }
    }

    @Test func aKnownFileIsNotSentAgain() async throws {
        try await serving(FakeService()) { port in
            let tag = try #require(try await get(port, "/page/main.js").headers["etag"])
            let again = try await get(port, "/page/main.js", ["if-none-match": tag])
            #expect(again.status == 304 && again.text.isEmpty)
            #expect(try await get(port, "/page/form.js", ["if-none-match": tag]).status == 200)
        }
    }

    @Test func theClusterIsTold() async throws {
        try await serving(FakeService()) { port in
            let answer = try await get(port, "/v1/cluster")
            #expect(answer.status == 200 && answer.headers["cache-control"] == "no-store")
            let cluster = answer.json
            #expect(cluster["state"] as? String == "ready" && cluster["reason"] is NSNull)
            #expect(cluster["epoch"] as? Int == 2)
            let model = cluster["model"] as? [String: Any]
            #expect(model?["id"] as? String == "demo" && model?["size_multiple"] as? Int == 4)
            let queue = cluster["queue"] as? [String: Any]
            #expect(queue?["waiting"] as? Int == 0 && queue?["last_progress_seconds"] is NSNull)
            let workers = try #require(cluster["workers"] as? [[String: Any]])
            #expect(workers.map { $0["coordinates"] as? [Int] } == [[0, 0], [0, 1], [1, 0], [1, 1]])
            let running = workers[1]["running"] as? [String: Any]
            #expect(running?["program"] as? String == "step" && running?["step"] as? Int == 2)
            #expect(workers[1]["sent_bytes"] as? [Int] == [5, 0, 0, 0] && workers[0]["running"] is NSNull)
            let incidents = try #require(cluster["incidents"] as? [[String: Any]])
            #expect(incidents.count == 1 && incidents[0]["loss"] as? String == "ended with signal 9")
            #expect(incidents[0]["seconds_ago"] as? Double == 7 && incidents[0]["seconds_away"] is NSNull)
            let memory = workers[1]["memory"] as? [String: Any]
            #expect(memory?["limit_bytes"] as? Int == 1 << 30)
        }
    }

    @Test func theClusterAsksForAKey() async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "keys-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let file = folder.appending(path: "keys.txt").path
        let hash = String(repeating: "0", count: 64)
        #expect(
            FileManager.default.createFile(
                atPath: file, contents: Data("a sha256:\(hash)\n".utf8), attributes: [.posixPermissions: 0o600]))
        try await serving(FakeService(), keysPath: file) { port in
            for (path, status) in [("/v1/cluster", 401), ("/", 200), ("/page/api.js", 200)] {
                let answer = try await get(port, path)
                #expect(answer.status == status, "\(path)")
            }
        }
    }
}
