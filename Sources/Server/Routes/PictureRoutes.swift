import Coordinator
import Foundation
import HTTPTypes
import Hummingbird
import Logging
import NIOCore

extension ServerResponder {
    /// Bytes of a JSON body: far more than two prompts with every character escaped.
    private static let jsonByteLimit = 256 << 10
    /// Files that an edit may bring.
    private static let fileNames = ["image", "image[]", "mask"]

    /// `POST /v1/images/generations`.
    func generations(_ request: Request, client: String, _ logger: Logger) async throws -> Response {
        var request = request
        let fields = try await json(&request, limit: Self.jsonByteLimit)
        let picture = try PictureFields(
            fields, names: PictureFields.generationNames, model: service.model, limits: limits, seed: Self.freshSeed)
        var ticket = OrderTicket(picture, request.headers, owner: client, kind: .generation)
        try ticket.read(request, fields)
        return try await paint(picture, ticket, as: "image_generation", request, logger)
    }

    /// The fields of a JSON body.
    func json(_ request: inout Request, limit: Int) async throws -> RequestFields {
        let type = HeaderValue.split(request.headers[.contentType] ?? "").word
        guard type == "application/json" else { throw Self.wrongType("application/json") }
        let bytes = try await body(of: &request, limit: min(limit, limits.bodyByteCount))
        // A body with files takes a while.
        if bytes.count <= Self.jsonByteLimit { return try RequestFields(json: bytes) }
        return try await Offload.run { () throws(APIError) in try RequestFields(json: bytes) }
    }

    /// The fields and files of a form.
    private func form(_ request: inout Request) async throws -> (fields: RequestFields, files: [String: [UInt8]]) {
        guard let boundary = MultipartForm.boundary(of: request.headers[.contentType] ?? "") else {
            throw Self.wrongType("multipart/form-data")
        }
        let bytes = try await body(of: &request, limit: limits.bodyByteCount)
        let (fields, files) = try Self.sort(try MultipartForm(bytes, boundary: boundary))
        return (RequestFields(form: fields), files)
    }

    /// `POST /v1/images/edits`.
    func edits(_ request: Request, client: String, _ logger: Logger) async throws -> Response {
        var request = request
        let (fields, files) = try await form(&request)
        var picture = try PictureFields(
            fields, names: PictureFields.editNames, model: service.model, limits: limits, seed: Self.freshSeed)
        guard let image = files["image"] else {
            throw APIError.invalid("image", "image is missing", code: "missing_field")
        }
        picture.request.editing = try await editing(
            image, mask: files["mask"], strength: try fields.real("strength", in: 0...1))
        var ticket = OrderTicket(picture, request.headers, owner: client, kind: .edit)
        try ticket.read(request, fields, files: files)
        return try await paint(picture, ticket, as: "image_edit", request, logger)
    }

    /// `POST /v1/images/variations`: part of the picture's tokens is drawn anew.
    func variations(_ request: Request, client: String, _ logger: Logger) async throws -> Response {
        var request = request
        let (fields, files) = try await form(&request)
        var picture = try PictureFields(
            fields, names: PictureFields.variationNames, model: service.model, limits: limits, seed: Self.freshSeed,
            needsPrompt: false)
        guard let image = files["image"] else {
            throw APIError.invalid("image", "image is missing", code: "missing_field")
        }
        guard files["mask"] == nil else {
            throw APIError.invalid("mask", "a variation has no mask: use /v1/images/edits", code: "unknown_field")
        }
        picture.request.editing = try await variation(image, strength: try fields.real("strength", in: 0...1))
        var ticket = OrderTicket(picture, request.headers, owner: client, kind: .variation)
        try ticket.read(request, fields, files: files)
        return try await paint(picture, ticket, as: "image_edit", request, logger)
    }

    /// What is asked to be made of a picture.
    func editing(_ image: [UInt8], mask: [UInt8]?, strength: Double?) async throws -> GenerationRequest.Editing {
        let pixelLimit = limits.pixels
        return try await Offload.run { () throws(APIError) in
            try EditPictures.editing(image: image, mask: mask, strength: strength, pixelLimit: pixelLimit)
        }
    }

    /// As ``editing(_:mask:strength:)``, of a whole picture.
    func variation(_ image: [UInt8], strength: Double?) async throws -> GenerationRequest.Editing {
        let pixelLimit = limits.pixels
        return try await Offload.run { () throws(APIError) in
            try EditPictures.variation(image: image, strength: strength, pixelLimit: pixelLimit)
        }
    }

