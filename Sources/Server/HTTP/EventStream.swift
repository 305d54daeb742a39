import Foundation
import HTTPTypes
import Hummingbird
import Logging
import NIOCore

/// An order's events as server-sent events (WHATWG HTML, 9.2), with comments in between so that nobody hangs up.
struct EventStream: Sendable {
    /// What is written next.
    private enum Item: Sendable {
        case event(PaintingEvent)
        case failed(any Error)
        case keepAlive
    }

    /// `image_generation` or `image_edit`.
    let kind: String
    /// Most previews that are sent.
    let partialImages: Int
    let events: AsyncThrowingStream<PaintingEvent, any Error>
    let request: Request
    let keepAlive: Duration
    let logger: Logger

    /// The answer, whose body is written as the events come; when the client leaves, the order is given up.
    var response: Response {
        let headers: HTTPFields = [
            .contentType: "text/event-stream; charset=utf-8", .cacheControl: "no-store",
            // Watching for the client's end uses up the connection.
            .connection: "close",
        ]
        return Response(status: .ok, headers: headers, body: ResponseBody { try await write(to: &$0) })
    }

    private func write(to writer: inout any ResponseBodyWriter) async throws {
        let (items, continuation) = AsyncStream.makeStream(of: Item.self)
        let producers = Task { await produce(continuation) }
        defer { producers.cancel() }
        var previewCount = 0
        try await request.body.consumeWithInboundCloseHandler { _ in
            for await item in items {
                let text = text(item, previewCount: &previewCount)
                if !text.isEmpty { try await writer.write(ByteBuffer(string: text)) }
            }
        } onInboundClosed: {
            producers.cancel()
            continuation.finish()
        }
        try await writer.finish(nil)
    }

    /// The order's events, and something to say whenever there was nothing for a while; ends with the order.
    private func produce(_ continuation: AsyncStream<Item>.Continuation) async {
        let (events, keepAlive) = (events, keepAlive)
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                do {
                    for try await event in events { continuation.yield(.event(event)) }
                } catch {
                    continuation.yield(.failed(error))
                }
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

    private func text(_ item: Item, previewCount: inout Int) -> String {
        switch item {
        case .keepAlive: return ": keep-alive\n\n"
        case .failed(let error):
            let answer = APIError(error)
            if answer.status.code >= 500, !(error is OrderError) {
                logger.error("a stream failed", metadata: ["reason": "\(error)"])
            }
            guard case .object(var object) = answer.object else { return "" }
            object["type"] = "error"
            return Self.event("error", object)
        case .event(.queued(let ahead)): return ": queued, \(ahead) ahead\n\n"
        case .event(.loading(let done, let total)): return ": loaded \(done) of \(total) bytes\n\n"
        case .event(.stepped(let done, let total, _)): return ": step \(done) of \(total)\n\n"
        case .event(.preview(_, let file)):
            guard previewCount < partialImages else { return "" }
            defer { previewCount += 1 }
            let size = PNGFile.announcedSize(file) ?? (0, 0)
            var object = picture(file, width: size.width, height: size.height)
            object["partial_image_index"] = .integer(previewCount)
            return event("partial_image", object)
        case .event(.finished(let pictures)):
            var object = picture(pictures.files.first ?? [], width: pictures.width, height: pictures.height)
            object["usage"] = pictures.usage
            object["seed"] = .unsigned(pictures.seed)
            if !pictures.warnings.isEmpty { object["warnings"] = .array(pictures.warnings.map { .string($0) }) }
            return event("completed", object)
        }
    }

    /// What the events with a picture have in common.
    private func picture(_ file: [UInt8], width: Int, height: Int) -> [String: JSONValue] {
        [
            "b64_json": .string(Data(file).base64EncodedString()), "background": "opaque", "output_format": "png",
            "quality": .string(PictureFields.quality), "size": .string("\(width)x\(height)"),
            "created_at": .integer(Int(Date().timeIntervalSince1970)),
        ]
    }

    private func event(_ name: String, _ object: [String: JSONValue]) -> String {
        let type = "\(kind).\(name)"
        return Self.event(type, object.merging(["type": .string(type)]) { $1 })
    }

    private static func event(_ name: String, _ object: [String: JSONValue]) -> String {
        "event: \(name)\ndata: \(String(decoding: JSONValue.object(object).encoded, as: UTF8.self))\n\n"
    }
}
