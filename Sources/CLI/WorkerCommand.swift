import ArgumentParser

/// `tessera worker`.
struct WorkerCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "worker", abstract: "Runs one worker of a cluster.",
        discussion: """
            Joins the coordinator, loads the slices of the weights that its device needs, and computes until it is told \
            to stop. 'tessera up' starts local workers by itself; start others by hand, one for each device:

              tessera worker --connect tcp://10.0.0.1:29600 --name worker-3 \\
                --cluster-id 1f0c55aa

            Twins in the environment: TESSERA_WORKER_CONNECT, TESSERA_WORKER_NAME, TESSERA_WORKER_CLUSTER_ID and \
            TESSERA_WORKER_THREADS.
            """)

    @Option(help: ArgumentHelp("The coordinator's control address.", valueName: "tcp://host:port"))
    var connect: String

    @Option(help: "This worker's name in the cluster file.")
    var name: String

    @Option(help: "The running cluster, as 'tessera up' says it; keeps workers of another one out.")
    var clusterID: String

    @Option(help: "Compute threads; as many as the process has cores if left out.")
    var threads: Int?

    func validate() throws {
        let parts = connect.dropFirst("tcp://".count).split(separator: ":", omittingEmptySubsequences: false)
        guard connect.hasPrefix("tcp://"), parts.count >= 2, let port = parts.last.flatMap({ Int($0) }),
            (1...65535).contains(port), parts[0] != ""
        else { throw ValidationError("--connect takes an address like tcp://10.0.0.1:29600, not '\(connect)'.") }
        guard (1...64).contains(name.utf8.count) else { throw ValidationError("--name takes 1 to 64 characters.") }
        guard (1...64).contains(clusterID.utf8.count) else {
            throw ValidationError("--cluster-id takes 1 to 64 characters.")
        }
        if let threads, !(1...1024).contains(threads) { throw ValidationError("--threads takes 1 to 1024.") }
    }

    func run() async throws {
        try await ClusterSession.runWorker(connect: connect, name: name, clusterID: clusterID, threads: threads)
    }
}
