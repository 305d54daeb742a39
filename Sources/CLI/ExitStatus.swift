import ArgumentParser
import Coordinator
import Models
import Protocol
import Server
import Sharding
import Transport

/// What the process tells its caller.
enum ExitStatus: Int32 {
    /// Done.
    case success = 0
    /// It was tried and failed.
    case failure = 1
    /// The command line is wrong.
    case usage = 2
    /// Nothing answers (EX_UNAVAILABLE of sysexits).
    case unavailable = 69
    /// The cluster file, or a setting beside it, is wrong (EX_CONFIG of sysexits).
    case configuration = 78

    /// Says what went wrong and returns the code for it; requests for help end in ``success``.
    static func report(_ error: any Error) -> ExitStatus {
        if let error = error as? ConfigurationError {
            Terminal.shared.note(error.rendered)
            return .configuration
        }
        // The file's rules, each right by itself, do not fit the model or each other; or its keys, or its jobs file,
        // are not usable.
        if error is ShardingError || error is MeshSearchError || error is KeyRingError
            || error is JobStoreError || error is ClusterKeyError || error is WorkerCommand.OpenAddress
        {
            Terminal.shared.note("tessera: error: \(error)")
            return .configuration
        }
        let isWrongOrder = (error as? ClientError)?.code == "request" || error is PlanExplainer.UnknownName
        if isWrongOrder || error is GenerationRequestError || error is ModelError {
            Terminal.shared.note("tessera: error: \(error)")
            return .usage
        }
        switch Tessera.exitCode(for: error) {
        case .success:
            Terminal.shared.result(Tessera.fullMessage(for: error))
            return .success
        case .validationFailure:
            Terminal.shared.note(Tessera.fullMessage(for: error))
            return .usage
        default:
            if let code = error as? ExitCode { return ExitStatus(rawValue: code.rawValue) ?? .failure }
            Terminal.shared.note("tessera: error: \(error)")
            return .failure
        }
    }
}
