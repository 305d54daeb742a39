import Foundation
import HTTPTypes

/// What a path stands for.
enum Endpoint: Sendable, Hashable {
    case cluster
    case docs
    case edits
    case generations
    case health
    case metrics
    case model(String)
    case models
    case openAPI
    case page(PageFile)
    case progress
    case ready

    /// The endpoint of a path; nil where there is none.
    init?(path: String) {
        switch path {
        case "/": self = .page(.document)
        case "/docs": self = .docs
        case "/health/progress": self = .progress
        case "/healthz": self = .health
        case "/metrics": self = .metrics
        case "/openapi.json": self = .openAPI
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

    /// The template that it stands for: what documents and metrics name it by.
    ///
    /// A route has its description in ``Route/operations(_:)``, and what is not described there is answered with 405.
    var route: Route {
        switch self {
        case .cluster: .cluster
        case .docs: .docs
        case .edits: .edits
        case .generations: .generations
        case .health: .health
        case .metrics: .metrics
        case .model: .model
        case .models: .models
        case .openAPI: .openAPI
        case .page(let file): file == .document ? .page : .pageFile
        case .progress: .progress
        case .ready: .ready
        }
    }

    /// A name for metrics: one of a fixed few.
    var name: String { route.rawValue }

    /// True where no key is asked for.
    var isOpen: Bool { route.isOpen }
}
