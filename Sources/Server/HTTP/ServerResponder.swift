import Coordinator
import Foundation
import HTTPTypes
import Hummingbird
import Logging
import NIOCore

/// Answers every request: finds the endpoint, asks for the key, and turns whatever is thrown into an answer.
struct ServerResponder: HTTPResponder {
    typealias Context = BasicRequestContext

    /// A body ended before its time; the connection is at fault, so there is nobody to answer.
    struct BrokenBody: Error {
        let underlying: any Error
    }

    /// The client left before there was an answer.
    struct ClientLeft: Error {}

    /// Longest request id of a client's that is kept.
    private static let requestIDLimit = 64

    let service: any ImageService
    let desk: OrderDesk
    /// What clients reach the server by; nil: what they call it.
    let publicURL: String?
    let keys: KeyRing?
    let limits: ServerSettings.Limits
    let origins: AllowedOrigins
    let metrics: Metrics
    let logger: Logger
    /// How often a stream says something when there is nothing to say.
    let keepAlive: Duration
    /// A service that works, but has not come forward for so long, is stalled.
    let stallLimit: Duration
    /// What the routes are, and which methods they take.
    let document: APIDocument

    func respond(to request: Request, context: BasicRequestContext) async throws -> Response {
        let id = Self.requestID(request)
        return try await RequestScope.$id.withValue(id) { try await respond(to: request, id: id) }
    }

    private func respond(to request: Request, id: String) async throws -> Response {
        let start = ContinuousClock.now
        let endpoint = Endpoint(path: request.uri.path)
        var logger = logger
        // Streams are written when this has returned, by other tasks.
        logger[metadataKey: "request_id"] = "\(id)"
        let isKnown = endpoint.map { document.methods(of: $0.route).contains(request.method) } ?? false
        let route = endpoint?.name ?? "other"
        var entry = AccessLog.Entry(
            requestID: id, method: isKnown ? request.method.rawValue : "other", route: route,
            isQuiet: endpoint?.route.isPolled(request.method) ?? false, start: start)
        var response: Response
        do {
            if let preflight = origins.preflight(
                request, methods: endpoint.map { document.methods(of: $0.route) } ?? [])
            {
                return AccessLog(logger: logger).following(preflight, entry)
            }
            // Who has no key learns nothing about what there is.
            if endpoint?.isOpen != true { entry.key = try authorize(request, logger) }
            response = try await answer(request, endpoint, client: entry.key ?? "", logger)
        } catch let error as BrokenBody {
            throw error.underlying
        } catch is ClientLeft {
            response = Response(status: .init(code: 499, reasonPhrase: "Client Closed Request"))
        } catch {
            let answer = APIError(error)
            if answer.status.code >= 500, !(error is OrderError) {
                logger.error("a request failed", metadata: ["reason": "\(error)"])
            }
            response = answer.response
        }
        response.headers[.requestID] = id
        origins.admit(request, to: &response)
        let status = response.status.code
        metrics.count(.answers, ["route": route, "method": entry.method, "status": "\(status)"])
        metrics.observe(.answerSeconds, (ContinuousClock.now - start) / .seconds(1), ["route": route])
        return AccessLog(logger: logger).following(response, entry)
    }

    private func answer(
        _ request: Request, _ endpoint: Endpoint?, client: String, _ logger: Logger
    ) async throws -> Response {
        guard let endpoint else {
            throw APIError(
                status: .notFound, message: "there is nothing at \(request.uri.path.prefix(100))", code: "not_found")
        }
        let methods = document.methods(of: endpoint.route)
        guard methods.contains(request.method) else {
            let names = methods.map(\.rawValue).joined(separator: ", ")
            throw APIError(
                status: .methodNotAllowed, message: "\(endpoint.name) takes \(names)", code: "method_not_allowed",
                allow: names)
        }
        switch endpoint {
        case .cluster: return await cluster()
        case .docs: return docs()
        case .edits: return try await edits(request, client: client, logger)
        case .generations: return try await generations(request, client: client, logger)
        case .variations: return try await variations(request, client: client, logger)
        case .imageContent, .job, .jobCancel, .jobEvents, .jobResult, .jobs:
            return try await kept(endpoint, request, client, logger)
        case .health: return Response(text: "ok\n")
        case .metrics: return await metricsText()
        case .model(let id): return try model(id)
        case .models: return models()
        case .page(let file): return file.response(to: request)
        case .openAPI: return openAPI()
        case .progress: return await progress()
        case .ready: return await ready()
        }
    }

    /// The name of the key that the request shows; nil where the server has none.
    ///
    /// Throws unless it is one of the ring's.
    private func authorize(_ request: Request, _ logger: Logger) throws -> String? {
        guard let keys else { return nil }
        func refuse(_ message: String, _ code: String) -> APIError {
            APIError(status: .unauthorized, message: message, code: code)
        }
        guard let header = request.headers[.authorization] else {
            throw refuse("show an API key: 'Authorization: Bearer KEY'", "missing_api_key")
        }
        let words = header.split(separator: " ", maxSplits: 1)
        guard words.count == 2, words[0].lowercased() == "bearer" else {
            throw refuse("the authorization is not of the form 'Bearer KEY'", "invalid_api_key")
        }
        let name: String?
        do {
            name = try keys.name(of: words[1].trimmingCharacters(in: .whitespaces))
        } catch {
            logger.error("nobody is admitted", metadata: ["reason": "\(error)"])
            throw APIError(
                status: .serviceUnavailable, message: "keys cannot be checked now; the server's log says why",
                type: "server_error", code: "keys_unusable", isWorthRetrying: true)
        }
        guard let name else { throw refuse("the API key is not known", "invalid_api_key") }
        return name
    }

    /// The whole body, and the request with it in place of the stream.
    func body(of request: inout Request, limit: Int) async throws -> [UInt8] {
        let tooLarge = APIError.tooLarge("the body has more than \(limit) bytes")
        if let length = request.headers[.contentLength].flatMap({ Int($0) }), length > limit { throw tooLarge }
        do {
            let buffer = try await request.collectBody(upTo: limit)
            return Array(buffer.readableBytesView)
        } catch is NIOTooManyBytesError {
            throw tooLarge
        } catch {
            throw BrokenBody(underlying: error)
        }
    }

    /// The client's own id where it is a short plain word, else a new one.
    private static func requestID(_ request: Request) -> String {
        if let own = request.headers[.requestID], (1...requestIDLimit).contains(own.utf8.count),
            own.allSatisfy({ $0.isASCII && ($0.isLetter || $0.isNumber || "-_.".contains($0)) })
        {
            return own
        }
        return "req_" + UUID().uuidString.replacing("-", with: "").lowercased()
    }
}
