import Coordinator
import Foundation
import HTTPProbe
import Server
import Testing

/// Models, health, metrics, the page, and what there is not.
@Suite(.timeLimit(.minutes(10))) struct OperationRouteTests {
    private func get(_ port: Int, _ path: String) async throws -> HTTPAnswer {
        try await HTTPProbe.exchange(port: port, "GET", path)
    }

    @Test func theModelIsListed() async throws {
        try await serving(FakeService()) { port in
            let list = try await get(port, "/v1/models")
            let object = #"{"created":1700000000,"id":"demo","object":"model","owned_by":"tessera"}"#
            #expect(list.text == #"{"data":[\#(object)],"object":"list"}"#)
            #expect(try await get(port, "/v1/models/de%6Do").text == object)
            let other = try await get(port, "/v1/models/gpt%2Fimage")
            #expect(other.status == 404 && other.error["code"] as? String == "model_not_found")
            #expect((other.error["message"] as? String)?.contains("gpt/image") == true)
        }
    }

    @Test func otherPathsAndMethodsAreNamed() async throws {
        try await serving(FakeService()) { port in
            let nowhere = try await get(port, "/v1/images/poems")
            #expect(nowhere.status == 404 && nowhere.error["code"] as? String == "not_found")
            let wrong = try await get(port, "/v1/images/generations")
            #expect(wrong.status == 405 && wrong.headers["allow"] == "POST")
            #expect(wrong.error["code"] as? String == "method_not_allowed")
            let odd = try await HTTPProbe.exchange(port: port, "BREW", "/healthz")
            #expect(odd.status == 405 || odd.status == 400)
        }
    }

    @Test func aPlainRequestIDIsKept() async throws {
        try await serving(FakeService()) { port in
            for (own, isKept) in [("abc-1._", true), ("a b", false), (String(repeating: "x", count: 65), false)] {
                let answer = try await HTTPProbe.exchange(
                    port: port, "GET", "/healthz", headers: ["x-request-id": own])
                #expect((answer.headers["x-request-id"] == own) == isKept, "\(own)")
            }
        }
    }

    @Test func readinessHasReasons() async throws {
        let service = FakeService()
        try await serving(service) { port in
            let states: [(ServiceStatus.State, Int, String)] = [
                (.ready, 200, #"{"status":"ready"}"#),
                (.loading("3 of 7"), 503, #"{"reason":"3 of 7","status":"loading"}"#),
                (.stopping("it ends"), 503, #"{"reason":"it ends","status":"stopping"}"#),
                (.failed("lost"), 503, #"{"reason":"lost","status":"failed"}"#),
            ]
            for (state, status, body) in states {
                service.set(state)
                let answer = try await get(port, "/readyz")
                #expect(answer.status == status && answer.text == body)
                // The process lives all the same.
                #expect(try await get(port, "/healthz").status == 200)
            }
        }
    }

    @Test(arguments: [true, false])
    func progressIsTold(isStalled: Bool) async throws {
        let service = FakeService(waits: true)
        try await serving(service, stallLimit: isStalled ? .zero : .seconds(600)) { port in
            let idle = try await get(port, "/health/progress")
            #expect(idle.status == 200 && idle.json["status"] as? String == "idle")
            #expect(idle.json["last_progress_seconds"] is NSNull)
            let events = try await service.place(PictureOrder(GenerationRequest(prompt: "x")))
            let busy = try await get(port, "/health/progress")
            #expect(busy.status == (isStalled ? 503 : 200))
            #expect(busy.json["status"] as? String == (isStalled ? "stalled" : "ok"))
            #expect(busy.json["running"] as? Int == 1 && busy.json["waiting"] as? Int == 0)
            service.letGo()
            for try await _ in events {}
            // The last event comes a moment before the queue is free again.
            while await service.queue.status.running > 0 { try await Task.sleep(for: .milliseconds(1)) }
            #expect(try await get(port, "/health/progress").json["status"] as? String == "idle")
        }
    }

    @Test func metricsArePrometheusText() async throws {
        let service = FakeService()
        try await serving(service) { port in
            #expect(try await generate(port, #"{"prompt": "x", "n": 2}"#).status == 200)
            #expect(try await generate(port, "{}").status == 400)
            _ = try await get(port, "/nowhere")
            while await service.queue.status.running > 0 { try await Task.sleep(for: .milliseconds(1)) }
            let answer = try await get(port, "/metrics")
            #expect(answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8")
            let lines = Set(answer.text.split(separator: "\n").map(String.init))
            for line in [
                "tessera_ready 1", "tessera_requests_running 0", "tessera_requests_waiting 0",
                #"tessera_requests_total{state="completed"} 1"#, "tessera_pictures_total 2",
                #"tessera_worker_sent_bytes_total{peer="w0",worker="w1"} 5"#,
                #"tessera_worker_ready{rank="1",worker="w1"} 1"#,
                #"tessera_worker_memory_limit_bytes{rank="1",worker="w1"} 1073741824"#,
                #"tessera_info{cluster="demo",mesh="guidance=2 model=2",model="demo",version="0.1.0"} 1"#,
                "tessera_request_duration_seconds_count 1", #"tessera_queue_duration_seconds_bucket{le="+Inf"} 1"#,
                #"tessera_http_requests_total{method="POST",route="/v1/images/generations",status="200"} 1"#,
                #"tessera_http_requests_total{method="POST",route="/v1/images/generations",status="400"} 1"#,
                #"tessera_http_requests_total{method="other",route="other",status="404"} 1"#,
                "# TYPE tessera_request_duration_seconds histogram", "# TYPE tessera_requests_total counter",
            ] { #expect(lines.contains(line), "\(line) is not in\n\(answer.text)") }
            for line in lines where !line.hasPrefix("#") {
                #expect(line.wholeMatch(of: /[a-z_]+(\{.*\})? [0-9.e+-]+/) != nil, "\(line)")
            }
        }
    }

    @Test func connectionsAreKeptBetweenSmallRequests() async throws {
        try await serving(FakeService()) { port in
            let statuses = try await HTTPProbe.blocking {
                let probe = try HTTPProbe(port: port)
                return try (0..<3).map { _ in
                    try probe.send("GET", "/healthz")
                    return try probe.answer().status
                }
            }
            #expect(statuses == [200, 200, 200])
        }
    }

    @Test(arguments: [
        "GARBAGE\r\n\r\n", "GET / HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n",
        "POST /v1/images/generations HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
            + "transfer-encoding: chunked\r\n\r\nzz\r\n",
        "GET / HTTP/1.1\r\nhost: x\r\nx: \(String(repeating: "y", count: 100_000))\r\n\r\n",
    ])
    func whatIsNoHTTPEndsTheConnectionOnly(text: String) async throws {
        try await serving(FakeService()) { port in
            try await HTTPProbe.blocking {
                let probe = try HTTPProbe(port: port)
                do {
                    try probe.send(Array(text.utf8))
                    let answer = try probe.answer()
                    guard answer.status == 400 || answer.status == 431 else {
                        throw HTTPProbeError("status \(answer.status) for \(text.prefix(60))")
                    }
                } catch let error as HTTPProbeError where error.isHangUp {
                    return
                }
            }
            #expect(try await get(port, "/healthz").status == 200)
        }
    }
}
