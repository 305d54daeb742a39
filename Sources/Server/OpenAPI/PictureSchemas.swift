import Coordinator

/// Schemas of orders for pictures and of their answers.
enum PictureSchemas {
    private typealias Field = ObjectSchema.Field

    /// Body of `POST /v1/images/generations`.
    static func generation(_ limits: ServerSettings.Limits) -> ObjectSchema {
        var all = optionalFields(limits)
        if let prompt = fields(limits).first { all[0] = prompt }
        return ObjectSchema(
            description: "An order for pictures.",
            fields: PictureFields.generationNames.compactMap { name in all.first { $0.name == name } }, rules: rules)
    }

    /// Body of `POST /v1/images/edits`.
    static func edit(_ limits: ServerSettings.Limits) -> ObjectSchema {
        let all = fields(limits) + editFields
        return ObjectSchema(
            description: "An order for a picture made from another.",
            fields: fileFields + PictureFields.editNames.compactMap { name in all.first { $0.name == name } })
    }

    /// Body of `POST /v1/images/variations`.
    static func variation(_ limits: ServerSettings.Limits) -> ObjectSchema {
        var all = fields(limits) + editFields
        all[0].isRequired = false
        return ObjectSchema(
            description: "An order for pictures like another.",
            fields: fileFields.prefix(1)
                + PictureFields.variationNames.compactMap { name in all.first { $0.name == name } })
    }

    /// The fields of a JSON body, of which none is required, `prompt` first.
    static func optionalFields(_ limits: ServerSettings.Limits) -> [ObjectSchema.Field] {
        fields(limits).map { field in
            var field = field
            // OpenAI's clients send null for what they leave out.
            field.schema = nullable(field.schema)
            field.isRequired = false
            return field
        }
    }

    /// Between fields: a stream has one picture, and previews need a stream.
    private static let rules: [String: JSONValue] = [
        "if": ["properties": ["stream": ["const": true]], "required": ["stream"]],
        "then": ["properties": ["n": ["enum": [1, .null]], "response_format": ["enum": ["b64_json", .null]]]],
        "else": ["properties": ["partial_images": ["enum": [0, .null]]]],
    ]

    private static func nullable(_ schema: JSONValue) -> JSONValue {
        guard case .object(var object) = schema, case .string(let type)? = object["type"] else { return schema }
        object["type"] = ["null", .string(type)]
        if case .array(let words)? = object["enum"] { object["enum"] = .array(words + [.null]) }
        return .object(object)
    }

    private static func whole(_ range: ClosedRange<Int>) -> JSONValue {
        ["type": "integer", "minimum": .integer(range.lowerBound), "maximum": .integer(range.upperBound)]
    }

    private static func real(_ range: ClosedRange<Int>) -> JSONValue {
        ["type": "number", "minimum": .integer(range.lowerBound), "maximum": .integer(range.upperBound)]
    }

    private static func words(_ words: String...) -> JSONValue {
        ["type": "string", "enum": .array(words.map { .string($0) })]
    }

    /// What generations and edits share.
    ///
    /// Long because it is read as a table, one row a field.
    private static func fields(_ limits: ServerSettings.Limits) -> [Field] {
        // Limits are bytes; JSON Schema counts characters, of which there are at most as many.
        let text: JSONValue = ["type": "string", "maxLength": .integer(limits.promptByteCount)]
        return [
            Field(
                name: "prompt", schema: text,
                description: "What to paint, at most \(limits.promptByteCount) bytes of UTF-8.", isRequired: true),
            Field(
                name: "model", schema: ["type": "string"],
                description: "The name that `/v1/models` tells; by default the model that is served."),
            Field(
                name: "n", schema: whole(1...limits.pictures),
                description: "Pictures; with `stream` 1. By default 1."),
            Field(
                name: "size", schema: ["type": "string", "pattern": "^(auto|[1-9][0-9]{0,4}x[1-9][0-9]{0,4})$"],
                description:
                    "`WxH` in pixels, or `auto`, the model's own. Which sizes fit depends on the model, and the "
                    + "error says it."),
            Field(
                name: "quality", schema: words("auto", "standard"),
                description: "There is one; `num_inference_steps` sets it."),
            Field(
                name: "response_format", schema: words("b64_json", "url"),
                description: "Pictures stand in the answer in base64, or, not with `stream`, as addresses at which "
                    + "they are kept for a while."),
            Field(name: "output_format", schema: words("png", "jpeg"), description: "By default `png`."),
            Field(
                name: "output_compression", schema: whole(0...100),
                description: "Of `jpeg`: its quality, by default 100. `png` loses nothing, and takes 100 only."),
            Field(name: "background", schema: words("auto", "opaque"), description: ""),
            Field(name: "moderation", schema: words("auto", "low"), description: "Nothing is moderated."),
            Field(
                name: "user", schema: ["type": "string", "maxLength": 512],
                description: "At most 512 bytes; not used."),
            Field(name: "stream", schema: ["type": "boolean"], description: "Events instead of one answer."),
            Field(
                name: "partial_images", schema: whole(0...3),
                description: "Previews in the stream. By default 0."),
            Field(
                name: "seed", schema: ["type": "integer", "minimum": 0, "maximum": .unsigned(UInt64.max)],
                description: "The same seed makes the same picture. By default a random one, which the answer tells."),
            Field(name: "negative_prompt", schema: text, description: "What pictures should move away from."),
            Field(
                name: "num_inference_steps", schema: whole(1...GenerationPlan.Limits.steps),
                description: "Decoding steps. By default `generation.steps` of the cluster file, else the model's."),
            Field(
                name: "guidance_scale", schema: real(0...Int(GenerationPlan.Limits.guidanceScale)),
                description: "At most 1: no guidance. By default the cluster file's or the model's."),
            Field(
                name: "temperature", schema: real(0...Int(GenerationPlan.Limits.temperature)),
                description: "Of the first step. By default the cluster file's or the model's."),
            Field(
                name: "priority", schema: whole(ServiceTerms.priorities),
                description: "Among the orders of one key the higher goes first. By default 0."),
            Field(
                name: "deadline_seconds", schema: real(0...Int(PictureFields.longestDeadline)),
                description: "How long somebody waits; an order that cannot be done by then is refused. By default for "
                    + "ever."),
        ]
    }

