import HTTPTypes
import Hummingbird
import NIOCore

/// An order's events as server-sent events (WHATWG HTML, 9.2), with comments in between so that nobody hangs up.
struct ServerSentEvents: Sendable {
    /// What is written next.
    enum Item: Sendable {
        case event(PaintingEvent)
        case failed(any Error)
        /// The events are over, with or without an error.
        case over
    }

    private enum Next: Sendable {
        case item(Item)
        case keepAlive
    }

    let events: AsyncThrowingStream<PaintingEvent, any Error>
    let request: Request
    let keepAlive: Duration
    /// What is written for an item; the last one is ``Item/over``.
    let text: @Sendable (Item) async -> String

    /// The answer, whose body is written as the events come; when the client leaves, nobody follows the events any more.
    var response: Response {
        let headers: HTTPFields = [
            .contentType: "text/event-stream; charset=utf-8", .cacheControl: "no-store",
            // Watching for the client's end uses up the connection.
            .connection: "close",
        ]
        return Response(status: .ok, headers: headers, body: ResponseBody { try await write(to: &$0) })
    }

    /// An event with an object.
    static func event(_ name: String, _ object: [String: JSONValue]) -> String {
        "event: \(name)\ndata: \(String(decoding: JSONValue.object(object).encoded, as: UTF8.self))\n\n"
    }

    private func write(to writer: inout any ResponseBodyWriter) async throws {
        let (items, continuation) = AsyncStream.makeStream(of: Next.self)
        let producers = Task { await produce(continuation) }
        defer { producers.cancel() }
        try await request.body.consumeWithInboundCloseHandler { _ in
            for await next in items {
                let text: String
                switch next {
                case .item(let item): text = await self.text(item)
                case .keepAlive: text = ": keep-alive\n\n"
                }
                if !text.isEmpty { try await writer.write(ByteBuffer(string: text)) }
            }
        } onInboundClosed: {
            producers.cancel()
            continuation.finish()
        }
        try await writer.finish(nil)
    }

    /// The order's events, and something to say whenever there was nothing for a while; ends with the order.
    private func produce(_ continuation: AsyncStream<Next>.Continuation) async {
        let (events, keepAlive) = (events, keepAlive)
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                do {
                    for try await event in events { continuation.yield(.item(.event(event))) }
                } catch {
                    continuation.yield(.item(.failed(error)))
                }
                continuation.yield(.item(.over))
                continuation.finish()
            }
            group.addTask {
                // Sleeping ends with an error when the events are over.
                while (try? await Task.sleep(for: keepAlive)) != nil { continuation.yield(.keepAlive) }
            }
            await group.next()
            group.cancelAll()
        }
    }
}
