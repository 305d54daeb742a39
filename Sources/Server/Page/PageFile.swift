import HTTPTypes
import Hummingbird
import NIOCore

/// A file of the web page, as it lies in the binary.
enum PageFile: String, Sendable, Hashable, CaseIterable {
    case api = "api.js"
    case clusterStyle = "cluster.css"
    case clusterView = "cluster.js"
    case document = "index.html"
    case editor = "editor.js"
    case form = "form.js"
    case gallery = "gallery.js"
    case icon = "icon.svg"
    case main = "main.js"
    case paintStyle = "paint.css"
    case painting = "painting.js"
    case theme = "theme.css"

    /// Its bytes.
    var bytes: [UInt8] {
        switch self {
        case .api: PackageResources.api_js
        case .clusterStyle: PackageResources.cluster_css
        case .clusterView: PackageResources.cluster_js
        case .document: PackageResources.index_html
        case .editor: PackageResources.editor_js
        case .form: PackageResources.form_js
        case .gallery: PackageResources.gallery_js
        case .icon: PackageResources.icon_svg
        case .main: PackageResources.main_js
        case .paintStyle: PackageResources.paint_css
        case .painting: PackageResources.painting_js
        case .theme: PackageResources.theme_css
        }
    }

    /// Its media type.
    var type: String {
        switch rawValue.split(separator: ".").last {
        case "css": "text/css; charset=utf-8"
        case "html": "text/html; charset=utf-8"
        case "svg": "image/svg+xml"
        default: "text/javascript; charset=utf-8"
        }
    }

    /// Changes with the bytes (FNV-1a, 64 bits).
    private var tag: String {
        let hash = bytes.reduce(0xcbf2_9ce4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
        return "\"\(String(hash, radix: 16))\""
    }

    private static let tags = Dictionary(uniqueKeysWithValues: allCases.map { ($0, $0.tag) })

    /// What the page may load: its own files, and pictures that it has made or got from this server.
    private static let policy =
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
        + "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

    /// The file, or word that the browser's copy is the same.
    func response(to request: Request) -> Response {
        let tag = Self.tags[self] ?? ""
        let isKnown = request.headers[.ifNoneMatch] == tag
        return Response(
            status: isKnown ? .notModified : .ok,
            headers: [
                .contentType: type, .contentSecurityPolicy: Self.policy, .xContentTypeOptions: "nosniff",
                .cacheControl: "no-cache", .eTag: tag, HTTPField.Name("referrer-policy")!: "no-referrer",
            ], body: isKnown ? ResponseBody() : ResponseBody(byteBuffer: ByteBuffer(bytes: bytes)))
    }
}
