import HTTPTypes
import Hummingbird

extension ServerResponder {
    /// What the page may load: nothing but itself.
    private static let docsPolicy =
        "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

    /// `GET /openapi.json`.
    func openAPI() -> Response { Response(json: document.json) }

    /// `GET /docs`.
    func docs() -> Response {
        var response = Response(text: DocsPage(document).html, type: "text/html; charset=utf-8")
        response.headers[.contentSecurityPolicy] = Self.docsPolicy
        response.headers[.xContentTypeOptions] = "nosniff"
        response.headers[.cacheControl] = "no-cache"
        return response
    }
}
