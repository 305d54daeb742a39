import Coordinator

/// Schemas of jobs.
enum JobSchemas {
    private typealias Field = ObjectSchema.Field

    private static let state: JSONValue = [
        "type": "string", "enum": .array(Job.State.allCases.map { .string($0.rawValue) }),
    ]

    private static func maybe(_ type: String) -> JSONValue { ["type": ["null", .string(type)]] }

    /// Body of `POST /v1/jobs`.
    static func request(_ limits: ServerSettings.Limits) -> ObjectSchema {
        let own = [
            Field(
                name: "kind",
                schema: [
                    "type": ["null", "string"],
                    "enum": .array(Job.Kind.allCases.map { .string($0.rawValue) } + [.null]),
                ], description: "What is made. By default `generation`."),
            Field(
                name: "image", schema: maybe("string"),
                description: "Of an edit or variation, which need it: a PNG or JPEG file in base64, or a `data:` "
                    + "address of one."),
            Field(name: "mask", schema: maybe("string"), description: "Of an edit: the same, as in the form."),
            Field(
                name: "strength", schema: ["type": ["null", "number"], "exclusiveMinimum": 0, "maximum": 1],
                description: "Of an edit or variation, as in the form."),
        ]
        let all = PictureSchemas.optionalFields(limits) + own
        return ObjectSchema(
            description: "An order that is made whoever waits; a variation needs no `prompt`.",
            fields: PictureFields.jobNames.compactMap { name in all.first { $0.name == name } })
    }

    /// A job and how far it is.
    static let job = ObjectSchema(
        description: "A job. `step`, `steps` and `seconds_left` are known while it runs.",
        fields: [
            Field(name: "id", schema: ["type": "string"], description: "", isRequired: true),
            Field(name: "object", schema: ["type": "string", "enum": ["job"]], description: "", isRequired: true),
            Field(
                name: "kind",
                schema: ["type": "string", "enum": .array(Job.Kind.allCases.map { .string($0.rawValue) })],
                description: "", isRequired: true),
            Field(name: "model", schema: ["type": "string"], description: "", isRequired: true),
            Field(name: "state", schema: state, description: "", isRequired: true),
            Field(
                name: "created_at", schema: ["type": "integer"], description: "Seconds since 1970.", isRequired: true),
            Field(name: "started_at", schema: maybe("integer"), description: "", isRequired: true),
            Field(name: "finished_at", schema: maybe("integer"), description: "", isRequired: true),
            Field(
                name: "queue_position", schema: maybe("integer"), description: "Orders before it, while it waits.",
                isRequired: true),
            Field(name: "step", schema: maybe("integer"), description: "", isRequired: true),
            Field(name: "steps", schema: maybe("integer"), description: "", isRequired: true),
            Field(
                name: "seconds_left", schema: maybe("number"), description: "An estimate from measured steps.",
                isRequired: true),
            Field(
                name: "settings", schema: ["type": "object"],
                description: "What was ordered, by the names of the request's fields, with the `seed`.",
                isRequired: true),
            Field(name: "results", schema: ["type": "array", "items": result], description: "", isRequired: true),
            Field(name: "size", schema: maybe("string"), description: "`WxH` of the pictures.", isRequired: true),
            Field(
                name: "usage", schema: ["anyOf": [.reference("Usage"), ["type": "null"]]], description: "",
                isRequired: true),
            Field(
                name: "error", schema: ["type": ["null", "object"]],
                description: "Why it failed: the `error` of an answer to a failed request.", isRequired: true),
            Field(
                name: "warnings", schema: ["type": "array", "items": ["type": "string"]],
                description: "What is worth knowing, if anything is."),
        ])

    private static let result = ObjectSchema(
        description: "A picture.",
        fields: [
            Field(name: "index", schema: Schemas.count, description: "", isRequired: true),
            Field(name: "path", schema: ["type": "string"], description: "Where its file is.", isRequired: true),
            Field(name: "content_type", schema: ["type": "string"], description: "", isRequired: true),
            Field(name: "bytes", schema: Schemas.count, description: "", isRequired: true),
        ]
    ).value

    /// A page of jobs.
    static let list = ObjectSchema(
        description: "A page of jobs, newest first.",
        fields: [
            Field(name: "object", schema: ["type": "string", "enum": ["list"]], description: "", isRequired: true),
            Field(
                name: "data", schema: ["type": "array", "items": .reference("Job")], description: "", isRequired: true),
            Field(
                name: "has_more", schema: ["type": "boolean"], description: "There are older ones.", isRequired: true),
            Field(name: "first_id", schema: maybe("string"), description: "", isRequired: true),
            Field(name: "last_id", schema: maybe("string"), description: "The next page's `after`.", isRequired: true),
        ])

    /// Answer of `DELETE /v1/jobs/{id}`.
    static let deleted = ObjectSchema(
        description: "A job that is gone.",
        fields: [
            Field(name: "id", schema: ["type": "string"], description: "", isRequired: true),
            Field(name: "object", schema: ["type": "string", "enum": ["job"]], description: "", isRequired: true),
            Field(name: "deleted", schema: ["type": "boolean", "enum": [true]], description: "", isRequired: true),
        ])

    /// The `data` of a job's events.
    static let event = ObjectSchema(
        description: "An event of a job.",
        fields: [
            Field(name: "type", schema: ["type": "string"], description: "The event's name.", isRequired: true),
            Field(name: "id", schema: ["type": "string"], description: "The job's.", isRequired: true),
            Field(name: "state", schema: state, description: "Of `job.queued` and `job.generating`."),
            Field(name: "queue_position", schema: Schemas.count, description: "Of `job.queued`."),
            Field(name: "step", schema: Schemas.count, description: "Of `job.generating`."),
            Field(name: "steps", schema: Schemas.count, description: "Of `job.generating`."),
            Field(name: "seconds_left", schema: ["type": "number"], description: "Of `job.generating`."),
            Field(name: "picture", schema: Schemas.count, description: "Of `job.partial_image`: its number."),
            Field(
                name: "b64_json",
                schema: ["type": "string", "contentEncoding": "base64"],
                description: "Of `job.partial_image`."),
            Field(name: "output_format", schema: ["type": "string"], description: "Of `job.partial_image`."),
            Field(name: "size", schema: ["type": "string"], description: "Of `job.partial_image`."),
            Field(name: "job", schema: .reference("Job"), description: "Of the last event."),
        ])
}
