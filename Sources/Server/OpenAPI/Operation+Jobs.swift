import Coordinator
import HTTPTypes

extension Operation {
    private static let jobID = Parameter(name: "id", place: .path, description: "The job's `id`.")
    private static let unknownJob = Failure(
        status: 404, codes: ["job_not_found"], description: "The key has no such job, or it is not kept any more.")
    private static let noStorage = Failure(
        status: 503, codes: ["storage_full", "storage_unusable"], description: "Jobs cannot be kept or read now.")
    /// The header of requests that are served once.
    static let idempotencyKey = Parameter(
        name: "idempotency-key", place: .header,
        description: "The client's word for the request, 1 to 255 printable ASCII characters: the same request with "
            + "the same word is served once.")

    /// What can be done with the job of an answer.
    ///
    /// - Parameters:
    ///   - id: where its id stands.
    ///   - index: where the number of a picture stands, or one.
    private static func links(id: String = "$response.body#/id", index: String = "0") -> [Link] {
        let job = ["id": id]
        return [
            Link(operation: "readJob", parameters: job, description: "How it stands."),
            Link(operation: "followJob", parameters: job, description: "What happens to it from then on."),
            Link(operation: "cancelJob", parameters: job, description: "Ends it at its next step."),
            Link(operation: "deleteJob", parameters: job, description: "Ends it and removes what is kept of it."),
            Link(
                operation: "readResult", parameters: job.merging(["index": index]) { $1 },
                description: "Its first picture, once it is completed."),
        ]
    }

    /// `POST /v1/jobs`.
    static func createJob(_ limits: ServerSettings.Limits) -> Operation {
        Operation(
            method: .post, id: "createJob", tag: .jobs, summary: "Takes an order that is made whoever waits",
            description: "It is kept before it is answered, and survives the end of the server. `/v1/jobs/{id}` tells "
                + "how it stands. A file in base64 counts towards the body's \(limits.bodyByteCount) bytes.",
            parameters: [idempotencyKey],
            body: [Content(type: "application/json", schema: .reference("JobRequest"))],
            answers: [
                .json("Job", "The job is over already.", links: links()),
                Answer(
                    status: 202, description: "The job is kept.",
                    content: [Content(type: "application/json", schema: .reference("Job"))],
                    headers: ["location": "Path of the job."], links: links()),
            ],
            failures: painting(
                badRequest: [
                    "invalid_json", "invalid_image", "missing_field", "unknown_field", "invalid_type", "invalid_value",
                    "too_long", "unsupported_value",
                ], tooLarge: "The body has more than \(limits.bodyByteCount) bytes, or a file too many pixels."))
    }

    static let listJobs = Operation(
        id: "listJobs", tag: .jobs, summary: "The key's jobs, newest first",
        parameters: [
            Parameter(
                name: "limit", place: .query, description: "Jobs of a page. By default 20.",
                schema: ["type": "integer", "minimum": 1, "maximum": 100]),
            Parameter(name: "after", place: .query, description: "Only those that are older than this one: an `id`."),
        ], answers: [.json("JobList", "A page of jobs.", links: links(id: "$response.body#/data/0/id"))],
        failures: [
            Failure(
                status: 400, codes: ["invalid_value", "unknown_field"],
                description: "A parameter is wrong; `param` names it."), noStorage,
        ])

    static let readJob = Operation(
        id: "readJob", tag: .jobs, summary: "How a job stands", parameters: [jobID],
        answers: [.json("Job", "The job.", links: links(index: "$response.body#/results/0/index"))],
        failures: [unknownJob, noStorage])

    static let deleteJob = Operation(
        method: .delete, id: "deleteJob", tag: .jobs, summary: "Ends a job and removes what is kept of it",
        parameters: [jobID], answers: [.json("JobDeleted", "It is gone.")], failures: [unknownJob, noStorage])

    static let cancelJob = Operation(
        method: .post, id: "cancelJob", tag: .jobs, summary: "Ends a job at its next step",
        description: "A job that was cancelled before is no error.", parameters: [jobID],
        answers: [.json("Job", "The job, cancelled.")],
        failures: [
            unknownJob,
            Failure(status: 409, codes: ["job_completed", "job_failed"], description: "It is over."), noStorage,
        ])

    static let followJob = Operation(
        id: "followJob", tag: .jobs, summary: "What happens to a job from now on",
        description: "The first event tells how it stands, the last one has the whole job. Where the server ends "
            + "before the job does, the last is an `error` event: ask again.",
        parameters: [jobID],
        answers: [
            Answer(
                description: "The events.",
                content: [
                    stream(
                        of: ["queued", "generating", "partial_image", "completed", "failed", "cancelled"]
                            .map { "job.\($0)" } + ["error"], "JobEvent")
                ])
        ], failures: [unknownJob, noStorage])

    static let readResult = Operation(
        id: "readResult", tag: .jobs, summary: "A picture of a completed job",
        parameters: [
            jobID,
            Parameter(
                name: "index", place: .path, description: "Number of the picture, from 0.", schema: Schemas.count),
        ], answers: file,
        failures: [
            Failure(
                status: 404, codes: ["job_not_found", "not_found", "picture_not_found"],
                description: "There is no such job or picture, or it is not kept any more."),
            Failure(status: 409, codes: ["job_not_completed"], description: "The job has no pictures, yet or at all."),
            noStorage,
        ])

    static let readImage = Operation(
        id: "readImage", tag: .images, summary: "A picture by its address",
        description: "The addresses stand in answers to orders with `response_format: url`. Nobody guesses them, "
            + "and no key is asked for.",
        parameters: [Parameter(name: "id", place: .path, description: "The picture's name.")], answers: file,
        failures: [
            Failure(
                status: 404, codes: ["picture_not_found"],
                description: "There is no such picture, or it is not kept any more."), noStorage,
        ])

    private static let file = [
        Answer(
            description: "The file.",
            content: PictureKind.allCases.map { Content(type: $0.mediaType, schema: ["type": "string"]) },
            headers: ["etag": "The file's SHA-256.", "cache-control": "How long it is kept."]),
        Answer(status: 304, description: "The copy whose `etag` was sent is still right."),
    ]
}
