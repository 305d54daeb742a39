import ArgumentParser
import Coordinator
import Logging
import Protocol
import Transport
import Worker

/// `tessera worker`.
struct WorkerCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "worker", abstract: "Runs one worker of a cluster.",
        discussion: """
            Joins the coordinator, loads the slices of the weights that its device needs, and computes until it is told \
            to stop. With 'workers.launcher: local', 'ssh' or 'slurm' the coordinator starts its workers itself. With \
            'external' they are started by hand, or by a service manager, on any machine that reaches the coordinator:

              tessera worker --connect tcp://10.0.0.1:29600 --name worker-3 --cluster-id demo --rejoin

            It may be started before its coordinator. Threads and memory limit come from the cluster file; a checkpoint \
            must lie under the same path as on the coordinator's machine, and the build must be the same.

            A cluster with a key takes only workers that have it: --key-file names a copy of the file that 'tessera key' \
            has made, or '-' for a line of standard input. Where other machines can reach --data-host, there must be a key, \
            or --key-file none, which says that everybody there is trusted.

            Twins in the environment: TESSERA_WORKER_CONNECT, TESSERA_WORKER_NAME, TESSERA_WORKER_CLUSTER_ID, \
            TESSERA_WORKER_DATA_HOST, TESSERA_WORKER_WAIT and TESSERA_WORKER_KEY_FILE.
            """)

    @Option(help: ArgumentHelp("The coordinator's control address.", valueName: "tcp://host:port"))
    var connect: String

    @Option(help: "This worker's name in the cluster file; another one takes the first place that is free.")
    var name: String

    @Option(help: "The cluster's name in its file; keeps workers of another cluster out.")
    var clusterID: String

    @Option(
        help: ArgumentHelp(
            "Address or interface of this machine that the other workers reach; if left out, this machine's address on "
                + "the way to the coordinator.", valueName: "host"))
    var dataHost: String?

    @Option(
        help: ArgumentHelp(
            "How long to wait for a coordinator that does not answer: a number with ms, s, m or h.",
            valueName: "time"))
    var wait = "10m"

    @Flag(
        help: """
            Joins again whenever the cluster has ended or the connection was lost, waiting as long as --wait says. Only \
            a refusal (another version, another cluster) ends it, and a signal.
            """)
    var rejoin = false

    @Flag(
        help: """
            For launchers: takes variables of the environment from the standard input, and ends when that ends.
            """)
    var attached = false

    @Option(
        help: ArgumentHelp("The cluster's key; '-': standard input, 'none': it has none.", valueName: "file"))
    var keyFile: String?

    @OptionGroup var log: LogOptions

    func validate() throws {
        let parts = connect.dropFirst("tcp://".count).split(separator: ":", omittingEmptySubsequences: false)
        guard connect.hasPrefix("tcp://"), parts.count >= 2, let port = parts.last.flatMap({ Int($0) }),
            (1...65535).contains(port), parts[0] != ""
        else { throw ValidationError("--connect takes an address like tcp://10.0.0.1:29600, not '\(connect)'.") }
        guard (1...64).contains(name.utf8.count) else { throw ValidationError("--name takes 1 to 64 characters.") }
        guard (1...64).contains(clusterID.utf8.count) else {
            throw ValidationError("--cluster-id takes 1 to 64 characters.")
        }
        guard DurationText.parse(wait) != nil else {
            throw ValidationError("--wait takes a number with ms, s, m or h, such as 10m, not '\(wait)'.")
        }
    }

    func run() async throws {
        try WorkerEnvironment.prepare(isAttached: attached)
        try ParentGuard.bind()
        let key = try clusterKey()
        if attached { try LauncherInput.endWithIt() }
        var settings = Worker.WorkerSettings(
            connect: connect, name: name, clusterID: clusterID, dataHost: dataHost, key: key)
        settings.joinDeadline = DurationText.parse(wait) ?? settings.joinDeadline
        let logger = log.logger(text: .warning, json: .info)
        let clock = ContinuousClock()
        let patience = clock.now + settings.joinDeadline
        var end = try await WorkerService(settings: settings, logger: logger).run()
        while end.isTooEarly, clock.now < patience {
            logger.notice("worker waits", metadata: ["worker": "\(name)", "reason": "\(end)"])
            try await Task.sleep(for: .seconds(1))
            end = try await WorkerService(settings: settings, logger: logger).run()
        }
        if rejoin, end.mayJoinAgain {
            logger.notice("worker joins again", metadata: ["worker": "\(name)", "reason": "\(end)"])
            // A process of its own has neither the memory nor the threads of the cluster that was.
            try await Task.sleep(for: .seconds(1))
            try WorkerEnvironment.beginAnew()
        }
        if !end.isOrderly { throw Ended(description: "worker \(name): \(end)") }
    }

    /// What the cluster knows its members by; nil where it has no key.
    private func clusterKey() throws -> ClusterKey? {
        switch keyFile {
        case nil:
            guard isOpen else { return nil }
            throw OpenAddress(host: dataHost ?? "this machine's address on the way to \(connect)")
        case "none": return nil
        case "-": return try ClusterKeyFile.readInput()
        case let path?: return try ClusterKeyFile.read(path)
        }
    }

    /// True where other machines can reach the worker's data plane.
    private var isOpen: Bool {
        let coordinator = connect.dropFirst("tcp://".count).prefix { $0 != ":" }
        return !NetworkAddress(host: dataHost ?? String(coordinator), port: 0).isLoopback
    }

    /// Other machines can reach the worker, and nothing keeps them out.
    struct OpenAddress: Error, CustomStringConvertible {
        let host: String
        var description: String {
            "other machines can reach --data-host \(host): name the cluster's key with --key-file, or say '--key-file "
                + "none' if everybody there is trusted"
        }
    }

    /// The worker ended for another reason than its coordinator's word.
    private struct Ended: Error, CustomStringConvertible {
        let description: String
    }
}

extension WorkerEnd {
    /// True where the coordinator has not noticed yet that a former process of this worker is gone.
    fileprivate var isTooEarly: Bool {
        if case .violation(let error) = self { error.code == .duplicate } else { false }
    }

    /// True where a coordinator may take the worker in another time.
    fileprivate var mayJoinAgain: Bool {
        switch self {
        case .coordinatorSilent, .disconnected, .failed, .shutdown: true
        // The coordinator has given this one up, or still has another of its name.
        case .violation(let error): error.code == .duplicate || error.code == .rejected
        case .coordinatorAbsent: false
        }
    }
}
