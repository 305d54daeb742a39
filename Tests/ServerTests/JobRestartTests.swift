import Coordinator
import Foundation
import HTTPProbe
import Synchronization
import Tensor
import TestSupport
import Testing

@testable import Server

/// Jobs outlive the server that has accepted them.
@Suite(.timeLimit(.minutes(10))) struct JobRestartTests {
    @Test func whatWasAcceptedIsMadeByTheNextServer() async throws {
        let drawer = try Drawer()
        let path = drawer.path("jobs.sqlite")
        let first = FakeService(waits: true)
        let ids = Mutex<[String]>([])
        let square = Data(try FakeService.square(9)).base64EncodedString()
        try await serving(first, store: try DatabaseJobStore(path: path)) { port in
            var life = first.life.makeAsyncIterator()
            for index in 0..<6 {
                let kind = index == 3 ? #", "kind": "variation", "image": "\#(square)", "strength": 0.25"# : ""
                let headers = index == 4 ? ["idempotency-key": "k"] : [:]
                let answer = try await postJob(port, #"{"prompt": "\#(index)"\#(kind)}"#, headers: headers)
                let id = try #require(answer.json["id"] as? String, "\(answer.text)")
                ids.withLock { $0.append(id) }
            }
            #expect(await life.next() == .started("0"))
            _ = try await job(port, ids.withLock { $0[0] }, in: "queued")
            first.set(.stopping("test"))
            await first.queue.stop(because: "test")
        }
        let all = ids.withLock { $0 }
        let second = FakeService(queueLimit: 2)
        second.set(.loading("weights"))
        try await serving(second, store: try DatabaseJobStore(path: path)) { port in
            // Until the model is there they wait; a client that comes back finds its own.
            let waiting = try await get(port, "/v1/jobs/\(all[5])")
            #expect(waiting.json["state"] as? String == "queued" && waiting.json["queue_position"] as? Int == 5)
            let again = try await postJob(port, #"{"prompt": "4"}"#, headers: ["idempotency-key": "k"])
            #expect(again.json["id"] as? String == all[4])
            #expect(try await HTTPProbe.exchange(port: port, "POST", "/v1/jobs/\(all[2])/cancel").status == 200)
            second.set(.ready)
            for (index, id) in all.enumerated() where index != 2 {
                _ = try await job(port, id, in: "completed")
                #expect(try Array(try await get(port, "/v1/jobs/\(id)/results/0").body) == FakeService.square(100))
            }
        }
        let before = first.placed.map(\.request)
        let after = second.placed.map(\.request).filter { !before.contains($0) }
        #expect(after.isEmpty, "the same orders, with the same seeds and pictures")
        #expect(second.placed.map(\.request.prompts) == [["0"], ["1"], ["3"], ["4"], ["5"]])
        // A third has nothing left to do.
        let third = FakeService()
        try await serving(third, store: try DatabaseJobStore(path: path)) { port in
            let done = try await get(port, "/v1/jobs/\(all[0])")
            #expect(done.json["state"] as? String == "completed")
        }
        #expect(third.placed.isEmpty)
        withExtendedLifetime(drawer) {}
    }

    @Test func aStoreThatFailsIsAnAnswer() async throws {
        let drawer = try Drawer()
        let store = try DatabaseJobStore(path: drawer.path("jobs.sqlite"), pageLimit: 30)
        let service = FakeService()
        let noise = try PNGFile.encode(Self.noise)
        try await serving(service, store: store) { port in
            let body = #"{"kind": "variation", "image": "\#(Data(noise).base64EncodedString())"}"#
            let refused = try await postJob(port, body)
            #expect(refused.status == 503 && refused.error["code"] as? String == "storage_full", "\(refused.text)")
            #expect(refused.headers["x-should-retry"] == "true" && refused.headers["retry-after"] != nil)
            // What needs no store is served.
            #expect(try await generate(port, #"{"prompt": "x"}"#).status == 200)
            let small = try await postJob(port, #"{"prompt": "x"}"#)
            _ = try await job(port, try #require(small.json["id"] as? String), in: "completed")
        }
        withExtendedLifetime(drawer) {}
    }

    /// 300 x 300 pixels that do not compress.
    private static var noise: HostTensor {
        var generator = SeededGenerator(seed: 3)
        return HostTensor(
            dtype: .u8, dims: [300, 300, 3],
            bytes: (0..<270_000).map { _ in UInt8.random(in: 0...255, using: &generator) })
    }
}
