extension Operation {
    private static func html(_ description: String) -> Answer {
        Answer(description: description, content: [Content(type: "text/html", schema: ["type": "string"])])
    }

    static let page = Operation(
        id: "showPage", tag: .pages, summary: "A page on which people make pictures",
        description: "It needs nothing from elsewhere, and asks for the key itself.", answers: [html("The page.")])

    static let pageFile = Operation(
        id: "readPageFile", tag: .pages, summary: "A script, style or picture of the page",
        parameters: [Parameter(name: "file", place: .path, description: "A name that the page refers to.")],
        answers: [
            Answer(
                description: "The file.",
                content: ["text/javascript", "text/css", "text/html", "image/svg+xml"].map {
                    Content(type: $0, schema: ["type": "string"])
                }),
            Answer(status: 304, description: "The copy whose `etag` was sent is still right."),
        ], failures: [Failure(status: 404, codes: ["not_found"], description: "There is no such file.")])

    static let docs = Operation(
        id: "showDocs", tag: .pages, summary: "This document as a page", answers: [html("The page.")])

    static let openAPI = Operation(
        id: "readOpenAPI", tag: .pages, summary: "This document",
        answers: [
            Answer(
                description: "An OpenAPI 3.1 document.",
                content: [Content(type: "application/json", schema: ["type": "object"])])
        ])

    static let health = Operation(
        id: "checkHealth", tag: .operations, summary: "Whether the process lives",
        answers: [Answer(description: "It lives.", content: [Content(type: "text/plain", schema: ["type": "string"])])])

    static let ready = Operation(
        id: "checkReady", tag: .operations, summary: "Whether a step could run now",
        answers: [
            .json("Readiness", "It could."),
            .json(
                "Readiness", "Not now: the model is being loaded, a worker is lost, or the server ends.", status: 503),
        ])

    static let progress = Operation(
        id: "checkProgress", tag: .operations, summary: "Whether what runs comes forward",
        answers: [
            .json("Progress", "It does, or nothing runs."),
            .json("Progress", "Something runs, but has not come forward for two minutes.", status: 503),
        ])

    static let metrics = Operation(
        id: "readMetrics", tag: .operations, summary: "Metrics for Prometheus",
        description: "Text format 0.0.4. docs/server.md lists the metrics, docs/operate.md has rules for alerts.",
        answers: [
            Answer(description: "All metrics.", content: [Content(type: "text/plain", schema: ["type": "string"])])
        ])

    static let cluster = Operation(
        id: "readCluster", tag: .operations, summary: "The workers on the mesh, what they do, and the queue",
        answers: [.json("Cluster", "How the cluster is now.")])

    static let listModels = Operation(
        id: "listModels", tag: .models, summary: "The models that are served: one",
        answers: [
            .json(
                "ModelList", "The model.",
                links: [
                    Link(
                        operation: "readModel", parameters: ["id": "$response.body#/data/0/id"],
                        description: "The model by itself.")
                ])
        ])

    static let readModel = Operation(
        id: "readModel", tag: .models, summary: "A model by its name",
        parameters: [Parameter(name: "id", place: .path, description: "A name that `/v1/models` tells.")],
        answers: [.json("Model", "The model.")],
        failures: [Failure(status: 404, codes: ["model_not_found"], description: "This model is not served here.")])
}
