import Foundation
import HTTPTypes

/// What a path stands for.
enum Endpoint: Sendable, Hashable {
    case cluster
    case docs
    case edits
    case generations
    case health
    case imageContent(String)
    case job(String)
    case jobCancel(String)
    case jobEvents(String)
    case jobResult(String, index: Int)
    case jobs
    case metrics
    case model(String)
    case models
    case openAPI
    case page(PageFile)
    case progress
    case ready
    case variations

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
        case "/v1/images/variations": self = .variations
        case "/v1/jobs": self = .jobs
        case "/v1/models": self = .models
        default:
            if path.hasPrefix("/page/"), let file = PageFile(rawValue: String(path.dropFirst(6))) {
                self = .page(file)
                return
            }
            if let kept = Endpoint(keptPath: path) {
                self = kept
                return
            }
            let prefix = "/v1/models/"
            guard path.hasPrefix(prefix), let id = String(path.dropFirst(prefix.count)).removingPercentEncoding,
                !id.isEmpty
            else { return nil }
            self = .model(id)
        }
    }

    /// The endpoint of a job or a picture; nil where there is none.
    private init?(keptPath path: String) {
        let words = path.split(separator: "/", omittingEmptySubsequences: false).dropFirst().map(String.init)
        guard words.count >= 3, words[0] == "v1", !words[2].isEmpty else { return nil }
        switch (words[1], words.count, words.dropFirst(3).first) {
        case ("images", 4, "content"): self = .imageContent(words[2])
        case ("jobs", 3, _): self = .job(words[2])
        case ("jobs", 4, "cancel"): self = .jobCancel(words[2])
        case ("jobs", 4, "events"): self = .jobEvents(words[2])
        case ("jobs", 5, "results"):
            guard words[4].utf8.count <= 4, words[4].utf8.allSatisfy({ (0x30...0x39).contains($0) }),
                let index = Int(words[4])
            else { return nil }
            self = .jobResult(words[2], index: index)
        default: return nil
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
        case .imageContent: .imageContent
        case .job: .job
        case .jobCancel: .jobCancel
        case .jobEvents: .jobEvents
        case .jobResult: .jobResult
        case .jobs: .jobs
        case .metrics: .metrics
        case .model: .model
        case .models: .models
        case .openAPI: .openAPI
        case .page(let file): file == .document ? .page : .pageFile
        case .progress: .progress
        case .ready: .ready
        case .variations: .variations
        }
    }

    /// A name for metrics: one of a fixed few.
    var name: String { route.rawValue }

    /// True where no key is asked for.
    var isOpen: Bool { route.isOpen }
}
