import Coordinator
import Foundation
import HTTPTypes
import Hummingbird
import Logging

extension ServerResponder {
    /// Jobs of a page of the list, unless the client says how many, and at most.
    private static let pageLimit = (usual: 20, most: 100)

    /// Answers at `/v1/jobs…` and at the addresses of pictures.
    func kept(
        _ endpoint: Endpoint, _ request: Request, _ owner: String, _ logger: Logger
    ) async throws -> Response {
        switch endpoint {
        case .imageContent(let id):
            return picture(try await desk.file(id), request, name: id)
        case .job(let id) where request.method == .delete:
            try await desk.delete(id, owner: owner)
            return Response(json: .object(["id": .string(id), "object": "job", "deleted": .bool(true)]))
        case .job(let id): return Response(json: .object(try await desk.view(id, owner: owner).object))
        case .jobCancel(let id): return Response(json: .object(try await desk.cancel(id, owner: owner).object))
        case .jobEvents(let id): return try await events(of: id, request, owner, logger)
        case .jobResult(let id, let index):
            return picture(
                try await desk.file(of: id, index: index, owner: owner), request, name: "\(id)-\(index)")
        default:
            return request.method == .post
                ? try await accept(request, owner) : try await list(request, owner)
        }
    }

    /// `POST /v1/jobs`.
    private func accept(_ request: Request, _ owner: String) async throws -> Response {
        var request = request
        let fields = try await json(&request, limit: limits.bodyByteCount)
        let kind =
            try fields.word("kind", of: Job.Kind.allCases.map(\.rawValue)).flatMap(Job.Kind.init) ?? .generation
        var picture = try PictureFields(
            fields, names: PictureFields.jobNames, model: service.model, limits: limits, seed: Self.freshSeed,
            needsPrompt: kind != .variation, isJob: true)
        let strength = try fields.real("strength", in: 0...1)
        let image = try Self.file(fields, "image", limit: limits.bodyByteCount)
        let mask = try Self.file(fields, "mask", limit: limits.bodyByteCount)
        if kind == .generation {
            for name in ["image", "mask", "strength"] where fields.has(name) {
                throw APIError.invalid(name, "\(name) is for the kinds edit and variation", code: "unsupported_value")
            }
        } else {
            guard let image else { throw APIError.invalid("image", "image is missing", code: "missing_field") }
            if kind == .variation, mask != nil {
                throw APIError.invalid("mask", "mask is for the kind edit", code: "unsupported_value")
            }
            picture.request.editing =
                kind == .variation
                ? try await variation(image, strength: strength)
                : try await editing(image, mask: mask, strength: strength)
        }
        var ticket = OrderTicket(picture, owner: owner, kind: kind)
        ticket.order.previewCount = picture.partialImages
        ticket.isJob = true
        try ticket.read(request, fields)
        let view = try await desk.accept(ticket)
        var response = Response(json: .object(view.object), status: view.job.state.isOver ? .ok : .accepted)
        response.headers[.location] = "/v1/jobs/\(view.job.id)"
        return response
    }

    /// The bytes of a base64 text, which may be a `data:` address.
    private static func file(
        _ fields: RequestFields, _ name: String, limit: Int
    ) throws(APIError) -> [UInt8]? {
        guard let text = try fields.text(name, byteLimit: limit) else { return nil }
        var digits = text[...]
        if digits.hasPrefix("data:"), let comma = digits.firstIndex(of: ",") {
            digits = digits[digits.index(after: comma)...]
        }
        guard let data = Data(base64Encoded: String(digits)) else {
            throw .invalid(name, "\(name) must be a file in base64", code: "invalid_image")
        }
        return Array(data)
    }

    /// `GET /v1/jobs`: a page of the caller's jobs, newest first.
    private func list(_ request: Request, _ owner: String) async throws -> Response {
        let query = request.uri.queryParameters
        for (name, _) in query where name != "limit" && name != "after" {
            let shown = String(name.prefix(60))
            throw APIError.invalid(shown, "unknown parameter '\(shown)'; known are limit, after", code: "unknown_field")
        }
        var limit = Self.pageLimit.usual
        if let text = query["limit"] {
            guard let number = Int(text), (1...Self.pageLimit.most).contains(number) else {
                throw APIError.invalid("limit", "limit must be a whole number from 1 to \(Self.pageLimit.most)")
            }
            limit = number
        }
        let after = query["after"].map { String($0) }
        if let after, !Job.isID(after, prefix: "job_") {
            throw APIError.invalid("after", "after must be the id of a job")
        }
        let (views, hasMore) = try await desk.views(owner: owner, limit: limit, after: after)
        return Response(
            json: .object([
                "object": "list", "data": .array(views.map { .object($0.object) }), "has_more": .bool(hasMore),
                "first_id": views.first.map { .string($0.job.id) } ?? .null,
                "last_id": views.last.map { .string($0.job.id) } ?? .null,
            ]))
    }

