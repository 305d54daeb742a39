import ArgumentParser
import Logging
import Protocol
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

            Threads and memory limit come from the cluster file. Twins in the environment: TESSERA_WORKER_CONNECT, \
            TESSERA_WORKER_NAME, TESSERA_WORKER_CLUSTER_ID and TESSERA_WORKER_DATA_HOST.
            """)

    @Option(help: ArgumentHelp("The coordinator's control address.", valueName: "tcp://host:port"))
    var connect: String

    @Option(help: "This worker's name in the cluster file.")
    var name: String

    @Option(help: "The cluster's name in its file; keeps workers of another cluster out.")
    var clusterID: String

    @Option(help: "Address or interface of this machine that the other workers reach.")
    var dataHost = "127.0.0.1"

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
        let settings = WorkerSettings(connect: connect, name: name, clusterID: clusterID, dataHost: dataHost)
        let logger = log.logger(text: .warning, json: .info)
        let end = try await WorkerService(settings: settings, logger: logger).run()
        if !end.isOrderly { throw Ended(description: "worker \(name): \(end)") }
    }

    /// The worker ended for another reason than its coordinator's word.
    private struct Ended: Error, CustomStringConvertible {
        let description: String
    }
}
