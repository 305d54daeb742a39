import Coordinator
import Foundation
import HTTPProbe
import Server
import Testing

/// Server-sent events of the Images API.
@Suite(.timeLimit(.minutes(10))) struct EventStreamTests {
    /// Events of a stream, comments left out: name and object.
    static func events(_ text: String) throws -> [(name: String, object: [String: Any])] {
        #expect(text.hasSuffix("\n\n"))
        return try text.components(separatedBy: "\n\n").filter { !$0.isEmpty && !$0.hasPrefix(":") }.map { block in
            let lines = block.split(separator: "\n")
            #expect(lines.count == 2 && lines[0].hasPrefix("event: ") && lines[1].hasPrefix("data: "), "\(block)")
            let object = try JSONSerialization.jsonObject(with: Data(lines[1].dropFirst(6).utf8))
            return (String(lines[0].dropFirst(7)), try #require(object as? [String: Any]))
        }
    }

    @Test func partialImagesComeBeforeTheCompletedOne() async throws {
        let service = FakeService()
        try await serving(service) { port in
            let answer = try await generate(port, #"{"prompt": "x", "stream": true, "partial_images": 2, "seed": 3}"#)
            #expect(answer.status == 200)
            #expect(answer.headers["content-type"]?.hasPrefix("text/event-stream") == true)
            let events = try Self.events(answer.text)
            #expect(
                events.map(\.name) == [
                    "image_generation.partial_image", "image_generation.partial_image", "image_generation.completed",
                ])
            for (index, event) in events.enumerated() {
                #expect(event.object["type"] as? String == event.name)
                #expect(event.object["size"] as? String == "4x4" && event.object["output_format"] as? String == "png")
                #expect(event.object["background"] as? String == "opaque")
                #expect(event.object["quality"] as? String == "auto")
                #expect(event.object["created_at"] as? Int ?? 0 > 1_600_000_000)
                let bytes = Array(try #require(Data(base64Encoded: event.object["b64_json"] as? String ?? "")))
                #expect(try bytes == FakeService.square(index == 2 ? 100 : UInt8(index + 1)))
                #expect(event.object["partial_image_index"] as? Int == (index == 2 ? nil : index))
            }
            let usage = try #require(events.last?.object["usage"] as? [String: Any])
            #expect(usage["total_tokens"] as? Int == 21)
            #expect(answer.text.contains(": step 3 of 4\n\n"))
        }
        #expect(service.placed.first?.previewCount == 2)
    }

    @Test func anErrorIsAnEventWhenTheStreamHasBegun() async throws {
        try await serving(FakeService()) { port in
            let answer = try await generate(port, #"{"prompt": "lost", "stream": true}"#)
            #expect(answer.status == 200)
            let events = try Self.events(answer.text)
            #expect(events.map(\.name) == ["error"])
            let error = try #require(events.first?.object["error"] as? [String: Any])
            #expect(error["code"] as? String == "callFailed" && !answer.text.contains("secret"))
        }
    }

    @Test func anErrorBeforeIsAnAnswer() async throws {
        try await serving(FakeService()) { port in
            let answer = try await generate(port, #"{"prompt": "x", "size": "100x100", "stream": true}"#)
            #expect(answer.status == 400 && answer.error["param"] as? String == "size")
        }
    }

    @Test func silenceIsFilledWithComments() async throws {
        let service = FakeService(waits: true)
        try await serving(service, keepAlive: .milliseconds(1)) { port in
            let text = try await HTTPProbe.blocking {
                let probe = try HTTPProbe(port: port)
                try probe.send(
                    "POST", "/v1/images/generations", headers: ["content-type": "application/json"],
                    body: Array(#"{"prompt": "x", "stream": true}"#.utf8))
                _ = try probe.head()
                var text = ""
                while !text.contains(": keep-alive\n\n: keep-alive\n\n") {
                    text += String(decoding: try probe.chunk() ?? Data(), as: UTF8.self)
                }
                service.letGo()
                while let chunk = try probe.chunk() { text += String(decoding: chunk, as: UTF8.self) }
                return text
            }
            #expect(try Self.events(text).map(\.name) == ["image_generation.completed"])
        }
    }

    @Test(arguments: [true, false])
    func aClientThatLeavesGivesItsOrderUp(whileRunning: Bool) async throws {
        let service = FakeService(waits: true)
        try await serving(service) { port in
            var life = service.life.makeAsyncIterator()
            var before: AsyncThrowingStream<PaintingEvent, any Error>?
            if !whileRunning {
                before = try await service.place(PictureOrder(GenerationRequest(prompt: "before")))
                #expect(await life.next() == .started("before"))
            }
            let probe = try HTTPProbe(port: port)
            try probe.send(
                "POST", "/v1/images/generations", headers: ["content-type": "application/json"],
                body: Array(#"{"prompt": "1", "stream": true}"#.utf8))
            let head = try await HTTPProbe.blocking { try probe.head().status }
            #expect(head == 200)
            if whileRunning {
                #expect(await life.next() == .started("1"))
                probe.hangUp()
                #expect(await life.next() == .cancelled("1"))
            } else {
                probe.hangUp()
                // It leaves the queue without a trace; the status tells.
                while await service.queue.status.waiting > 0 { try await Task.sleep(for: .milliseconds(1)) }
                service.letGo()
                for try await _ in try #require(before) {}
            }
        }
    }

    @Test(arguments: [(3, 12), (2, 12), (1, 12), (3, 7), (3, 5), (3, 10), (3, 4), (1, 2), (2, 50)])
    func previewsComeEvenly(count: Int, steps: Int) throws {
        let interval = try #require(PictureOrder.previewInterval(count: count, steps: steps))
        #expect((steps - 1) / interval >= count)
        #expect(interval * count < steps)
    }

    @Test func withoutStepsBetweenThereIsNoPreview() {
        #expect(PictureOrder.previewInterval(count: 0, steps: 10) == nil)
        #expect(PictureOrder.previewInterval(count: 3, steps: 1) == nil)
        #expect(PictureOrder.previewInterval(count: 3, steps: 2) == 1)
    }
}
