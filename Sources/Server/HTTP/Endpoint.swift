import Foundation
import HTTPTypes

/// What a path stands for.
enum Endpoint: Sendable, Hashable {
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
    case page
    case progress
    case ready
    case variations

    /// The endpoint of a path; nil where there is none.
    init?(path: String) {
        switch path {
        case "/": self = .page
        case "/health/progress": self = .progress
        case "/healthz": self = .health
        case "/metrics": self = .metrics
        case "/readyz": self = .ready
        case "/v1/images/edits": self = .edits
        case "/v1/images/generations": self = .generations
        case "/v1/images/variations": self = .variations
        case "/v1/jobs": self = .jobs
        case "/v1/models": self = .models
        default:
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

    /// A name for metrics: one of a fixed few.
    var name: String {
        switch self {
        case .edits: "/v1/images/edits"
        case .generations: "/v1/images/generations"
        case .health: "/healthz"
        case .imageContent: "/v1/images/{id}/content"
        case .job: "/v1/jobs/{id}"
        case .jobCancel: "/v1/jobs/{id}/cancel"
        case .jobEvents: "/v1/jobs/{id}/events"
        case .jobResult: "/v1/jobs/{id}/results/{index}"
        case .jobs: "/v1/jobs"
        case .metrics: "/metrics"
        case .model: "/v1/models/{id}"
        case .models: "/v1/models"
        case .page: "/"
        case .progress: "/health/progress"
        case .ready: "/readyz"
        case .variations: "/v1/images/variations"
        }
    }

    /// The methods that it knows.
    var methods: [HTTPRequest.Method] {
        switch self {
        case .edits, .generations, .jobCancel, .variations: [.post]
        case .job: [.get, .delete]
        case .jobs: [.get, .post]
        default: [.get]
        }
    }

    /// True where no key is asked for: whether a process lives is no secret, the page holds nothing of anybody's, and
    /// who has a picture's address has got it from whom it belongs to.
    var isOpen: Bool {
        switch self {
        case .health, .imageContent, .page, .progress, .ready: true
        default: false
        }
    }
}
