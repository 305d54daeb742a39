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
            to stop. 'tessera up' and 'tessera generate' start the workers of their cluster file with this command; \
            there is no need to call it by hand:

              tessera worker --connect tcp://127.0.0.1:29600 --name worker-3 --cluster-id demo

            A cluster with a key takes only workers that have it: --key-file names a copy of the file that 'tessera key' \
            has made, or '-' for a line of standard input. Where other machines can reach --data-host, there must be a key, \
            or --key-file none, which says that everybody there is trusted.

            Threads and memory limit come from the cluster file. Twins in the environment: TESSERA_WORKER_CONNECT, \
            TESSERA_WORKER_NAME, TESSERA_WORKER_CLUSTER_ID, TESSERA_WORKER_DATA_HOST and TESSERA_WORKER_KEY_FILE.
            """)

    @Option(help: ArgumentHelp("The coordinator's control address.", valueName: "tcp://host:port"))
    var connect: String

    @Option(help: "This worker's name in the cluster file.")
    var name: String

    @Option(help: "The cluster's name in its file; keeps workers of another cluster out.")
    var clusterID: String

    @Option(help: "Address or interface of this machine that the other workers reach.")
    var dataHost = "127.0.0.1"

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
    }

    func run() async throws {
        try ParentGuard.bind()
        let settings = Worker.WorkerSettings(
            connect: connect, name: name, clusterID: clusterID, dataHost: dataHost, key: try clusterKey())
        let logger = log.logger(text: .warning, json: .info)
        let end = try await WorkerService(settings: settings, logger: logger).run()
        if !end.isOrderly { throw Ended(description: "worker \(name): \(end)") }
    }

    /// What the cluster knows its members by; nil where it has no key.
    private func clusterKey() throws -> ClusterKey? {
        switch keyFile {
        case nil:
            if !NetworkAddress(host: dataHost, port: 0).isLoopback { throw OpenAddress(host: dataHost) }
            return nil
        case "none": return nil
        case "-": return try ClusterKeyFile.readInput()
        case let path?: return try ClusterKeyFile.read(path)
        }
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