    /// Texts and files of a form, each name once.
    private static func sort(
        _ form: MultipartForm
    ) throws(APIError) -> (fields: [String: String], files: [String: [UInt8]]) {
        var fields: [String: String] = [:]
        var files: [String: [UInt8]] = [:]
        for part in form.parts {
            let shown = String(part.name.prefix(60))
            if fileNames.contains(part.name) {
                let name = part.name == "image[]" ? "image" : part.name
                guard part.isFile else { throw .invalid(name, "\(name) must be a file", code: "invalid_type") }
                guard files[name] == nil else {
                    throw .invalid(name, "\(name) may be given once", code: "unsupported_value")
                }
                files[name] = part.bytes
            } else {
                guard !part.isFile else { throw .invalid(shown, "'\(shown)' is no file", code: "unknown_field") }
                guard fields[part.name] == nil else { throw .invalid(shown, "'\(shown)' is given twice") }
                guard let text = String(validating: part.bytes, as: UTF8.self) else {
                    throw .invalid(shown, "'\(shown)' is not UTF-8 text", code: "invalid_type")
                }
                fields[part.name] = text
            }
        }
        return (fields, files)
    }

    private static func wrongType(_ wanted: String) -> APIError {
        APIError(
            status: .unsupportedMediaType, message: "the body must be \(wanted), and content-type must say so",
            code: "unsupported_media_type")
    }

    /// A seed that JSON numbers of every client keep.
    static var freshSeed: UInt64 { UInt64.random(in: 0..<(1 << 32)) }

    /// Places the order, and answers with its pictures or, once it stands in the queue, with a stream of events.
    private func paint(
        _ picture: PictureFields, _ ticket: OrderTicket, as kind: String, _ request: Request, _ logger: Logger
    ) async throws -> Response {
        let placed = try await desk.place(ticket)
        let events = placed.events
        if picture.isStream {
            return EventStream(
                kind: kind, partialImages: picture.partialImages, events: events, request: request,
                keepAlive: keepAlive, logger: logger
            ).response
        }
        let pictures: PaintedPictures?
        do {
            pictures = try await request.body.consumeWithCancellationOnInboundClose { _ in
                for try await event in events {
                    if case .finished(let pictures) = event { return pictures }
                }
                return nil
            }
        } catch is CancellationError {
            throw ClientLeft()
        }
        guard let pictures else { throw ClientLeft() }
        var addresses: [String]?
        if picture.isURL, let job = placed.job {
            let base = publicURL ?? Self.base(of: request)
            addresses = try await desk.pictures(of: job).map { "\(base)/v1/images/\($0.id)/content" }
        }
        var response = Response(json: .object(Self.answer(pictures, addresses)))
        // Watching for the client's end has used up the connection.
        response.headers[.connection] = "close"
        return response
    }

    /// What the client calls the server, as an address; without a usable word of its own that is this machine.
    static func base(of request: Request) -> String {
        let host = request.head.authority ?? ""
        let isPlain =
            (1...255).contains(host.utf8.count)
            && host.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || ".-:[]_".contains($0)) }
        return "http://" + (isPlain ? host : "localhost")
    }

    /// OpenAI's images response.
    private static func answer(_ pictures: PaintedPictures, _ addresses: [String]?) -> [String: JSONValue] {
        let data: [JSONValue] =
            addresses?.map { .object(["url": .string($0)]) }
            ?? pictures.files.map { .object(["b64_json": .string(Data($0).base64EncodedString())]) }
        var object: [String: JSONValue] = [
            "created": .integer(Int(Date().timeIntervalSince1970)), "data": .array(data),
            "background": "opaque",
            "output_format": .string(PictureKind(of: pictures.files.first ?? []).rawValue),
            "quality": .string(PictureFields.quality),
            "size": .string("\(pictures.width)x\(pictures.height)"), "usage": pictures.usage,
            "seed": .unsigned(pictures.seed),
        ]
        if !pictures.warnings.isEmpty { object["warnings"] = .array(pictures.warnings.map { .string($0) }) }
        return object
    }
}

extension PaintedPictures {
    /// OpenAI's account of tokens.
    var usage: JSONValue {
        .object([
            "input_tokens": .integer(textTokens + imageTokens),
            "input_tokens_details": .object([
                "text_tokens": .integer(textTokens), "image_tokens": .integer(imageTokens),
            ]),
            "output_tokens": .integer(paintedTokens),
            "total_tokens": .integer(textTokens + imageTokens + paintedTokens),
        ])
    }
}
