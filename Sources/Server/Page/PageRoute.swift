import HTTPTypes
import Hummingbird

extension ServerResponder {
    /// What the page may load: nothing but itself, and this server's answers.
    private static let policy =
        "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; connect-src 'self'; "
        + "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

    /// `GET /`: the page.
    func page() -> Response {
        var response = Response(text: Page.html, type: "text/html; charset=utf-8")
        response.headers[.contentSecurityPolicy] = Self.policy
        response.headers[.xContentTypeOptions] = "nosniff"
        response.headers[.cacheControl] = "no-cache"
        return response
    }
}
