import Coordinator
import Foundation
import HTTPProbe
import Server
import Testing

/// Requests that come twice are served once.
@Suite(.timeLimit(.minutes(10))) struct IdempotencyTests {
    private static let keyed = ["idempotency-key": "order 7"]

    private func picture(_ answer: HTTPAnswer) throws -> String {
        try #require(answer.status == 200, "\(answer.text)")
        let data = try #require(answer.json["data"] as? [[String: Any]])
        return try #require(data.first?["b64_json"] as? String)
    }

    /// Sends an order, waits until it has begun, and hangs up.
    private func leave(
        _ port: Int, _ body: String, _ headers: [String: String], _ life: inout AsyncStream<FakeService.Life>.Iterator
    ) async throws {
        let probe = try HTTPProbe(port: port)
        try probe.send(
            "POST", "/v1/images/generations", headers: ["content-type": "application/json"].merging(headers) { $1 },
            body: Array(body.utf8))
        guard case .started = await life.next() else { throw HTTPProbeError("it did not start") }
        probe.hangUp()
    }

    @Test func aRepeatedOrderIsJoined() async throws {
        let service = FakeService(waits: true)
        try await serving(service) { port in
            var life = service.life.makeAsyncIterator()
            try await leave(port, #"{"prompt": "x"}"#, Self.keyed, &life)
            // In another notation, and as a stream's neighbour: the order has gone on without its client.
            async let again = generate(port, #"{ "prompt":"x" }"#, headers: Self.keyed)
            let other = try await generate(port, #"{"prompt": "y"}"#, headers: Self.keyed)
            #expect(other.status == 422 && other.error["code"] as? String == "idempotency_key_reused")
            #expect(other.headers["x-should-retry"] == "false" && other.error["param"] as? String == "Idempotency-Key")
            service.letGo()
            let first = try picture(try await again)
            // The stored answer, as the same order would give it: with the seed that it was made with.
            let stored = try await generate(port, #"{"prompt": "x"}"#, headers: Self.keyed)
            #expect(try picture(stored) == first)
            #expect(stored.json["seed"] as? UInt64 == service.placed[0].request.seed)
            #expect(try await again.json["seed"] as? UInt64 == service.placed[0].request.seed)
            #expect(try await generate(port, #"{"prompt": "y"}"#, headers: Self.keyed).status == 422)
            // Under another key it is another order.
            _ = try picture(try await generate(port, #"{"prompt": "x"}"#, headers: ["idempotency-key": "8"]))
        }
        #expect(service.placed.count == 2)
    }

    @Test func manyAtOnceAreOne() async throws {
        let service = FakeService(waits: true)
        try await serving(service) { port in
            let bodies = try await withThrowingTaskGroup(of: HTTPAnswer.self) { group in
                for _ in 0..<8 {
                    group.addTask { try await generate(port, #"{"prompt": "x", "n": 2}"#, headers: Self.keyed) }
                }
                var life = service.life.makeAsyncIterator()
                _ = await life.next()
                service.letGo()
                return try await group.reduce(into: Set<String>()) { $0.insert(try picture($1)) }
            }
            #expect(bodies.count == 1)
        }
        #expect(service.placed.count == 1)
    }

    @Test func aJobIsTakenOnce() async throws {
        let service = FakeService()
        try await serving(service) { port in
            let first = try await postJob(port, #"{"prompt": "x"}"#, headers: Self.keyed)
            let id = try #require(first.json["id"] as? String)
            let second = try await postJob(port, #"{"prompt": "x"}"#, headers: Self.keyed)
            #expect(second.json["id"] as? String == id && (200...202).contains(second.status))
            _ = try await job(port, id, in: "completed")
            let third = try await postJob(port, #"{"prompt": "x"}"#, headers: Self.keyed)
            #expect(third.status == 200 && third.json["state"] as? String == "completed")
            #expect(try await postJob(port, #"{"prompt": "y"}"#, headers: Self.keyed).status == 422)
            // Another route is another request.
            #expect(try await generate(port, #"{"prompt": "x"}"#, headers: Self.keyed).status == 422)
        }
        #expect(service.placed.count == 1)
    }

    @Test func failuresAreRepeatedAndCancelledOnesSaid() async throws {
        let service = FakeService(waits: true)
        try await serving(service) { port in
            async let failing = generate(port, #"{"prompt": "lost"}"#, headers: Self.keyed)
            var life = service.life.makeAsyncIterator()
            _ = await life.next()
            async let waiting = generate(port, #"{"prompt": "x"}"#, headers: ["idempotency-key": "c"])
            var jobs: [[String: Any]] = []
            while jobs.count < 2 { jobs = try await get(port, "/v1/jobs").json["data"] as? [[String: Any]] ?? [] }
            let id = try #require(jobs[0]["id"] as? String)
            #expect(try await HTTPProbe.exchange(port: port, "POST", "/v1/jobs/\(id)/cancel").status == 200)
            #expect(try await waiting.error["code"] as? String == "job_cancelled")
            let again = try await generate(port, #"{"prompt": "x"}"#, headers: ["idempotency-key": "c"])
            #expect(again.status == 409 && again.error["code"] as? String == "job_cancelled")
            #expect(again.headers["x-should-retry"] == "false")
            service.letGo()
            #expect(try await failing.error["code"] as? String == "callFailed")
            let repeated = try await generate(port, #"{"prompt": "lost"}"#, headers: Self.keyed)
            #expect(repeated.status == 500 && repeated.error["code"] as? String == "callFailed")
        }
        #expect(service.placed.count == 2)
    }

    /// A client's patience is its own time limit as often as it still comes; nobody is refused who can fetch the
    /// answer later, and what a request says itself goes before.
    @Test func aClientsPatienceIsItsOrdersDeadline() async throws {
        let service = FakeService()
        let limit = ["x-stainless-read-timeout": "5"]
        let plain = #"{"prompt": "x"}"#
        let cases: [(body: String, more: [String: String], deadline: Int?)] = [
            (plain, [:], 5), (plain, attempt(0), 15), (plain, attempt(1), 10), (plain, attempt(2), 5),
            (plain, attempt(9), 5), (plain, attempt(-1), 15), (plain, ["x-stainless-retry-count": "x"], 5),
            (plain, Self.keyed, nil), (plain, ["x-stainless-read-timeout": "soon"], nil),
            (plain, ["x-stainless-read-timeout": "nan"], nil), (plain, ["x-stainless-read-timeout": "-1"], nil),
            (#"{"prompt": "x", "stream": true}"#, attempt(0), nil),
            (#"{"prompt": "x", "deadline_seconds": 90, "priority": 3}"#, attempt(0), 90),
            (#"{"prompt": "x", "deadline_seconds": 2}"#, [:], 2),
        ]
        try await serving(service) { port in
            for one in cases {
                let answer = try await generate(port, one.body, headers: limit.merging(one.more) { $1 })
                #expect(answer.status == 200)
            }
        }
        #expect(service.placed.map(\.deadline) == cases.map { $0.deadline.map { .seconds($0) } })
        #expect(service.placed.map(\.priority).max() == 3)
    }

    @Test func refusedOrdersMayComeAgain() async throws {
        let service = FakeService()
        service.set(.loading("weights"))
        try await serving(service) { port in
            let refused = try await generate(port, #"{"prompt": "x"}"#, headers: Self.keyed)
            #expect(refused.status == 503)
            service.set(.ready)
            #expect(try await generate(port, #"{"prompt": "x"}"#, headers: Self.keyed).status == 200)
            #expect((try await get(port, "/v1/jobs").json["data"] as? [Any])?.count == 1)
        }
    }

    @Test func goneAnswersAreMadeAnew() async throws {
        let (service, clock) = (FakeService(), FakeClock())
        try await serving(service, results: .init(seconds: 60), clock: clock) { port in
            _ = try picture(try await generate(port, #"{"prompt": "x"}"#, headers: Self.keyed))
            clock.advance(by: 59)
            _ = try picture(try await generate(port, #"{"prompt": "x"}"#, headers: Self.keyed))
            #expect(service.placed.count == 1)
            clock.advance(by: 2)
            _ = try picture(try await generate(port, #"{"prompt": "x"}"#, headers: Self.keyed))
            #expect(service.placed.count == 2)
        }
    }

    @Test(arguments: ["", "ä", String(repeating: "x", count: 256)])
    func keysAreShortAndPlain(key: String) async throws {
        try await serving(FakeService()) { port in
            let answer = try await generate(port, #"{"prompt": "x"}"#, headers: ["idempotency-key": key])
            #expect(answer.status == 400 && answer.error["param"] as? String == "Idempotency-Key")
        }
    }

    // MARK: Attempts of OpenAI's clients, without a key

    private func attempt(_ number: Int) -> [String: String] { ["x-stainless-retry-count": "\(number)"] }

    @Test func anOrderThatNobodyComesBackToEnds() async throws {
        let service = FakeService(waits: true)
        try await serving(service, retryGrace: .milliseconds(20)) { port in
            var life = service.life.makeAsyncIterator()
            try await leave(port, #"{"prompt": "x"}"#, attempt(0), &life)
            #expect(await life.next() == .cancelled("x"))
        }
    }

    @Test func withoutAttemptsAnOrderEndsAtOnce() async throws {
        let service = FakeService(waits: true)
        try await serving(service) { port in
            var life = service.life.makeAsyncIterator()
            try await leave(port, #"{"prompt": "x"}"#, [:], &life)
            #expect(await life.next() == .cancelled("x"))
        }
    }
}
