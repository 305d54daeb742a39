import Coordinator
import Foundation
import HTTPProbe
import Server
import TestSupport
import Testing

/// `/v1/jobs` and what is below it, over a socket, without a cluster.
@Suite(.timeLimit(.minutes(10))) struct JobRouteTests {
    /// What can be asked of a job.
    private static let calls = [
        ("GET", ""), ("GET", "/events"), ("GET", "/results/0"), ("POST", "/cancel"), ("DELETE", ""),
    ]

    private func id(_ answer: HTTPAnswer) throws -> String {
        // A job may be over before it is looked at for its answer.
        try #require(answer.status == 202 || answer.json["state"] as? String == "completed", "\(answer.text)")
        return try #require(answer.json["id"] as? String)
    }

    private func post(_ port: Int, _ path: String, headers: [String: String] = [:]) async throws -> HTTPAnswer {
        try await HTTPProbe.exchange(port: port, "POST", path, headers: headers)
    }

    @Test func aJobIsMadeWhileNobodyWaits() async throws {
        let service = FakeService(waits: true)
        try await serving(service) { port in
            let posted = try await postJob(
                port,
                #"""
                {"prompt": "a fox", "n": 2, "seed": 18446744073709551615, "size": "256x512", "negative_prompt": "b",
                 "num_inference_steps": 4, "guidance_scale": 2.5, "temperature": 1.5, "partial_images": 1}
                """#)
            let id = try id(posted)
            #expect(posted.headers["location"] == "/v1/jobs/\(id)" && Job.isID(id, prefix: "job_"))
            #expect(posted.json["state"] as? String == "queued" && posted.json["object"] as? String == "job")
            let second = try self.id(try await postJob(port, #"{"prompt": "x"}"#))
            let waiting = try await get(port, "/v1/jobs/\(second)")
            #expect(waiting.json["queue_position"] as? Int == 1 && waiting.json["error"] is NSNull)
            let early = try await get(port, "/v1/jobs/\(id)/results/0")
            #expect(early.status == 409 && early.error["code"] as? String == "job_not_completed")
            service.letGo()
            let done = try await job(port, id, in: "completed")
            let settings = try #require(done["settings"] as? [String: Any])
            #expect(settings["seed"] as? UInt64 == .max && settings["prompt"] as? String == "a fox")
            #expect(settings["size"] as? String == "256x512" && settings["num_inference_steps"] as? Int == 4)
            #expect(done["size"] as? String == "4x4")
            #expect((done["usage"] as? [String: Any])?["output_tokens"] as? Int == 32)
            #expect(done["started_at"] is Int && done["finished_at"] is Int && done["queue_position"] is NSNull)
            let results = try #require(done["results"] as? [[String: Any]])
            #expect(results.count == 2)
            for (index, result) in results.enumerated() {
                let picture = try await get(port, try #require(result["path"] as? String))
                #expect(try Array(picture.body) == FakeService.square(UInt8(100 + index)))
                #expect(picture.headers["content-type"] == "image/png")
                #expect(picture.headers["cache-control"]?.hasPrefix("private, max-age=") == true)
                let tag = try #require(picture.headers["etag"])
                let again = try await get(
                    port, "/v1/jobs/\(id)/results/\(index)", headers: ["if-none-match": "\"x\", W/\(tag)"])
                #expect(again.status == 304 && again.body.isEmpty && again.headers["etag"] == tag)
            }
            #expect(try await get(port, "/v1/jobs/\(id)/results/2").status == 404)
            _ = try await job(port, second, in: "completed")
        }
        #expect(service.placed.first?.previewCount == 1)
    }

    @Test func listsAreBounded() async throws {
        try await serving(FakeService(queueLimit: 50)) { port in
            var ids: [String] = []
            for index in 0..<25 { ids.append(try id(try await postJob(port, #"{"prompt": "\#(index)"}"#))) }
            func page(_ query: String) async throws -> (ids: [String], hasMore: Bool) {
                let answer = try await get(port, "/v1/jobs" + query)
                #expect(answer.json["object"] as? String == "list")
                let data = answer.json["data"] as? [[String: Any]] ?? []
                let ids = data.compactMap { $0["id"] as? String }
                #expect(answer.json["first_id"] as? String == ids.first)
                #expect(answer.json["last_id"] as? String == ids.last)
                return (ids, answer.json["has_more"] as? Bool == true)
            }
            let first = try await page("")
            #expect(first.ids == Array(ids.reversed().prefix(20)) && first.hasMore)
            let rest = try await page("?after=\(first.ids[19])&limit=100")
            #expect(rest.ids == Array(ids.reversed().suffix(5)) && !rest.hasMore)
            #expect(try await page("?limit=25").hasMore == false)
            for wrong in ["?limit=0", "?limit=101", "?limit=x", "?after=x", "?state=queued"] {
                #expect(try await get(port, "/v1/jobs\(wrong)").status == 400, "\(wrong)")
            }
        }
    }

    @Test func aCancelledJobIsNotMade() async throws {
        let service = FakeService(waits: true)
        try await serving(service) { port in
            let running = try id(try await postJob(port, #"{"prompt": "running"}"#))
            let queued = try id(try await postJob(port, #"{"prompt": "queued"}"#))
            var life = service.life.makeAsyncIterator()
            #expect(await life.next() == .started("running"))
            for id in [queued, running, running] {
                let answer = try await post(port, "/v1/jobs/\(id)/cancel")
                #expect(answer.status == 200 && answer.json["state"] as? String == "cancelled", "\(answer.text)")
            }
            #expect(await life.next() == .cancelled("running"))
            let last = try id(try await postJob(port, #"{"prompt": "last"}"#))
            service.letGo()
            #expect(await life.next() == .started("last"))
            _ = try await job(port, last, in: "completed")
            let late = try await post(port, "/v1/jobs/\(last)/cancel")
            #expect(late.status == 409 && late.error["code"] as? String == "job_completed")
            #expect(late.headers["x-should-retry"] == "false")
            #expect(try await get(port, "/v1/jobs/\(queued)/results/0").status == 409)
        }
    }

    @Test func aDeletedJobIsGone() async throws {
        let service = FakeService(waits: true)
        try await serving(service) { port in
            let running = try id(try await postJob(port, #"{"prompt": "running"}"#))
            var life = service.life.makeAsyncIterator()
            #expect(await life.next() == .started("running"))
            let answer = try await HTTPProbe.exchange(port: port, "DELETE", "/v1/jobs/\(running)")
            #expect(answer.status == 200 && answer.json["deleted"] as? Bool == true)
            #expect(await life.next() == .cancelled("running"))
            for (method, path) in Self.calls {
                let gone = try await HTTPProbe.exchange(port: port, method, "/v1/jobs/\(running)\(path)")
                #expect(gone.status == 404 && gone.error["code"] as? String == "job_not_found", "\(gone.text)")
            }
            service.letGo()
            let done = try id(try await postJob(port, #"{"prompt": "x"}"#))
            _ = try await job(port, done, in: "completed")
            #expect(try await HTTPProbe.exchange(port: port, "DELETE", "/v1/jobs/\(done)").status == 200)
            #expect(try await get(port, "/v1/jobs/\(done)/results/0").status == 404)
            let wrong = try await HTTPProbe.exchange(port: port, "DELETE", "/v1/jobs")
            #expect(wrong.status == 405 && wrong.headers["allow"] == "GET, POST")
        }
    }

    @Test func eventsBeginWithTheStateAndEndWithTheEnd() async throws {
        let service = FakeService(waits: true)
        try await serving(service) { port in
            let id = try id(try await postJob(port, #"{"prompt": "x", "partial_images": 3, "n": 2}"#))
            let probe = try HTTPProbe(port: port)
            try probe.send("GET", "/v1/jobs/\(id)/events")
            let head = try await HTTPProbe.blocking { try probe.head() }
            #expect(head.headers["content-type"]?.hasPrefix("text/event-stream") == true)
            let first = try #require(try await HTTPProbe.blocking { try probe.chunk() })
            service.letGo()
            let rest = try await HTTPProbe.blocking { try probe.chunksToTheEnd() }
            let events = try EventStreamTests.events(String(decoding: first + rest, as: UTF8.self))
            #expect(
                events.map(\.name) == [
                    "job.queued", "job.generating", "job.partial_image", "job.generating", "job.partial_image",
                    "job.generating", "job.partial_image", "job.generating", "job.completed",
                ])
            #expect(events.allSatisfy { $0.object["id"] as? String == id && $0.object["type"] as? String == $0.name })
            #expect(events[1].object["step"] as? Int == 1 && events[1].object["steps"] as? Int == 4)
            #expect(events[1].object["seconds_left"] as? Double == 3)
            #expect(events[2].object["picture"] as? Int == 0 && events[2].object["size"] as? String == "4x4")
            let end = try #require(events.last?.object["job"] as? [String: Any])
            #expect(end["state"] as? String == "completed" && (end["results"] as? [Any])?.count == 2)
            // Of one that is over, there is the end.
            let late = try EventStreamTests.events(try await get(port, "/v1/jobs/\(id)/events").text)
            #expect(late.map(\.name) == ["job.completed"])
        }
    }

    @Test func whoLooksAwayDoesNotEndAJob() async throws {
        let service = FakeService(waits: true)
        try await serving(service) { port in
            let id = try id(try await postJob(port, #"{"prompt": "x"}"#))
            let probe = try HTTPProbe(port: port)
            try probe.send("GET", "/v1/jobs/\(id)/events")
            _ = try await HTTPProbe.blocking { try probe.chunkAfterHead() }
            probe.hangUp()
            service.letGo()
            _ = try await job(port, id, in: "completed")
        }
    }

    @Test func whatFailsSaysWhy() async throws {
        try await serving(FakeService()) { port in
            let id = try id(try await postJob(port, #"{"prompt": "lost"}"#))
            let failed = try await job(port, id, in: "failed")
            let error = try #require(failed["error"] as? [String: Any])
            #expect(error["code"] as? String == "callFailed" && error["type"] as? String == "server_error")
            #expect("\(failed)".contains("secret") == false)
            let events = try EventStreamTests.events(try await get(port, "/v1/jobs/\(id)/events").text)
            #expect(events.map(\.name) == ["job.failed"])
        }
    }

    @Test func aJobBelongsToItsKey() async throws {
        let drawer = try Drawer()
        let keys = drawer.path("keys")
        let lines = "a sha256:\(KeyRing.hash("one"))\nb sha256:\(KeyRing.hash("two"))\n"
        try Data(lines.utf8).write(to: URL(filePath: keys))
        try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: keys)
        try await serving(FakeService(), keysPath: keys) { port in
            let (one, two) = (["authorization": "Bearer one"], ["authorization": "Bearer two"])
            #expect(try await postJob(port, #"{"prompt": "x"}"#).status == 401)
            let id = try id(try await postJob(port, #"{"prompt": "x"}"#, headers: one))
            _ = try await job(port, id, in: "completed", headers: one)
            for (method, path) in Self.calls {
                let url = "/v1/jobs/\(id)\(path)"
                #expect(try await HTTPProbe.exchange(port: port, method, url, headers: two).status == 404, "\(path)")
                #expect(try await HTTPProbe.exchange(port: port, method, url).status == 401, "\(path)")
            }
            for path in ["/v1/jobs", "/v1/jobs?after=\(id)"] {
                #expect((try await get(port, path, headers: two).json["data"] as? [Any])?.isEmpty == true)
            }
            #expect((try await get(port, "/v1/jobs", headers: one).json["data"] as? [Any])?.count == 1)
            #expect(try await get(port, "/v1/jobs/\(id)/results/0", headers: one).status == 200)
        }
        withExtendedLifetime(drawer) {}
    }

    @Test func aFullQueueTakesNoJobs() async throws {
        let service = FakeService(queueLimit: 1, waits: true)
        try await serving(service) { port in
            _ = try id(try await postJob(port, #"{"prompt": "a"}"#))
            _ = try id(try await postJob(port, #"{"prompt": "b"}"#))
            let refused = try await postJob(port, #"{"prompt": "c"}"#)
            #expect(refused.status == 429 && refused.headers["retry-after"] != nil)
            #expect((try await get(port, "/v1/jobs").json["data"] as? [Any])?.count == 2)
        }
    }

    @Test func editsAndVariationsBringTheirPictures() async throws {
        let service = FakeService()
        let square = Data(try FakeService.square(9)).base64EncodedString()
        try await serving(service) { port in
            for body in [
                #"{"kind": "variation", "image": "\#(square)", "strength": 0.25}"#,
                #"{"kind": "edit", "prompt": "e", "image": "data:image/png;base64,\#(square)"}"#,
            ] {
                let id = try id(try await postJob(port, body))
                let done = try await job(port, id, in: "completed")
                #expect(((done["usage"] as? [String: Any])?["input_tokens"] as? Int) == 21)
            }
        }
        #expect(service.placed.map(\.request.editing?.strength) == [0.25, 0.5])
        #expect(service.placed.map(\.request.prompts) == [[""], ["e"]])
    }

    /// Body, status, code and param.
    static let wrong: [(body: String, status: Int, code: String, param: String?)] = [
        ("", 400, "invalid_json", nil), ("{}", 400, "missing_field", "prompt"),
        (#"{"prompt": "x", "kind": "poem"}"#, 400, "invalid_value", "kind"),
        (#"{"prompt": "x", "kind": 1}"#, 400, "invalid_type", "kind"),
        (#"{"prompt": "x", "image": "AAAA"}"#, 400, "unsupported_value", "image"),
        (#"{"prompt": "x", "strength": 0.5}"#, 400, "unsupported_value", "strength"),
        (#"{"prompt": "x", "kind": "edit"}"#, 400, "missing_field", "image"),
        (#"{"prompt": "x", "kind": "edit", "image": "!"}"#, 400, "invalid_image", "image"),
        (#"{"prompt": "x", "kind": "edit", "image": "AAAA"}"#, 400, "invalid_image", "image"),
        (#"{"prompt": "x", "kind": "edit", "image": 7}"#, 400, "invalid_type", "image"),
        (#"{"kind": "edit", "image": "AAAA"}"#, 400, "missing_field", "prompt"),
        (#"{"kind": "variation", "image": "AAAA", "mask": "AAAA"}"#, 400, "unsupported_value", "mask"),
        (#"{"prompt": "x", "stream": true}"#, 400, "unknown_field", "stream"),
        (#"{"prompt": "x", "response_format": "url"}"#, 400, "unknown_field", "response_format"),
        (#"{"prompt": "x", "partial_images": 4}"#, 400, "invalid_value", "partial_images"),
        (#"{"prompt": "x", "size": "100x100"}"#, 400, "invalid_value", "size"),
        (#"{"prompt": "x", "model": "y"}"#, 404, "model_not_found", "model"),
    ]

    @Test func whatIsWrongIsNamed() async throws {
        try await serving(FakeService()) { port in
            for (body, status, code, param) in Self.wrong {
                let answer = try await postJob(port, body)
                #expect(answer.status == status, "\(body): \(answer.text)")
                #expect(answer.error["code"] as? String == code, "\(body): \(answer.text)")
                #expect(answer.error["param"] as? String == param, "\(body): \(answer.text)")
            }
            #expect((try await get(port, "/v1/jobs").json["data"] as? [Any])?.isEmpty == true)
            #expect(try await postJob(port, "{}", headers: ["content-type": "text/plain"]).status == 415)
        }
    }

    /// Paths and bodies of all kinds get an answer below 500.
    @Test func nothingThatIsSentBreaksIt() async throws {
        try await serving(FakeService(queueLimit: 1000)) { port in
            var generator = SeededGenerator(seed: 7)
            let good = try id(try await postJob(port, #"{"prompt": "x"}"#))
            let pieces = [
                "", "/", good, "job_", "%00", "%ff", "..", "results", "0", "-1", "99999999999999999999", "events",
                "cancel", "content", "a%20b", "';%20DROP%20TABLE%20job;%20--", "?limit=1", "?after=" + good, "&",
                "img_" + String(repeating: "0", count: 32), String(repeating: "x", count: 2000),
            ]
            for _ in 0..<150 {
                let count = Int.random(in: 0..<4, using: &generator)
                let path = (0..<count).map { _ in "/" + (pieces.randomElement(using: &generator) ?? "") }.joined()
                let method = ["GET", "POST", "DELETE"].randomElement(using: &generator) ?? "GET"
                let root = ["/v1/jobs", "/v1/images"].randomElement(using: &generator) ?? ""
                let answer = try await HTTPProbe.exchange(port: port, method, root + path)
                #expect((200..<500).contains(answer.status), "\(method) \(root)\(path): \(answer.text)")
            }
            let text = Array(#"{"kind": "edit", "prompt": "x", "image": "iVBORw0KGgo=", "n": 2, "seed": 7}"#.utf8)
            for _ in 0..<150 {
                var body = text
                for _ in 0..<Int.random(in: 1..<6, using: &generator) {
                    let index = Int.random(in: 0..<body.count, using: &generator)
                    body[index] = UInt8.random(in: 0...255, using: &generator)
                }
                let answer = try await HTTPProbe.exchange(
                    port: port, "POST", "/v1/jobs", headers: ["content-type": "application/json"],
                    body: Array(body.prefix(Int.random(in: 0...body.count, using: &generator))))
                #expect((200..<500).contains(answer.status), "\(answer.text)")
            }
        }
    }
}

extension HTTPProbe {
    /// Reads the head and the first piece of a body in chunks.
    fileprivate func chunkAfterHead() throws -> Data? {
        _ = try head()
        return try chunk()
    }

    fileprivate func chunksToTheEnd() throws -> Data {
        var data = Data()
        while let chunk = try chunk() { data += chunk }
        return data
    }
}
