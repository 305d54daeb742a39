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
        let type = HeaderValue.split(request.headers[.contentType] ?? "").word
        guard type == "application/json" else { throw Self.wrongType("application/json") }
        let bytes = try await body(of: &request, limit: min(Self.jsonByteLimit, limits.bodyByteCount))
        let picture = try PictureFields(
            RequestFields(json: bytes), names: PictureFields.generationNames, model: service.model, limits: limits,
            seed: Self.freshSeed)
        return try await paint(picture, as: "image_generation", client, request, logger)
    }

    /// `POST /v1/images/edits`.
    func edits(_ request: Request, client: String, _ logger: Logger) async throws -> Response {
        var request = request
        guard let boundary = MultipartForm.boundary(of: request.headers[.contentType] ?? "") else {
            throw Self.wrongType("multipart/form-data")
        }
        let bytes = try await body(of: &request, limit: limits.bodyByteCount)
        let (fields, files) = try Self.sort(try MultipartForm(bytes, boundary: boundary))
        var picture = try PictureFields(
            RequestFields(form: fields), names: PictureFields.editNames, model: service.model, limits: limits,
            seed: Self.freshSeed)
        guard let image = files["image"] else {
            throw APIError.invalid("image", "image is missing", code: "missing_field")
        }
        let strength = try RequestFields(form: fields).real("strength", in: 0...1)
        picture.request.editing = try EditPictures.editing(
            image: image, mask: files["mask"], strength: strength, pixelLimit: limits.pixels)
        return try await paint(picture, as: "image_edit", client, request, logger)
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
    private static var freshSeed: UInt64 { UInt64.random(in: 0..<(1 << 32)) }

    /// Places the order, and answers with its pictures or, once it stands in the queue, with a stream of events.
    private func paint(
        _ picture: PictureFields, as kind: String, _ client: String, _ request: Request, _ logger: Logger
    ) async throws -> Response {
        let events = try await service.place(
            PictureOrder(
                picture.request, previewCount: picture.isStream ? picture.partialImages : 0, client: client,
                priority: picture.priority, deadline: picture.deadline(request.headers)))
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
        var response = Response(json: .object(Self.answer(pictures)))
        // Watching for the client's end has used up the connection.
        response.headers[.connection] = "close"
        return response
    }

    /// OpenAI's images response.
    private static func answer(_ pictures: PaintedPictures) -> [String: JSONValue] {
        var object: [String: JSONValue] = [
            "created": .integer(Int(Date().timeIntervalSince1970)),
            "data": .array(pictures.files.map { .object(["b64_json": .string(Data($0).base64EncodedString())]) }),
            "background": "opaque", "output_format": "png", "quality": .string(PictureFields.quality),
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
