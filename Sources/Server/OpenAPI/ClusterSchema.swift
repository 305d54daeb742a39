/// What `GET /v1/cluster` answers.
enum ClusterSchema {
    private static let number: JSONValue = ["type": "number"]
    private static let text: JSONValue = ["type": "string"]

    private static func object(_ description: String, _ fields: [(String, JSONValue, String)]) -> JSONValue {
        ObjectSchema(
            description: description,
            fields: fields.map { .init(name: $0.0, schema: $0.1, description: $0.2, isRequired: true) }
        ).value
    }

    private static func list(of items: JSONValue) -> JSONValue { ["type": "array", "items": items] }

    static let value = object(
        "The workers on the mesh, what they do, and the queue.",
        [
            ("object", ["type": "string", "enum": ["cluster"]], ""), ("name", text, "The cluster's name."),
            (
                "state",
                ["type": "string", "enum": ["starting", "loading", "ready", "recovering", "failed", "stopping"]], ""
            ),
            ("reason", ["type": ["string", "null"]], "Why it is not ready."),
            ("epoch", Schemas.count, "Incarnation of the membership."),
            ("model", model, ""),
            (
                "mesh", list(of: object("An axis.", [("name", text, ""), ("size", Schemas.count, "")])),
                "Slowest first."
            ),
            ("queue", queue, ""), ("incidents", list(of: incident), "The last losses of workers, oldest first."),
            ("workers", list(of: worker), "By rank."),
        ])

    private static let model = object(
        "The model and its defaults.",
        [
            ("id", text, ""), ("width", Schemas.count, "Pixels."), ("height", Schemas.count, "Pixels."),
            ("size_multiple", Schemas.count, "What sides are multiples of."),
            ("pixel_limit", Schemas.count, "Most pixels of a picture."), ("steps", Schemas.count, ""),
            ("guidance_scale", number, ""), ("temperature", number, ""),
        ])

    private static let queue = object(
        "The queue.",
        [
            ("waiting", Schemas.count, "Orders that wait."),
            ("running", Schemas.count, "Orders that are being served."),
            ("last_progress_seconds", ["type": ["number", "null"]], "Seconds since anything came forward."),
        ])

    private static let incident = object(
        "The loss of a worker.",
        [
            ("worker", text, "Its name."), ("loss", text, "How it was lost."), ("doing", text, "What it was doing."),
            ("seconds_ago", number, ""),
            ("seconds_away", ["type": ["number", "null"]], "In which nothing ran; null: it is not back."),
        ])

    private static let memory = object(
        "Memory in bytes.",
        [
            ("resident_bytes", Schemas.count, "Of the process."),
            ("held_bytes", Schemas.count, "Of weights and activations."),
            ("limit_bytes", ["type": ["integer", "null"]], "What they may take."),
        ])

    private static let running: JSONValue = [
        "oneOf": [
            ["type": "null"],
            object(
                "The call that it runs.",
                [("program", text, ""), ("request", Schemas.count, ""), ("step", Schemas.count, "")]),
        ]
    ]

    private static let worker = object(
        "A worker.",
        [
            ("name", text, ""), ("rank", Schemas.count, ""), ("coordinates", list(of: Schemas.count), "On the mesh."),
            (
                "state",
                [
                    "type": "string",
                    "enum": ["joining", "loading", "ready", "computing", "lost", "returning", "leaving"],
                ], ""
            ),
            ("host", text, ""), ("process_id", Schemas.count, ""), ("calls", Schemas.count, "Finished calls."),
            ("restarts", Schemas.count, ""), ("memory", memory, ""),
            ("compute_seconds", number, "Since its process started."),
            ("collective_seconds", number, "Since its process started."),
            ("sent_bytes", list(of: Schemas.count), "To each rank since its process started."),
            ("running", running, ""),
        ])
}
