/// Everything that is said on a control link.
public enum Message: Sendable, Hashable {
    // MARK: Worker to coordinator

    /// A worker introduces itself.
    case hello(Hello)
    /// Where the worker's data plane listens.
    case bound(Bound)
    /// The worker reaches all its peers in the envelope's epoch.
    case ready
    /// How far an installation is.
    case loadProgress(LoadProgress)
    /// A program can be run.
    case installed(Installed)
    /// A call is done.
    case result(RunResult)
    /// What the worker recorded of its calls.
    case traced(TraceReport)
    /// A call or an installation failed, or the worker as a whole did.
    case failure(Failure)
    /// The worker leaves.
    case goodbye(reason: String)

    // MARK: Coordinator to worker

    /// The worker gets its rank.
    case assign(Assign)
    /// The worker gets its peers' addresses, by rank; the envelope carries the new epoch.
    case connect(endpoints: [String])
    /// The worker gets a program.
    case install(Install)
    /// The worker drops a program, and frees the weights that no other one reads.
    case uninstall(programKey: String)
    /// The worker runs a program.
    case run(Run)
    /// The worker frees what a request left.
    case release(request: UInt64)
    /// The worker gives what it recorded, and records as ordered from now on.
    case trace(TraceOrder)
    /// The worker gives up all calls that wait or run.
    case abort(reason: String)
    /// The worker finishes.
    case shutdown(reason: String)
    /// The worker is turned away.
    case reject(code: String, message: String)

    // MARK: Both ways

    /// I am alive.
    case heartbeat(Heartbeat)

    // MARK: Clients

    /// A client introduces itself.
    case clientHello(buildVersion: String)
    /// The coordinator knows the client.
    case clientWelcome(ClientWelcome)
    /// A client orders pictures.
    case generate(Generate)
    /// A client no longer wants a job.
    case cancelGenerate(job: UInt64)
    /// How far a job is.
    case progress(JobProgress)
    /// A job's pictures.
    case pictures(Pictures)
    /// A job failed.
    case clientError(ClientError)
    /// A client asks how the cluster is.
    case statusQuery
    /// How the cluster is.
    case status(ClusterStatus)

    /// Its name, for errors and logs.
    public var name: String {
        switch self {
        case .hello: "HELLO"
        case .bound: "BOUND"
        case .ready: "READY"
        case .loadProgress: "LOAD PROGRESS"
        case .installed: "INSTALLED"
        case .result: "RESULT"
        case .traced: "TRACED"
        case .failure: "FAILURE"
        case .goodbye: "GOODBYE"
        case .assign: "ASSIGN"
        case .connect: "CONNECT"
        case .install: "INSTALL"
        case .uninstall: "UNINSTALL"
        case .run: "RUN"
        case .release: "RELEASE"
        case .trace: "TRACE"
        case .abort: "ABORT"
        case .shutdown: "SHUTDOWN"
        case .reject: "REJECT"
        case .heartbeat: "HEARTBEAT"
        case .clientHello: "CLIENT HELLO"
        case .clientWelcome: "CLIENT WELCOME"
        case .generate: "GENERATE"
        case .cancelGenerate: "CANCEL GENERATE"
        case .progress: "PROGRESS"
        case .pictures: "PICTURES"
        case .clientError: "CLIENT ERROR"
        case .statusQuery: "STATUS QUERY"
        case .status: "STATUS"
        }
    }
}

/// One frame of a control link.
public struct Envelope: Sendable, Hashable {
    /// Which cluster; empty from a client.
    public var clusterID: String
    /// Incarnation of the membership; 0 before it is known.
    public var epoch: UInt32
    /// What is said.
    public var message: Message

    /// Makes an envelope.
    public init(clusterID: String, epoch: UInt32, message: Message) {
        self.clusterID = clusterID
        self.epoch = epoch
        self.message = message
    }
}