    private static let fileFields = [
        Field(
            name: "image", schema: ["type": "string"],
            description: "A PNG or JPEG file; `image[]` is the same.", isRequired: true),
        Field(
            name: "mask", schema: ["type": "string", "contentMediaType": "image/png"],
            description: "A PNG file of the same size with an alpha channel: its fully transparent pixels are painted "
                + "anew."),
    ]

    private static let editFields = [
        Field(name: "input_fidelity", schema: words("low"), description: "`strength` sets it."),
        Field(
            name: "strength", schema: ["type": "number", "exclusiveMinimum": 0, "maximum": 1],
            description: "Part of the steps that is run. By default 1 with a mask, else 0.5."),
    ]

    /// OpenAI's account of tokens.
    static let usage = ObjectSchema(
        description: "Tokens that were read and painted.",
        fields: [
            Field(name: "input_tokens", schema: Schemas.count, description: "", isRequired: true),
            Field(
                name: "input_tokens_details",
                schema: ObjectSchema(
                    description: "Tokens of the prompts and of the picture that was sent.",
                    fields: [
                        Field(name: "text_tokens", schema: Schemas.count, description: "", isRequired: true),
                        Field(name: "image_tokens", schema: Schemas.count, description: "", isRequired: true),
                    ]
                ).value, description: "", isRequired: true),
            Field(name: "output_tokens", schema: Schemas.count, description: "", isRequired: true),
            Field(name: "total_tokens", schema: Schemas.count, description: "", isRequired: true),
        ])

    private static let seed = Field(
        name: "seed", schema: ["type": "integer", "minimum": 0], description: "The seed that was used.",
        isRequired: true)
    private static let warnings = Field(
        name: "warnings", schema: ["type": "array", "items": ["type": "string"]],
        description: "What the user should know, such as a prompt that was too long for the model.")
    private static let file: JSONValue = ["type": "string", "contentEncoding": "base64"]
    /// What answers and events tell about their pictures.
    private static let facts = [
        Field(name: "background", schema: words("opaque"), description: "", isRequired: true),
        Field(name: "output_format", schema: words("png", "jpeg"), description: "", isRequired: true),
        Field(name: "quality", schema: ["type": "string"], description: "", isRequired: true),
        Field(
            name: "size", schema: ["type": "string", "pattern": "^[0-9]+x[0-9]+$"], description: "", isRequired: true),
    ]

    /// Answer of both routes without `stream`.
    static let response = ObjectSchema(
        description: "Pictures.",
        fields: [
            Field(
                name: "created", schema: ["type": "integer"], description: "Seconds since 1970.", isRequired: true),
            Field(
                name: "data",
                schema: [
                    "type": "array",
                    "items": ObjectSchema(
                        description: "A picture.",
                        fields: [
                            Field(name: "b64_json", schema: file, description: "A file of `output_format`."),
                            Field(
                                name: "url", schema: ["type": "string"], description: "Its address, instead."),
                        ]
                    ).value,
                ], description: "", isRequired: true),
        ] + facts + [
            Field(name: "usage", schema: .reference("Usage"), description: "", isRequired: true), seed, warnings,
        ])

    /// The `data` of a stream's events, whose names begin with `kind`.
    static func event(_ kind: String) -> ObjectSchema {
        var fields = [
            Field(
                name: "type", schema: words("\(kind).partial_image", "\(kind).completed"), description: "",
                isRequired: true),
            Field(name: "b64_json", schema: file, description: "A file of `output_format`.", isRequired: true),
            Field(
                name: "created_at", schema: ["type": "integer"], description: "Seconds since 1970.", isRequired: true),
            Field(
                name: "partial_image_index", schema: Schemas.count,
                description: "Number of a preview, from 0; previews only."),
        ]
        var only = [
            Field(name: "usage", schema: .reference("Usage"), description: "Of the last event."), seed, warnings,
        ]
        only[1].isRequired = false
        fields += facts + only
        return ObjectSchema(description: "An event of a stream.", fields: fields)
    }
}