    /// `GET /v1/jobs/{id}/events`: what happens to a job from now on, after how it stands.
    private func events(
        of id: String, _ request: Request, _ owner: String, _ logger: Logger
    ) async throws -> Response {
        let empty = OrderRun.Events { $0.finish() }
        let events = try await desk.events(of: id, owner: owner) ?? empty
        let stream = JobEventStream(id: id, owner: owner, desk: desk, logger: logger)
        return ServerSentEvents(events: events, request: request, keepAlive: keepAlive) { item in
            await stream.text(item)
        }.response
    }

    /// A picture's file; nothing where the client has it.
    private func picture(_ file: KeptFile, _ request: Request, name: String) -> Response {
        let tag = "\"\(file.hash)\""
        let age = desk.now() - file.finished
        let left = max(0, desk.retention.seconds - max(0, Int(age.rounded(.up))))
        let kind = PictureKind(of: file.bytes)
        let headers: HTTPFields = [
            .contentType: kind.mediaType, .eTag: tag, .cacheControl: "private, max-age=\(left), immutable",
            .contentDisposition: "inline; filename=\"\(name).\(kind.suffix)\"", .xContentTypeOptions: "nosniff",
        ]
        let known = (request.headers[.ifNoneMatch] ?? "").split(separator: ",").map { entry in
            let word = entry.trimmingCharacters(in: .whitespaces)
            return word.hasPrefix("W/") ? String(word.dropFirst(2)) : word
        }
        if known.contains(tag) || known == ["*"] { return Response(status: .notModified, headers: headers) }
        return Response(
            status: .ok, headers: headers, body: ResponseBody(byteBuffer: ByteBuffer(bytes: file.bytes)))
    }
}

/// The events of a job: `job.queued`, `job.generating`, `job.partial_image`, and one of the end.
private struct JobEventStream {
    let id: String
    let owner: String
    let desk: OrderDesk
    let logger: Logger

    func text(_ item: ServerSentEvents.Item) async -> String {
        switch item {
        case .event(.queued(let ahead)):
            return event("queued", ["state": "queued", "queue_position": .integer(ahead)])
        case .event(.loading(let done, let total)):
            return ": loaded \(done) of \(total) bytes\n\n"
        case .event(.stepped(let done, let total, let secondsLeft)):
            return event(
                "generating",
                [
                    "state": "generating", "step": .integer(done), "steps": .integer(total),
                    "seconds_left": .number(secondsLeft),
                ])
        case .event(.preview(let picture, let file)):
            let size = PictureKind.size(of: file) ?? (0, 0)
            return event(
                "partial_image",
                [
                    "picture": .integer(picture), "b64_json": .string(Data(file).base64EncodedString()),
                    "output_format": .string(PictureKind(of: file).rawValue),
                    "size": .string("\(size.width)x\(size.height)"),
                ])
        case .event(.finished), .failed: return ""
        case .over: return await end()
        }
    }

    /// How the job stands when its events are over: it has ended, or this process does.
    private func end() async -> String {
        do {
            let view = try await desk.view(id, owner: owner)
            if view.job.state.isOver { return event(view.job.state.rawValue, ["job": .object(view.object)]) }
            throw OrderError.notReady("the server ends, and takes the job up again")
        } catch {
            let answer = APIError(error)
            if answer.status.code >= 500, !(error is OrderError) {
                logger.error("a job's events failed", metadata: ["reason": "\(error)"])
            }
            guard case .object(var object) = answer.object else { return "" }
            object["type"] = "error"
            return ServerSentEvents.event("error", object)
        }
    }

    private func event(_ name: String, _ object: [String: JSONValue]) -> String {
        let type = "job.\(name)"
        return ServerSentEvents.event(
            type, object.merging(["type": .string(type), "id": .string(id)]) { $1 })
    }
}
