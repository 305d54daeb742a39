public import Protocol

/// What a rank's thread drives: the device's programs, weights and links.
///
/// Made, used and dropped on that thread.
public protocol RankEngine: AnyObject {
    /// Where peers reach this rank.
    var endpoint: String { get }

    /// Reaches all peers; `endpoints` are by rank, this rank's own among them.
    func connect(endpoints: [String], epoch: UInt32) throws

    /// Installs a program, replacing one of the same key.
    func install(_ order: Install, progress: (LoadProgress) -> Void) throws -> Installed

    /// Drops a program, and frees the weights that no other one reads; nothing happens for an unknown one.
    func uninstall(_ programKey: String)

    /// Runs a program.
    func run(_ order: Run) throws -> RunResult

    /// Frees what a request left; nothing happens for an unknown one.
    func release(request: UInt64)

    /// What it holds and has done so far, for the worker's reports; `running` is filled in by the rank's thread.
    var report: WorkerReport { get }

    /// Gives what was recorded since the last order, and records as ordered from now on.
    func trace(_ order: TraceOrder) -> TraceReport
}

extension RankEngine {
    /// An engine that counts nothing.
    public var report: WorkerReport { WorkerReport() }

    /// An engine that records nothing.
    public func trace(_ order: TraceOrder) -> TraceReport { TraceReport(number: order.number, now: 0) }
}
