import Coordinator
import HTTPTypes

/// The server's paths, with their parameters in braces.
///
/// To add a route: a case here and in ``Endpoint``, and its operations below. The document at `/openapi.json`, the page
/// at `/docs`, the methods that the server takes and the routes' names in metrics all come from here.
enum Route: String, CaseIterable, Sendable {
    case page = "/"
    case docs = "/docs"
    case progress = "/health/progress"
    case health = "/healthz"
    case metrics = "/metrics"
    case openAPI = "/openapi.json"
    case pageFile = "/page/{file}"
    case ready = "/readyz"
    case cluster = "/v1/cluster"
    case edits = "/v1/images/edits"
    case generations = "/v1/images/generations"
    case variations = "/v1/images/variations"
    case imageContent = "/v1/images/{id}/content"
    case jobs = "/v1/jobs"
    case job = "/v1/jobs/{id}"
    case jobCancel = "/v1/jobs/{id}/cancel"
    case jobEvents = "/v1/jobs/{id}/events"
    case jobResult = "/v1/jobs/{id}/results/{index}"
    case models = "/v1/models"
    case model = "/v1/models/{id}"

    /// True where no key is asked for: whether a process lives is no secret, the pages and the document hold nothing of
    /// anybody's, and who has a picture's address has got it from whom it belongs to.
    var isOpen: Bool {
        switch self {
        case .docs, .health, .imageContent, .openAPI, .page, .pageFile, .progress, .ready: true
        default: false
        }
    }

    /// True where machines ask again and again: these answers are not worth a line in the log.
    func isPolled(_ method: HTTPRequest.Method) -> Bool {
        switch self {
        case .cluster, .health, .metrics, .pageFile, .progress, .ready: true
        case .job, .jobs: method == .get
        default: false
        }
    }

    /// What each of its methods does, with the limits that hold on this server.
    func operations(_ limits: ServerSettings.Limits) -> [Operation] {
        switch self {
        case .page: [Operation.page]
        case .docs: [Operation.docs]
        case .progress: [Operation.progress]
        case .health: [Operation.health]
        case .metrics: [Operation.metrics]
        case .openAPI: [Operation.openAPI]
        case .pageFile: [Operation.pageFile]
        case .ready: [Operation.ready]
        case .cluster: [Operation.cluster]
        case .edits: [Operation.edit(limits)]
        case .generations: [Operation.generate(limits)]
        case .variations: [Operation.vary(limits)]
        case .imageContent: [Operation.readImage]
        case .jobs: [Operation.listJobs, Operation.createJob(limits)]
        case .job: [Operation.readJob, Operation.deleteJob]
        case .jobCancel: [Operation.cancelJob]
        case .jobEvents: [Operation.followJob]
        case .jobResult: [Operation.readResult]
        case .models: [Operation.listModels]
        case .model: [Operation.readModel]
        }
    }
}
