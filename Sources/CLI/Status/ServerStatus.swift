import Foundation

/// One look at a running server.
struct ServerStatus {
    /// What a worker does.
    struct Worker: Encodable {
        var name: String
        var isReady: Bool
        var calls: Double
        var computeSeconds: Double?
        var collectiveSeconds: Double?
        var sentBytes: Double?
        var heldBytes: Double?
        var residentBytes: Double?
        var restarts: Double?
    }

    let url: String
    /// `ready`, `loading`, `stopping` or `failed`, and `stalled` where what runs does not come forward.
    var state: String
    var reason: String?
    var waiting: Int
    var running: Int
    var lastProgressSeconds: Double?
    /// Nil where the server has keys, and none of them was shown.
    var model: String?
    var sample: MetricsSample?
    let time = ContinuousClock.now

    /// Looks.
    ///
    /// Throws ``HTTPFetch/Failure``.
    init(_ fetch: HTTPFetch, url: String) throws(HTTPFetch.Failure) {
        self.url = url
        func object(_ path: String) throws(HTTPFetch.Failure) -> [String: Any] {
            let answer = try fetch.get(path)
            let value = try? JSONSerialization.jsonObject(with: Data(answer.body))
            return answer.status == 401 ? [:] : value as? [String: Any] ?? [:]
        }
        let ready = try object("/readyz")
        guard let word = ready["status"] as? String else {
            throw HTTPFetch.Failure(description: "\(url) is no server of tessera: it has no /readyz")
        }
        let progress = try object("/health/progress")
        (state, reason) = (word, ready["reason"] as? String)
        if word == "ready", progress["status"] as? String == "stalled" {
            (state, reason) = ("stalled", "what runs has not come forward for a while")
        }
        waiting = progress["waiting"] as? Int ?? 0
        running = progress["running"] as? Int ?? 0
        lastProgressSeconds = progress["last_progress_seconds"] as? Double
        let models = try object("/v1/models")["data"] as? [[String: Any]]
        model = models?.first?["id"] as? String
        let metrics = try fetch.get("/metrics")
        if metrics.status == 200 { sample = MetricsSample(text: String(decoding: metrics.body, as: UTF8.self)) }
    }

    /// By name, as the server counts them.
    var workers: [Worker] {
        guard let sample else { return [] }
        let calls = sample.values("tessera_worker_calls_total", by: "worker")
        let columns = [
            "compute_seconds_total", "collective_seconds_total", "sent_bytes_total", "held_bytes", "resident_bytes",
            "restarts_total",
        ].map { sample.values("tessera_worker_\($0)", by: "worker") }
        return sample.values("tessera_worker_ready", by: "worker")
            .sorted { $0.key.compare($1.key, options: .numeric) == .orderedAscending }
            .map { name, isReady in
                Worker(
                    name: name, isReady: isReady == 1, calls: calls[name] ?? 0, computeSeconds: columns[0][name],
                    collectiveSeconds: columns[1][name], sentBytes: columns[2][name], heldBytes: columns[3][name],
                    residentBytes: columns[4][name], restarts: columns[5][name])
            }
    }

    /// Orders by outcome.
    var orders: [String: Double] { sample?.values("tessera_requests_total", by: "state") ?? [:] }

    /// Axes and sizes of the mesh ("guidance=2 model=2"); nil where it is not told.
    var mesh: String? { sample?.series.first { $0.name == "tessera_info" }?.labels["mesh"] }

    /// The whole as JSON, for scripts.
    var json: String {
        struct Report: Encodable {
            var url: String
            var state: String
            var reason: String?
            var model: String?
            var mesh: String?
            var waiting: Int
            var running: Int
            var lastProgressSeconds: Double?
            var requests: [String: Double]
            var workers: [Worker]
        }
        let encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes, .prettyPrinted]
        let report = Report(
            url: url, state: state, reason: reason, model: model, mesh: mesh, waiting: waiting, running: running,
            lastProgressSeconds: lastProgressSeconds, requests: orders, workers: workers)
        do {
            return String(decoding: try encoder.encode(report), as: UTF8.self)
        } catch {
            preconditionFailure("texts and finite numbers are encodable: \(error)")
        }
    }
}
