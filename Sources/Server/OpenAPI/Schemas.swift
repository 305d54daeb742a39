import Coordinator

/// The schemas that operations refer to, by name.
enum Schemas {
    /// All of them, with the limits that hold on this server.
    static func all(_ limits: ServerSettings.Limits) -> [(name: String, schema: JSONValue)] {
        [
            ("GenerationRequest", PictureSchemas.generation(limits).value),
            ("EditRequest", PictureSchemas.edit(limits).value),
            ("VariationRequest", PictureSchemas.variation(limits).value),
            ("JobRequest", JobSchemas.request(limits).value),
            ("Job", JobSchemas.job.value), ("JobList", JobSchemas.list.value),
            ("JobDeleted", JobSchemas.deleted.value), ("JobEvent", JobSchemas.event.value),
            ("ImagesResponse", PictureSchemas.response.value),
            ("Usage", PictureSchemas.usage.value),
            ("ImageGenerationEvent", PictureSchemas.event("image_generation").value),
            ("ImageEditEvent", PictureSchemas.event("image_edit").value),
            ("Model", model.value), ("ModelList", modelList.value), ("Readiness", readiness.value),
            ("Progress", progress.value),
            ("Cluster", ClusterSchema.value), ("Error", error.value),
        ]
    }

    /// OpenAI's error object.
    static let error = ObjectSchema(
        description: "Every error.",
        fields: [
            .init(
                name: "error",
                schema: ObjectSchema(
                    description: "What went wrong.",
                    fields: [
                        .init(
                            name: "message", schema: ["type": "string"], description: "A sentence for people.",
                            isRequired: true),
                        .init(
                            name: "type",
                            schema: [
                                "type": "string",
                                "enum": ["invalid_request_error", "rate_limit_error", "server_error"],
                            ], description: "OpenAI's class of errors.", isRequired: true),
                        .init(
                            name: "param", schema: ["type": ["string", "null"]],
                            description: "The field that is wrong.", isRequired: true),
                        .init(
                            name: "code", schema: ["type": "string"],
                            description: "A stable word for programs; the route's errors list them.",
                            isRequired: true),
                    ]
                ).value, description: "", isRequired: true),
            .init(
                name: "type", schema: ["type": "string", "enum": ["error"]],
                description: "In streams: the event's name."),
        ])

    private static let model = ObjectSchema(
        description: "A model, as OpenAI describes it.",
        fields: [
            .init(
                name: "id", schema: ["type": "string"], description: "Name that requests call it by.", isRequired: true),
            .init(name: "object", schema: ["type": "string", "enum": ["model"]], description: "", isRequired: true),
            .init(
                name: "created", schema: ["type": "integer"], description: "When it came up, in seconds since 1970.",
                isRequired: true),
            .init(name: "owned_by", schema: ["type": "string"], description: "", isRequired: true),
        ])

    private static let modelList = ObjectSchema(
        description: "The models that are served.",
        fields: [
            .init(name: "object", schema: ["type": "string", "enum": ["list"]], description: "", isRequired: true),
            .init(
                name: "data", schema: ["type": "array", "items": .reference("Model")], description: "",
                isRequired: true),
        ])

    private static let readiness = ObjectSchema(
        description: "Whether a step could run now.",
        fields: [
            .init(
                name: "status",
                schema: ["type": "string", "enum": ["ready", "loading", "recovering", "stopping", "failed"]],
                description: "", isRequired: true),
            .init(name: "reason", schema: ["type": "string"], description: "Why not."),
        ])

    private static let progress = ObjectSchema(
        description: "Whether what runs comes forward.",
        fields: [
            .init(
                name: "status", schema: ["type": "string", "enum": ["idle", "ok", "stalled"]], description: "",
                isRequired: true),
            .init(name: "waiting", schema: count, description: "Orders that wait.", isRequired: true),
            .init(name: "running", schema: count, description: "Orders that are being served.", isRequired: true),
            .init(
                name: "last_progress_seconds", schema: ["type": ["number", "null"]],
                description: "Seconds since anything came forward; null: nothing has yet.", isRequired: true),
        ])

    /// A number of things.
    static let count: JSONValue = ["type": "integer", "minimum": 0]
}
