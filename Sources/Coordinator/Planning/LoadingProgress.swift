/// How much of what some programs need the workers have loaded, in bytes of weights as the plan counts them.
public struct LoadingProgress: Sendable, Hashable {
    /// One worker's part.
    public struct Worker: Sendable, Hashable {
        /// Name.
        public var name: String
        /// Bytes that it has loaded.
        public var loadedByteCount: Int
        /// Bytes that it has to load for all programs.
        public var byteCount: Int

        /// Makes an entry.
        public init(name: String, loadedByteCount: Int, byteCount: Int) {
            self.name = name
            self.loadedByteCount = loadedByteCount
            self.byteCount = byteCount
        }
    }

    /// By rank.
    public var workers: [Worker]

    /// Makes a report.
    public init(workers: [Worker]) { self.workers = workers }

    /// Bytes that all workers together have loaded.
    public var loadedByteCount: Int { workers.reduce(0) { $0 + $1.loadedByteCount } }
    /// Bytes that all workers together have to load.
    public var byteCount: Int { workers.reduce(0) { $0 + $1.byteCount } }
}
