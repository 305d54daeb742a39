import Foundation
public import Logging

/// What Slurm says about the allocation that this process runs in.
public struct SlurmAllocation: Sendable, Hashable {
    /// Number of the job.
    public var job: String
    /// Nodes, as Slurm abbreviates them ("node[01-04]"); for people.
    public var nodeList: String
    /// How many nodes.
    public var nodeCount: Int
    /// Cores that a task has; nil: Slurm was not told.
    public var coresPerTask: Int?

    /// Reads `SLURM_JOB_ID`, `SLURM_JOB_NUM_NODES`, `SLURM_JOB_NODELIST` and `SLURM_CPUS_PER_TASK`; nil outside of an
    /// allocation.
    public init?(_ environment: [String: String]) {
        guard let job = environment["SLURM_JOB_ID"], !job.isEmpty,
            let count = Int(environment["SLURM_JOB_NUM_NODES"] ?? environment["SLURM_NNODES"] ?? ""),
            (1...65536).contains(count)
        else { return nil }
        self.job = job
        nodeList = environment["SLURM_JOB_NODELIST"] ?? environment["SLURM_NODELIST"] ?? ""
        nodeCount = count
        coresPerTask = environment["SLURM_CPUS_PER_TASK"].flatMap { Int($0) }.flatMap { $0 > 0 ? $0 : nil }
    }

    /// The node, counted from the allocation's first, of a worker of `count`: neighbours share nodes.
    public func node(of rank: Int, count: Int) -> Int { rank * nodeCount / max(1, count) }
}

/// Starts workers inside a Slurm allocation, each as a job step of one task: `srun --ntasks=1 … tessera worker …`.
///
/// A step for each worker, so that one that was lost can be started again without the others. As with ssh, variables
/// go through the standard input, which srun passes on, and its end is the worker's.
public struct SlurmLauncher: Launcher {
    private let settings: LauncherSettings.Remote
    private let executable: String
    private let allocation: SlurmAllocation?
    private let workers: [String]
    private let environment: [String: String]
    private let logger: Logger

    /// A launcher inside an allocation.
    ///
    /// - Parameters:
    ///   - executable: the tessera of this machine, where the settings name none.
    ///   - allocation: nil: there is none, and ``launch(_:ended:)`` says so.
    ///   - workers: names by rank.
    ///   - environment: added to that of the workers.
    public init(
        _ settings: LauncherSettings.Remote, executable: String, allocation: SlurmAllocation?, workers: [String],
        environment: [String: String] = [:], logger: Logger
    ) {
        self.settings = settings
        self.executable = executable
        self.allocation = allocation
        self.workers = workers
        self.environment = environment
        self.logger = logger
    }

    /// Starts a worker.
    public func launch(
        _ order: LaunchOrder, ended: @escaping @Sendable (WorkerExit) -> Void
    ) throws(ClusterError) -> any LaunchedWorker {
        guard let allocation else {
            throw .launchFailed(
                worker: order.name,
                reason: "there is no Slurm allocation (SLURM_JOB_ID and SLURM_JOB_NUM_NODES are not set): run this in"
                    + " a job, as deploy/slurm/tessera.sbatch does")
        }
        let rank = workers.firstIndex(of: order.name) ?? 0
        let words = words(order, allocation, node: allocation.node(of: rank, count: workers.count))
        let program = settings.executable ?? executable
        return try RemoteProcess.start(
            order, settings.command, setting: "workers.slurm.command", words, variables: environment, logger: logger
        ) { exit in
            var exit = exit
            if ["exit status 127", "exit status 2"].contains(exit.status) {
                exit.explanation =
                    "srun could not start '\(program)': put the same build of tessera on all nodes, or on a file system"
                    + " that they share, and set workers.slurm.executable to its path"
            }
            ended(exit)
        }
    }

    /// The words after `srun`.
    func words(_ order: LaunchOrder, _ allocation: SlurmAllocation, node: Int) -> [String] {
        // Steps of one job wait for each other's cores and memory unless they are told to overlap; which cores a worker
        // gets is left to the kernel, or two steps of a node would be bound to the same ones.
        var words = settings.options
        words += ["--nodes=1", "--ntasks=1", "--relative=\(node)", "--overlap", "--cpu-bind=none"]
        words += ["--job-name=\(order.name)"]
        if let cores = allocation.coresPerTask { words.append("--cpus-per-task=\(cores)") }
        if let directory = settings.directory { words.append("--chdir=\(directory)") }
        return words + [settings.executable ?? executable] + order.arguments + ["--attached"]
    }
}
