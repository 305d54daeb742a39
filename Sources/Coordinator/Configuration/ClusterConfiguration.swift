public import Program
public import Sharding

/// Everything that `cluster.yaml` says, checked as a whole.
///
/// Each key is described in docs/cluster-yaml.md.
public struct ClusterConfiguration: Sendable, Hashable {
    /// The cluster's name, for logs.
    public var name: String
    /// What is served.
    public var model: ModelSettings
    /// What an order leaves open.
    public var generation: GenerationSettings
    /// The devices, one a worker in the order of ``workers``, with their relative speeds.
    ///
    /// With `mesh: auto` all workers along `data`, until ``resolved(pictures:progress:)`` has chosen.
    public var mesh: Mesh
    /// What ``resolved(pictures:progress:)`` looks for where the file says `mesh: auto`; nil: the mesh is decided.
    public var automatic: MeshSearch.Objective?
    /// What the file says about links.
    public var links: LinkSettings
    /// How partial sums travel between workers.
    public var partialSums: PartialSums
    /// How the elements of messages travel between workers.
    public var wire: WireFormat
    /// What was measured of the workers and their links; nil: nothing.
    public var measured: MachineProfile?
    /// How messages are hidden behind computing.
    public var overlap: Overlap
    /// Which mesh axes each logical axis is split over, and shardings written down for single parameters.
    public var rules: LogicalAxisRules
    /// How workers come to life.
    public var launcher: LauncherSettings
    /// The workers; as many as the mesh has devices.
    public var workers: [WorkerSettings]
    /// Lost workers that `up` starts anew within ten minutes before it gives up; 0: a lost worker ends the cluster.
    public var restarts: Int
    /// How workers exchange activations.
    public var dataPlane: DataPlaneSettings
    /// Where the coordinator listens for workers and clients.
    public var control: NetworkAddress
    /// Address at which workers of other machines reach it; nil: follows from ``control``.
    public var advertisedHost: String?
    /// What protects the links.
    public var security: SecuritySettings
    /// Where and for whom the HTTP server works.
    public var server: ServerSettings
    /// What is allowed but doubtful.
    public var warnings: [ConfigurationProblem]
    /// Where rules and overrides stand in the file; without places where there is none.
    public var places = RulePlaces()
    /// The file's text, for excerpts in errors; empty where there is none.
    public var source = ""

    /// Address that ``control`` has where nothing else is said.
    public static let defaultControl = NetworkAddress(host: "127.0.0.1", port: 29600)
    /// Address that the HTTP server has where nothing else is said.
    public static let defaultServer = NetworkAddress(host: "127.0.0.1", port: 8000)
    /// ``restarts`` where nothing else is said.
    public static let defaultRestarts = 8
    /// Most devices that a mesh may have.
    public static let deviceCountMax = 1024

    /// Makes a configuration without reading a file; the caller vouches for its consistency.
    public init(
        name: String = "tessera", model: ModelSettings, generation: GenerationSettings = GenerationSettings(),
        mesh: Mesh = .single,
        rules: LogicalAxisRules = LogicalAxisRules([:]),
        launcher: LauncherSettings = LauncherSettings(), workers: [WorkerSettings],
        restarts: Int = Self.defaultRestarts,
        automatic: MeshSearch.Objective? = nil,
        links: LinkSettings = LinkSettings(), partialSums: PartialSums = .f32, wire: WireFormat = .exact,
        measured: MachineProfile? = nil,
        overlap: Overlap = .auto,
        dataPlane: DataPlaneSettings = DataPlaneSettings(), control: NetworkAddress = Self.defaultControl,
        advertisedHost: String? = nil,
        security: SecuritySettings = SecuritySettings(),
        server: ServerSettings = ServerSettings(), warnings: [ConfigurationProblem] = []
    ) {
        precondition(workers.count == mesh.deviceCount, "a cluster has one worker a device")
        self.name = name
        self.model = model
        self.generation = generation
        self.mesh = mesh
        self.automatic = automatic
        self.links = links
        self.partialSums = partialSums
        self.wire = wire
        self.measured = measured
        self.overlap = overlap
        self.rules = rules
        self.launcher = launcher
        self.workers = workers
        self.restarts = restarts
        self.dataPlane = dataPlane
        self.control = control
        self.advertisedHost = advertisedHost
        self.security = security
        self.server = server
        self.warnings = warnings
    }
}
