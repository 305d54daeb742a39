import Foundation
import HTTPTypes
import Hummingbird
import Logging
import NIOCore
import Synchronization

/// An order's events as server-sent events (WHATWG HTML, 9.2), with comments in between so that nobody hangs up.
struct EventStream: Sendable {
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
        let previewCount = Mutex(0)
        return ServerSentEvents(events: events, request: request, keepAlive: keepAlive) { item in
            // Items come one after the other; the lock only tells the compiler so.
            previewCount.withLock { text(item, previewCount: &$0) }
        }.response
    }

    private func text(_ item: ServerSentEvents.Item, previewCount: inout Int) -> String {
        switch item {
        case .over: return ""
        case .failed(let error):
            let answer = APIError(error)
            if answer.status.code >= 500, !(error is OrderError) {
                logger.error("a stream failed", metadata: ["reason": "\(error)"])
            }
            guard case .object(var object) = answer.object else { return "" }
            object["type"] = "error"
            return ServerSentEvents.event("error", object)
        case .event(.queued(let ahead)): return ": queued, \(ahead) ahead\n\n"
        case .event(.loading(let done, let total)): return ": loaded \(done) of \(total) bytes\n\n"
        case .event(.stepped(let done, let total, _)): return ": step \(done) of \(total)\n\n"
        case .event(.preview(_, let file)):
            guard previewCount < partialImages else { return "" }
            defer { previewCount += 1 }
            let size = PictureKind.size(of: file) ?? (0, 0)
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
            "b64_json": .string(Data(file).base64EncodedString()), "background": "opaque",
            "output_format": .string(PictureKind(of: file).rawValue),
            "quality": .string(PictureFields.quality), "size": .string("\(width)x\(height)"),
            "created_at": .integer(Int(Date().timeIntervalSince1970)),
        ]
    }

    private func event(_ name: String, _ object: [String: JSONValue]) -> String {
        let type = "\(kind).\(name)"
        return ServerSentEvents.event(type, object.merging(["type": .string(type)]) { $1 })
    }
}
