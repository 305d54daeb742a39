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
    let keys: KeyRing?
    let limits: ServerSettings.Limits
    let metrics: Metrics
    let logger: Logger
    /// How often a stream says something when there is nothing to say.
    let keepAlive: Duration
    /// A service that works, but has not come forward for so long, is stalled.
    let stallLimit: Duration

    func respond(to request: Request, context: BasicRequestContext) async throws -> Response {
        let start = ContinuousClock.now
        let id = Self.requestID(request)
        let endpoint = Endpoint(path: request.uri.path)
        var logger = logger
        logger[metadataKey: "request"] = "\(id)"
        var response: Response
        do {
            response = try await answer(request, endpoint, logger)
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
        let seconds = (ContinuousClock.now - start) / .seconds(1)
        let route = endpoint?.name ?? "other"
        metrics.count(
            .answers,
            [
                "route": route, "method": endpoint?.method == request.method ? request.method.rawValue : "other",
                "status": "\(response.status.code)",
            ])
        metrics.observe(.answerSeconds, seconds, ["route": route])
        logger.info(
            "answered", metadata: ["route": "\(route)", "status": "\(response.status.code)", "seconds": "\(seconds)"])
        return response
    }

    private func answer(_ request: Request, _ endpoint: Endpoint?, _ logger: Logger) async throws -> Response {
        // Who has no key learns nothing about what there is.
        let client = endpoint?.isOpen == true ? "" : try authorize(request, logger)
        guard let endpoint else {
            throw APIError(
                status: .notFound, message: "there is nothing at \(request.uri.path.prefix(100))", code: "not_found")
        }
        guard request.method == endpoint.method else {
            throw APIError(
                status: .methodNotAllowed, message: "\(endpoint.name) takes \(endpoint.method.rawValue)",
                code: "method_not_allowed", allow: endpoint.method.rawValue)
        }
        switch endpoint {
        case .edits: return try await edits(request, client: client, logger)
        case .generations: return try await generations(request, client: client, logger)
        case .health: return Response(text: "ok\n")
        case .metrics: return await metricsText()
        case .model(let id): return try model(id)
        case .models: return models()
        case .page: return page()
        case .progress: return await progress()
        case .ready: return await ready()
        }
    }

    /// Name of the key that the request shows; empty where none is asked for.
    ///
    /// Throws unless it is one of the ring.
    private func authorize(_ request: Request, _ logger: Logger) throws -> String {
        guard let keys else { return "" }
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
