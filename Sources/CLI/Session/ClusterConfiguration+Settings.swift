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
        return ClusterSettings(
            name: name,
            workers: workers.map {
                ClusterSettings.Worker(
                    name: $0.name, threads: $0.threads ?? max(1, cores / workers.count),
                    memoryLimit: $0.memoryByteCount)
            },
            bind: bind, dtype: model.dtype.activation, modelHash: modelHash, joinDeadline: dataPlane.joinDeadline,
            peerDeadline: dataPlane.collectiveDeadline, callDeadline: dataPlane.callDeadline,
            installDeadline: dataPlane.loadDeadline, carrier: dataPlane.carrier, key: try clusterKey(),
            linkEncryption: security.linkEncryption)
    }

    /// What starts this cluster's workers: this very program.
    func launcher(_ logger: Logger, adding variables: [String: String] = [:]) -> any Launcher {
        // Their lines become messages of this process's log, which has a format of its own.
        var environment = ["TESSERA_WORKER_DATA_HOST": dataPlane.host, "TESSERA_LOG_FORMAT": "text"]
        // Read when the library loads, so only a parent can set them: one thread each, and the AVX-512 kernels that
        // OpenBLAS before 0.3.22 does not choose by itself on newer processors.
        let given = ProcessInfo.processInfo.environment
        if given["OPENBLAS_NUM_THREADS"] == nil { environment["OPENBLAS_NUM_THREADS"] = "1" }
        if given["OPENBLAS_CORETYPE"] == nil, Machine.hasAVX512 { environment["OPENBLAS_CORETYPE"] = "SkylakeX" }
        environment.merge(variables) { $1 }
        return LocalLauncher(executable: "/proc/self/exe", environment: environment, logger: logger)
    }
}
