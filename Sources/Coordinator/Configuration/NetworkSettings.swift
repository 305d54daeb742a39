public import Program

/// Where something listens.
public struct NetworkAddress: Sendable, Hashable, CustomStringConvertible {
    /// Name or number of the interface.
    public var host: String
    /// TCP port; 0 takes any that is free.
    public var port: Int

    /// Makes an address.
    public init(host: String, port: Int) {
        self.host = host
        self.port = port
    }

    /// "host:port".
    public var description: String { "\(host):\(port)" }
    /// "tcp://host:port", as ZeroMQ writes it.
    public var endpoint: String { "tcp://\(host):\(port)" }
}

/// How workers exchange activations, and how long anything may take.
public struct DataPlaneSettings: Sendable, Hashable {
    /// Interface that workers bind their data sockets to.
    public var host: String
    /// What carries data between workers.
    public var carrier: Carrier
    /// How long a started worker may take to join.
    public var joinDeadline: Duration
    /// How long loading may take in all: of what the cluster starts with, or of what an order of another size adds.
    public var loadDeadline: Duration
    /// How long a worker waits in a collective for another.
    public var collectiveDeadline: Duration
    /// How long one call of a program may take at least; the plan's prediction may give it more.
    public var callDeadline: Duration

    /// Makes settings.
    public init(
        host: String = "127.0.0.1", carrier: Carrier = .automatic, joinDeadline: Duration = .seconds(30),
        loadDeadline: Duration = .seconds(600), collectiveDeadline: Duration = .seconds(60),
        callDeadline: Duration = .seconds(300)
    ) {
        self.host = host
        self.carrier = carrier
        self.joinDeadline = joinDeadline
        self.loadDeadline = loadDeadline
        self.collectiveDeadline = collectiveDeadline
        self.callDeadline = callDeadline
    }
}
