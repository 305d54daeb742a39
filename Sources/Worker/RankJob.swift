import Protocol

/// Work for a rank's thread.
enum RankJob: Sendable {
    /// Reach the peers of an epoch; `abortCount` is how often calls had been given up when the order came.
    case connect(epoch: UInt32, endpoints: [String], abortCount: Int)
    /// Install a program.
    case install(Install)
    /// Drop a program, and free the weights that no other one reads.
    case uninstall(String)
    /// Free what a request left.
    case release(UInt64)
    /// Run a program.
    case run(Run)
    /// Give what was recorded, and record as ordered from now on.
    case trace(TraceOrder)

    /// What a worker's report says of the job; nil: nothing.
    var running: WorkerReport.Running? {
        guard case .run(let order) = self else { return nil }
        return WorkerReport.Running(programKey: order.programKey, request: order.request, step: order.step)
    }

    /// What a failure of the job is about.
    var subject: Failure.Subject {
        switch self {
        case .install(let order): .program(order.programKey)
        case .run(let order): .call(order.call)
        case .connect, .release, .trace, .uninstall: .worker
        }
    }
}
