import HTTPTypes
import Hummingbird

/// The web origins whose pages may use the server from a browser (WHATWG Fetch, 3.2), besides its own.
struct AllowedOrigins: Sendable {
    private let origins: Set<String>

    /// Allows a list, in lower case; an empty one leaves everything to the browser's rule: none.
    init(_ origins: [String]) { self.origins = Set(origins) }

    /// The answer to a browser that asks before it sends a request; nil where this is no such question of an allowed
    /// origin.
    func preflight(_ request: Request, methods: [HTTPRequest.Method]) -> Response? {
        guard request.method == .options, request.headers[.accessControlRequestMethod] != nil, !methods.isEmpty,
            let origin = allowed(request)
        else { return nil }
        return Response(
            status: .noContent,
            headers: [
                .accessControlAllowOrigin: origin, .vary: "origin", .accessControlMaxAge: "600",
                .accessControlAllowMethods: methods.map(\.rawValue).joined(separator: ", "),
                .accessControlAllowHeaders: "authorization, content-type, idempotency-key, x-request-id",
            ])
    }

    /// Lets the page that asked see the answer, where its origin is allowed.
    func admit(_ request: Request, to response: inout Response) {
        guard !origins.isEmpty else { return }
        response.headers[.vary] = "origin"
        guard let origin = allowed(request) else { return }
        response.headers[.accessControlAllowOrigin] = origin
        response.headers[.accessControlExposeHeaders] = "retry-after, x-request-id, x-should-retry"
    }

    private func allowed(_ request: Request) -> String? {
        request.headers[.origin].flatMap { origins.contains($0.lowercased()) ? $0 : nil }
    }
}
