import Protocol
import Runtime
import Transport

/// Turns errors of the rank's thread into messages.
enum FailureReport {
    /// The message about an error; `isAborted` where calls were being given up when it happened.
    static func describe(_ error: any Error, subject: Failure.Subject, isAborted: Bool) -> Failure {
        var failure = Failure(subject: subject, code: "internal", message: "\(error)")
        switch error {
        case let error as ExecutionError:
            failure.code = "\(error.code)"
            failure.scope = error.scope
            failure.instruction = error.instruction
            if let cause = error.underlying as? TransportError { failure.code = cause.code }
        case let error as TransportError:
            failure.code = error.code
        case is WeightError:
            failure.code = "weights"
        case let error as WorkerError:
            failure.code = error.code
        default:
            break
        }
        if isAborted { failure.code = Failure.abortedCode }
        return failure
    }
}
