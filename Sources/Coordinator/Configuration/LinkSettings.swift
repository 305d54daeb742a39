/// What the cluster file says about the links between workers; nil leaves a figure to the profile, or to assumption.
public struct LinkSettings: Sendable, Hashable {
    /// The link between two workers, in both directions.
    public struct Pair: Sendable, Hashable {
        /// Name of a worker.
        public var first: String
        /// Name of another.
        public var second: String
        /// Time from a send to the arrival of a message without content.
        public var latency: Duration?
        /// Bytes a second.
        public var bandwidth: Int?

        /// Makes a pair.
        public init(first: String, second: String, latency: Duration? = nil, bandwidth: Int? = nil) {
            self.first = first
            self.second = second
            self.latency = latency
            self.bandwidth = bandwidth
        }
    }

    /// Latency of all links that nobody measured.
    public var latency: Duration?
    /// Bytes a second of all links that nobody measured.
    public var bandwidth: Int?
    /// Links that are said one by one; they win over what was measured.
    public var pairs: [Pair]

    /// Makes settings.
    public init(latency: Duration? = nil, bandwidth: Int? = nil, pairs: [Pair] = []) {
        self.latency = latency
        self.bandwidth = bandwidth
        self.pairs = pairs
    }
}
