import Foundation
import HTTPTypes

/// What a path stands for.
enum Endpoint: Sendable, Hashable {
    case cluster
    case edits
    case generations
    case health
    case metrics
    case model(String)
    case models
    case page(PageFile)
    case progress
    case ready

    /// The endpoint of a path; nil where there is none.
    init?(path: String) {
        switch path {
        case "/": self = .page(.document)
        case "/health/progress": self = .progress
        case "/healthz": self = .health
        case "/metrics": self = .metrics
        case "/readyz": self = .ready
        case "/v1/cluster": self = .cluster
        case "/v1/images/edits": self = .edits
        case "/v1/images/generations": self = .generations
        case "/v1/models": self = .models
        default:
            if path.hasPrefix("/page/"), let file = PageFile(rawValue: String(path.dropFirst(6))) {
                self = .page(file)
                return
            }
            let prefix = "/v1/models/"
            guard path.hasPrefix(prefix), let id = String(path.dropFirst(prefix.count)).removingPercentEncoding,
                !id.isEmpty
            else { return nil }
            self = .model(id)
        }
    }

    /// A name for metrics: one of a fixed few.
    var name: String {
        switch self {
        case .cluster: "/v1/cluster"
        case .edits: "/v1/images/edits"
        case .generations: "/v1/images/generations"
        case .health: "/healthz"
        case .metrics: "/metrics"
        case .model: "/v1/models/{id}"
        case .models: "/v1/models"
        case .page(let file): file == .document ? "/" : "/page/{file}"
        case .progress: "/health/progress"
        case .ready: "/readyz"
        }
    }

    /// The one method that it knows.
    var method: HTTPRequest.Method {
        switch self {
        case .edits, .generations: .post
        default: .get
        }
    }

    /// True where no key is asked for: whether a process lives is no secret, and the page holds nothing of anybody's.
    var isOpen: Bool {
        switch self {
        case .health, .page, .progress, .ready: true
        default: false
        }
    }
}
