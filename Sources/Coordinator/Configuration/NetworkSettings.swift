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
    /// True for an address that means all interfaces, which nobody can connect to.
    public var isWildcard: Bool { host == "*" || host == "0.0.0.0" }
}

/// How workers exchange activations, and how long anything may take.
public struct DataPlaneSettings: Sendable, Hashable {
    /// Address or interface that workers bind their data sockets to; nil: with local workers the loopback interface, else
    /// each machine's address on the way to the coordinator.
    public var host: String?
    /// What carries data between workers.
    public var carrier: Carrier
    /// How long a worker may take to join, at the start and after a loss.
    public var joinDeadline: Duration
    /// How long loading may take in all: of what the cluster starts with, or of what an order of another size adds.
    public var loadDeadline: Duration
    /// How long a worker waits in a collective for another.
    public var collectiveDeadline: Duration
    /// How long one call of a program may take at least; the plan's prediction may give it more.
    public var callDeadline: Duration

    /// Makes settings.
    public init(
        host: String? = nil, carrier: Carrier = .automatic, joinDeadline: Duration = .seconds(30),
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

    /// ``joinDeadline`` where nothing else is said: people take longer than programs.
    public static func joinDeadline(of launcher: LauncherKind) -> Duration {
        launcher == .external ? .seconds(600) : .seconds(30)
    }
}
