import Coordinator
import Foundation
import HTTPTypes
import Hummingbird

/// What a client gets instead of an answer: a status, and OpenAI's error object.
struct APIError: Error, Sendable {
    var status: HTTPResponse.Status
    /// A sentence for people.
    var message: String
    /// OpenAI's class of errors: `invalid_request_error`, `rate_limit_error` or `server_error`.
    var type = "invalid_request_error"
    /// The field that is wrong.
    var param: String?
    /// A stable word for programs.
    var code: String
    /// When it may be worth trying again.
    var retryAfter: Duration?
    /// False where the same request would fail again.
    var isWorthRetrying = false
    /// Methods that the path knows.
    var allow: String?

    /// The request is wrong: status 400.
    static func invalid(_ param: String?, _ message: String, code: String = "invalid_value") -> APIError {
        APIError(status: .badRequest, message: message, param: param, code: code)
    }

    static func tooLarge(_ message: String, param: String? = nil) -> APIError {
        APIError(status: .contentTooLarge, message: message, param: param, code: "too_large")
    }

    /// What an error of another part means to a client; what is inside stays in the log.
    init(_ error: any Error) {
        switch error {
        case let error as APIError: self = error
        case let error as GenerationRequestError:
            let parameter = error.problems.first.map { Self.field($0.parameter) }
            let problems = error.problems.map { problem in
                let field = Self.field(problem.parameter)
                return field == "size" ? "size: \(problem)" : "\(field) \(problem.message)"
            }
            self = .invalid(parameter, problems.joined(separator: "; "))
        case let error as PictureError:
            self = .invalid("image", error.description, code: "invalid_image")
        case let error as MultipartFormError:
            self = .invalid(nil, "the form cannot be read: \(error)", code: "invalid_form")
        case let error as OrderError: self.init(error)
        case let error as JobStoreError: self.init(error)
        case is JobCancelled: self = .endedJob(.cancelled)
        case let error as ClusterError:
            let isPassing: Bool =
                switch error {
                case .callAborted, .interrupted, .notReady, .stopped: true
                default: false
                }
            self.init(
                status: isPassing ? .serviceUnavailable : .internalServerError,
                message: isPassing
                    ? "the cluster gave the order up: try again later"
                    : "the cluster could not make the pictures; its log says why", type: "server_error",
                code: error.code, isWorthRetrying: isPassing)
        case is CancellationError:
            self.init(
                status: .serviceUnavailable, message: "the order was given up", type: "server_error", code: "cancelled",
                isWorthRetrying: true)
        default:
            self.init(
                status: .internalServerError, message: "the server could not answer; its log says why",
                type: "server_error", code: "internal_error")
        }
    }

    /// Jobs and pictures cannot be kept; where, and why, stays in the log.
    private init(_ error: JobStoreError) {
        let message: String
        switch error {
        case .full: message = "the server has no room to keep jobs and pictures; try again later"
        case .taken: message = "a request with this idempotency key is being taken; try again"
        default: message = "the server cannot keep jobs and pictures now; its log says why"
        }
        self.init(
            status: .serviceUnavailable, message: message, type: "server_error", code: error.code,
            retryAfter: .seconds(error == .taken ? 1 : 30), isWorthRetrying: true)
    }

    private init(_ error: OrderError) {
        self.init(
            status: .serviceUnavailable, message: error.description, type: "server_error", code: error.code,
            isWorthRetrying: true)
        switch error {
        case .late(let deadline, let expected): retryAfter = max(.seconds(1), expected - deadline)
        case .notReady: retryAfter = .seconds(5)
        case .stopping: retryAfter = .seconds(30)
        case .queueFull(_, let after):
            (status, type, retryAfter) = (.tooManyRequests, "rate_limit_error", after)
        }
    }

    init(
        status: HTTPResponse.Status, message: String, type: String = "invalid_request_error", param: String? = nil,
        code: String, retryAfter: Duration? = nil, isWorthRetrying: Bool = false, allow: String? = nil
    ) {
        self.status = status
        self.message = message
        self.type = type
        self.param = param
        self.code = code
        self.retryAfter = retryAfter
        self.isWorthRetrying = isWorthRetrying
        self.allow = allow
    }

    /// The API's name of a parameter of a request.
    private static func field(_ parameter: String) -> String {
        switch parameter {
        case "guidanceScale": "guidance_scale"
        case "negativePrompt": "negative_prompt"
        case "picturesPerPrompt": "n"
        case "steps": "num_inference_steps"
        case "width", "height": "size"
        default: parameter
        }
    }

    /// OpenAI's error object.
    var object: JSONValue {
        .object([
            "error": .object([
                "message": .string(message), "type": .string(type), "param": param.map { .string($0) } ?? .null,
                "code": .string(code),
            ])
        ])
    }

    /// The answer.
    var response: Response {
        var response = Response(json: object, status: status)
        if let retryAfter {
            let milliseconds = max(1, Int(retryAfter / .milliseconds(1)))
            response.headers[.retryAfter] = String((milliseconds + 999) / 1000)
        }
        response.headers[.shouldRetry] = isWorthRetrying ? "true" : "false"
        if let allow { response.headers[.allow] = allow }
        if status == .unauthorized { response.headers[.wwwAuthenticate] = "Bearer" }
        return response
    }
}

/// Words of `ClusterError` that clients may see as an error's code.
enum ClusterFailure {
    /// The cluster could not do it: status 500.
    static let codes = [
        "callFailed", "endpoint", "incompleteOutput", "installFailed", "launchFailed", "startFailed", "stuck",
        "unknownProgram", "workerLost", "workerLostTooOften",
    ]
    /// The order may succeed later: status 503.
    static let passingCodes = ["callAborted", "interrupted", "notReady", "stopped"]
}

extension HTTPField.Name {
    /// Tells OpenAI's clients whether another attempt may help.
    static let shouldRetry = HTTPField.Name("x-should-retry")!
    /// Names a request in logs.
    static let requestID = HTTPField.Name("x-request-id")!
}

extension Response {
    /// An answer with a JSON body.
    init(json: JSONValue, status: HTTPResponse.Status = .ok) {
        self.init(
            status: status, headers: [.contentType: "application/json"],
            body: ResponseBody(byteBuffer: ByteBuffer(bytes: json.encoded)))
    }

    /// An answer with a text.
    init(text: String, type: String = "text/plain; charset=utf-8", status: HTTPResponse.Status = .ok) {
        self.init(
            status: status, headers: [.contentType: type], body: ResponseBody(byteBuffer: ByteBuffer(string: text)))
    }
}
