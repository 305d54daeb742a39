/// What goes wrong with a cluster; cases in alphabetical order.
public enum ClusterError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The call was given up because of another call's failure.
    case callAborted(program: String, request: UInt64, step: UInt32, because: String)
    /// A call failed on a worker; the cluster goes on.
    case callFailed(worker: String, program: String, request: UInt64, step: UInt32, code: String, message: String)
    /// The control endpoint cannot be used.
    case endpoint(String)
    /// The parts of an output do not make a whole.
    case incompleteOutput(program: String, output: String, reason: String)
    /// A program could not be installed on a worker.
    case installFailed(worker: String, program: String, code: String, message: String)
    /// A worker is gone and is awaited again: the call may be made anew, as a new request.
    case interrupted(worker: String, rank: Int, loss: String, doing: String)
    /// A worker's process could not be started.
    case launchFailed(worker: String, reason: String)
    /// An order came before the start or while the cluster is in this state.
    case notReady(cluster: String, state: String)
    /// The cluster did not come up; one problem a sentence.
    case startFailed(cluster: String, problems: [String])
    /// The cluster was shut down.
    case stopped(cluster: String)
    /// A call took too long, and all workers gave it up when they were told to; the cluster goes on.
    case stuck(workers: [String], doing: String, after: Duration)
    /// A call names a program that was never installed.
    case unknownProgram(key: String)
    /// A worker that joins by itself was lost and did not come back.
    case workerAbsent(worker: String, rank: Int, within: Duration, command: String)
    /// A worker is gone, and with it all calls.
    case workerLost(worker: String, rank: Int, loss: String, doing: String, log: [String])
    /// A worker is gone, and workers were started anew too often already.
    case workerLostTooOften(
        worker: String, rank: Int, loss: String, restarts: Int, within: Duration, log: [String])

    /// A stable word for logs, metrics and JSON.
    public var code: String {
        switch self {
        case .callAborted: "callAborted"
        case .callFailed: "callFailed"
        case .endpoint: "endpoint"
        case .incompleteOutput: "incompleteOutput"
        case .installFailed: "installFailed"
        case .interrupted: "interrupted"
        case .launchFailed: "launchFailed"
        case .notReady: "notReady"
        case .startFailed: "startFailed"
        case .stopped: "stopped"
        case .stuck: "stuck"
        case .unknownProgram: "unknownProgram"
        case .workerAbsent: "workerAbsent"
        case .workerLost: "workerLost"
        case .workerLostTooOften: "workerLostTooOften"
        }
    }

    /// One sentence: what, where, what to do.
    ///
    /// After a lost worker its last log lines follow.
    public var description: String {
        switch self {
        case .callAborted(let program, let request, let step, let because):
            "\(program) (request \(request), step \(step)) was given up because \(because); try again"
        case .callFailed(let worker, let program, let request, let step, _, let message):
            "\(program) (request \(request), step \(step)) failed on worker \(worker): \(message)"
        case .endpoint(let reason): "the coordinator cannot listen for its workers: \(reason)"
        case .incompleteOutput(let program, let output, let reason):
            "the workers' parts of output \(output) of \(program) do not make a whole: \(reason)"
        case .installFailed(let worker, let program, _, let message):
            "program \(program) could not be installed on worker \(worker): \(message)"
        case .interrupted(let worker, let rank, let loss, let doing):
            "worker \(worker) (rank \(rank)) \(loss) while \(doing): the cluster waits for it to come back, and orders go"
                + " on from their last step"
        case .launchFailed(let worker, let reason): "worker \(worker) could not be started: \(reason)"
        case .notReady(let cluster, let state):
            "cluster \(cluster) is \(state) and takes no orders: start it first"
        case .startFailed(let cluster, let problems):
            "cluster \(cluster) did not start: \(problems.joined(separator: "; "))"
        case .stopped(let cluster): "cluster \(cluster) was shut down"
        case .stuck(let workers, let doing, let after):
            "worker \(workers.joined(separator: ", ")) did not finish \(doing) within \(after): look at its log, and at"
                + " the load of its machine"
        case .unknownProgram(let key): "program \(key) is not installed on the cluster"
        case .workerAbsent(let worker, let rank, let within, let command):
            "worker \(worker) (rank \(rank)) was lost and did not join again within \(within): start the cluster anew,"
                + " and on that worker's machine: \(command)"
        case .workerLost(let worker, let rank, let loss, let doing, let log):
            "worker \(worker) (rank \(rank)) \(loss) while \(doing): start the cluster again, and look at the worker's"
                + " log if it happens again" + Self.quote(log)
        case .workerLostTooOften(let worker, let rank, let loss, let restarts, let within, let log):
            "worker \(worker) (rank \(rank)) \(loss), and workers were started anew \(restarts) times within \(within):"
                + " look at its log and at the memory of its machine" + Self.quote(log)
        }
    }

    /// The last lines of a log as part of a message.
    static func quote(_ lines: [String]) -> String {
        lines.isEmpty ? "" : "; its last lines:" + lines.map { "\n    \($0)" }.joined()
    }
}
