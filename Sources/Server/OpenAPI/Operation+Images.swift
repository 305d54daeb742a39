import Coordinator
import HTTPTypes

extension Operation {
    private static let tagText = """
        With `stream` the answer is a stream of server-sent events; each event's `data` is one JSON object whose `type` \
        names it, as the schemas of events describe it. Comments in between keep proxies from hanging up. An error after \
        the start is an `error` event.
        """

    /// `POST /v1/images/generations`.
    static func generate(_ limits: ServerSettings.Limits) -> Operation {
        Operation(
            method: .post, id: "generateImages", tag: .images, summary: "Makes pictures from a prompt",
            description: "OpenAI's Images API with fields of our own; fields that are not listed are refused. "
                + tagText, parameters: [idempotencyKey],
            body: [Content(type: "application/json", schema: .reference("GenerationRequest"))],
            answers: [pictures("ImageGenerationEvent", "image_generation")],
            failures: painting(
                badRequest: [
                    "invalid_json", "missing_field", "unknown_field", "invalid_type", "invalid_value", "too_long",
                    "unsupported_value",
                ], tooLarge: "The body has more than 256 KiB."))
    }

    /// `POST /v1/images/edits`.
    static func edit(_ limits: ServerSettings.Limits) -> Operation {
        Operation(
            method: .post, id: "editImage", tag: .images, summary: "Paints a part of a picture anew, or varies it",
            description: """
                The fully transparent pixels of `mask` are painted anew; without a mask those of `image`, and where it has \
                none, the whole picture is varied by `strength`. \(tagText)
                """, parameters: [idempotencyKey],
            body: [
                Content(
                    type: "multipart/form-data", schema: .reference("EditRequest"),
                    files: ["image": "image/png, image/jpeg", "mask": "image/png"])
            ],
            answers: [pictures("ImageEditEvent", "image_edit")],
            failures: painting(
                badRequest: [
                    "invalid_form", "invalid_image", "missing_field", "unknown_field", "invalid_type", "invalid_value",
                    "too_long", "unsupported_value",
                ], tooLarge: "The body has more than \(limits.bodyByteCount) bytes, or a file too many pixels."))
    }

    /// `POST /v1/images/variations`.
    static func vary(_ limits: ServerSettings.Limits) -> Operation {
        Operation(
            method: .post, id: "varyImage", tag: .images, summary: "Draws a part of a picture's tokens anew",
            description: "`strength` says how large a part; a prompt may say what the new picture should show.",
            parameters: [idempotencyKey],
            body: [
                Content(
                    type: "multipart/form-data", schema: .reference("VariationRequest"),
                    files: ["image": "image/png, image/jpeg"])
            ],
            answers: [.json("ImagesResponse", "The pictures.")],
            failures: painting(
                badRequest: [
                    "invalid_form", "invalid_image", "missing_field", "unknown_field", "invalid_type", "invalid_value",
                    "too_long", "unsupported_value",
                ], tooLarge: "The body has more than \(limits.bodyByteCount) bytes, or the file too many pixels."))
    }

    private static func pictures(_ event: String, _ kind: String) -> Answer {
        return Answer(
            description: "The pictures, or with `stream` the events on the way to them.",
            content: [
                Content(type: "application/json", schema: .reference("ImagesResponse")),
                stream(of: ["\(kind).partial_image", "\(kind).completed", "error"], event),
            ])
    }

    /// A stream of events with these names; `schema` is that of their data.
    static func stream(of names: [String], _ schema: String) -> Content {
        // OpenAPI 3.1 has no word for a sequence of items: the schema is that of each event.
        Content(
            type: "text/event-stream",
            schema: ObjectSchema(
                description: "Each event of the stream.",
                fields: [
                    .init(
                        name: "event", schema: ["type": "string", "enum": .array(names.map { .string($0) })],
                        description: ""),
                    .init(
                        name: "data",
                        schema: [
                            "type": "string", "contentMediaType": "application/json",
                            "contentSchema": ["anyOf": [.reference(schema), .reference("Error")]],
                        ], description: "One JSON object; its `type` is the event's name."),
                ], isOpen: true
            ).value)
    }

    /// What orders for pictures may end in.
    static func painting(badRequest codes: [String], tooLarge: String) -> [Failure] {
        [
            Failure(status: 400, codes: codes, description: "The request is wrong; `param` names the field."),
            Failure(
                status: 404, codes: ["model_not_found"], description: "`model` names another model than the one served."
            ),
            Failure(
                status: 409, codes: ["job_cancelled"],
                description: "The order that had this idempotency key was cancelled."),
            Failure(status: 413, codes: ["too_large"], description: tooLarge),
            Failure(
                status: 415, codes: ["unsupported_media_type"],
                description: "The body's media type is not the one that this route takes."),
            Failure(
                status: 422, codes: ["idempotency_key_reused"],
                description: "The idempotency key was used for another request."),
            Failure(
                status: 429, codes: ["queue_full"], description: "Too many orders wait.",
                headers: ["retry-after": "Seconds after which a place may be free."]),
            Failure(
                status: 500,
                codes: ["internal_error", "too_many_attempts"] + ClusterFailure.codes,
                description: "The cluster could not make the pictures; the server's log says why."),
            Failure(
                status: 503,
                codes: [
                    "not_ready", "deadline", "stopping", "cancelled", "idempotency_key_in_use", "storage_full",
                    "storage_unusable",
                ] + ClusterFailure.passingCodes,
                description: "No picture can be made now, or not in time.",
                headers: ["retry-after": "With `deadline`: by how many seconds it is too late."]),
        ]
    }
}
