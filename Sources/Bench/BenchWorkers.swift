public import Coordinator

/// Equal workers that a measurement runs on.
public struct WorkerGroup: Sendable, Hashable {
    /// How many.
    public var count: Int
    /// Threads of each.
    public var threads: Int
    /// True: threads of this process; false: processes of their own.
    public var isInProcess: Bool

    /// Makes a group.
    public init(count: Int = 1, threads: Int = 1, isInProcess: Bool = false) {
        precondition(count >= 1 && threads >= 1, "a group has workers, and they have threads")
        self.count = count
        self.threads = threads
        self.isInProcess = isInProcess
    }
}

/// Starts workers for measurements.
public protocol BenchWorkers: Sendable {
    /// Starts a cluster of such workers, gives it to `body`, and ends it however that ends.
    func with<Result: Sendable>(
        _ group: WorkerGroup, _ body: @escaping @Sendable (Cluster) async throws -> Result
    ) async throws -> Result
}
