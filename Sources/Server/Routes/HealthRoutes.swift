import Coordinator
import HTTPTypes
import Hummingbird

extension ServerResponder {
    /// `GET /readyz`: whether a step could run now.
    func ready() async -> Response {
        let status = await service.status()
        let (word, reason): (String, String?) =
            switch status.state {
            case .failed(let why): ("failed", why)
            case .loading(let what): ("loading", what)
            case .ready: ("ready", nil)
            case .stopping(let why): ("stopping", why)
            }
        var object: [String: JSONValue] = ["status": .string(word)]
        if let reason { object["reason"] = .string(reason) }
        return Response(json: .object(object), status: reason == nil ? .ok : .serviceUnavailable)
    }

    /// `GET /health/progress`: whether what runs comes forward.
    func progress() async -> Response {
        let queue = await service.status().queue
        var object: [String: JSONValue] = [
            "waiting": .integer(queue.waiting), "running": .integer(queue.running),
        ]
        var word = "idle"
        if queue.running > 0 { word = queue.progressAge.map { $0 > stallLimit } == true ? "stalled" : "ok" }
        object["status"] = .string(word)
        object["last_progress_seconds"] = queue.progressAge.map { .number($0 / .seconds(1)) } ?? .null
        return Response(json: .object(object), status: word == "stalled" ? .serviceUnavailable : .ok)
    }

    /// `GET /metrics`: Prometheus' text.
    func metricsText() async -> Response {
        let status = await service.status()
        var gauges = [
            Metrics.Gauge(
                name: "tessera_ready", help: "1 where a step could run now.",
                values: [([:], status.state == .ready ? 1 : 0)]),
            Metrics.Gauge(
                name: "tessera_requests_waiting", help: "Orders that wait.",
                values: [([:], Double(status.queue.waiting))]),
            Metrics.Gauge(
                name: "tessera_requests_running", help: "Orders that are being served.",
                values: [([:], Double(status.queue.running))]),
        ]
        if let scheduler = status.scheduler {
            gauges += [
                Metrics.Gauge(
                    name: "tessera_pictures", help: "Pictures that wait for a slot, and that have one.",
                    values: [
                        (["state": "active"], Double(scheduler.active)),
                        (["state": "waiting"], Double(scheduler.waiting)),
                    ]),
                Metrics.Gauge(
                    name: "tessera_slots", help: "Pictures that can be in progress at once.",
                    values: [([:], Double(scheduler.slots))]),
            ]
        }
        if let age = status.queue.progressAge {
            gauges.append(
                Metrics.Gauge(
                    name: "tessera_last_progress_age_seconds",
                    help: "Time since the running order, or else the last one, came forward.",
                    values: [([:], age / .seconds(1))]))
        }
        gauges += ClusterMetrics.gauges(await service.cluster(), model: service.model.id) + ProcessMetrics.gauges
        return Response(text: metrics.text(gauges: gauges), type: "text/plain; version=0.0.4; charset=utf-8")
    }
}
