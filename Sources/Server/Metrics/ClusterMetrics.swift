import Protocol

/// Metrics of the workers, from what they say with every sign of life.
enum ClusterMetrics {
    /// All of them; sums begin at 0 again when a worker has been started anew, as Prometheus' counters may.
    static func gauges(_ cluster: ClusterSnapshot, model: String) -> [Metrics.Gauge] {
        let mesh = cluster.mesh.map { "\($0.name)=\($0.size)" }.joined(separator: " ")
        var gauges = [
            Metrics.Gauge(
                name: "tessera_info", help: "What runs; always 1.",
                values: [
                    (["version": ProtocolVersion.build, "model": model, "cluster": cluster.name, "mesh": mesh], 1)
                ]),
            Metrics.Gauge(
                name: "tessera_cluster_epoch", help: "Incarnation of the membership: counts up with every loss.",
                values: [([:], Double(cluster.epoch))]),
        ]
        func add(
            _ name: String, _ help: String, isCounter: Bool = false, _ value: (ClusterSnapshot.Worker) -> Double?
        ) {
            let values = cluster.workers.enumerated().compactMap { rank, worker in
                value(worker).map { (labels: ["worker": worker.name, "rank": "\(rank)"], value: $0) }
            }
            if !values.isEmpty {
                gauges.append(
                    Metrics.Gauge(name: "tessera_worker_\(name)", help: help, values: values, isCounter: isCounter))
            }
        }
        add("ready", "1 where the worker takes calls.") { ["ready", "computing"].contains($0.state) ? 1 : 0 }
        add("calls_total", "Calls that the worker has finished.", isCounter: true) { Double($0.calls) }
        add("restarts_total", "How often the worker was started anew.", isCounter: true) { Double($0.restarts) }
        add("compute_seconds_total", "Time in calls outside collectives.", isCounter: true, \.computeSeconds)
        add(
            "collective_seconds_total", "Time in collectives: sending, waiting for peers, putting together what came.",
            isCounter: true, \.collectiveSeconds)
        add("held_bytes", "Bytes of weight shards and buffers, which workers.memory is about.") {
            Double($0.heldByteCount)
        }
        add("resident_bytes", "Bytes of the worker's process that are in memory.") { Double($0.residentByteCount) }
        add("memory_limit_bytes", "Most bytes of weights and buffers, where there is a limit.") {
            $0.memoryLimit.map(Double.init)
        }
        let links = cluster.workers.flatMap { worker in
            zip(cluster.workers, worker.sentByteCounts).filter { $0.0.name != worker.name }.map { peer, bytes in
                (labels: ["worker": worker.name, "peer": peer.name], value: Double(bytes))
            }
        }
        if !links.isEmpty {
            gauges.append(
                Metrics.Gauge(
                    name: "tessera_worker_sent_bytes_total", help: "Payload bytes that a worker sent to another.",
                    values: links, isCounter: true))
        }
        return gauges
    }
}
