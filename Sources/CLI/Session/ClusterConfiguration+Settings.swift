import Coordinator
import Foundation
import Logging
import Models
import Protocol
import Transport

extension ClusterConfiguration {
    /// The cluster's key; nil where it has none.
    ///
    /// Throws `ClusterKeyError`.
    func clusterKey() throws -> ClusterKey? { try security.keyFile.map { try ClusterKeyFile.read($0) } }

    /// The settings as the cluster takes them, listening at `bind`; reads the cluster's key.
    ///
    /// Throws `ClusterKeyError`.
    func settings(bind: String, modelHash: String) throws -> ClusterSettings {
        let cores = ProcessInfo.processInfo.activeProcessorCount
        let isLocal = launcher.kind == .local
        let slurm = launcher.kind == .slurm ? SlurmAllocation(ProcessInfo.processInfo.environment) : nil
        let addresses = coordinatorHosts
        return ClusterSettings(
            name: name,
            workers: workers.map { worker in
                // Cores of other machines are known when their workers join.
                let share = isLocal ? max(1, cores / workers.count) : slurm?.coresPerTask ?? 0
                return ClusterSettings.Worker(
                    name: worker.name, threads: worker.threads ?? share, memoryLimit: worker.memoryByteCount,
                    isLaunched: launcher.kind != .external, host: worker.host,
                    dataHost: worker.dataHost ?? dataPlane.host ?? (isLocal ? "127.0.0.1" : nil),
                    coordinatorHost: addresses[worker.host])
            },
            bind: bind, dtype: model.dtype.activation, modelHash: modelHash, joinDeadline: dataPlane.joinDeadline,
            peerDeadline: dataPlane.collectiveDeadline, callDeadline: dataPlane.callDeadline,
            installDeadline: dataPlane.loadDeadline, carrier: dataPlane.carrier, key: try clusterKey(),
            linkEncryption: security.linkEncryption)
    }

    /// What starts this cluster's workers, or has them started.
    func launcher(_ logger: Logger, adding variables: [String: String] = [:]) -> any Launcher {
        // Their lines become messages of this process's log, which has a format of its own.
        var environment = ["TESSERA_LOG_FORMAT": "text"]
        environment.merge(variables) { $1 }
        let given = ProcessInfo.processInfo.environment
        let local = LocalLauncher(
            executable: "/proc/self/exe",
            environment: WorkerEnvironment.openBLAS(given: given).merging(environment) { $1 }, logger: logger)
        switch launcher.kind {
        case .external: return ExternalLauncher { Terminal.shared.note($0) }
        case .local: return local
        case .slurm:
            return SlurmLauncher(
                launcher.slurm, executable: Bundle.main.executablePath ?? "tessera",
                allocation: SlurmAllocation(given), workers: workers.map(\.name), environment: environment,
                logger: logger)
        case .ssh: return SSHLauncher(launcher.ssh, local: local, environment: environment, logger: logger)
        }
    }
}
