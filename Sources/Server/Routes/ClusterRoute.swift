import Hummingbird

extension ServerResponder {
    /// `GET /v1/cluster`: the workers, what they do, and the queue.
    func cluster() async -> Response {
        let (cluster, queue) = (await service.cluster(), await service.status().queue)
        var response = Response(
            json: .object([
                "object": "cluster", "name": .string(cluster.name), "state": .string(cluster.state),
                "reason": cluster.reason.map { .string($0) } ?? .null, "epoch": .integer(Int(cluster.epoch)),
                "model": cluster.model.object(id: service.model.id),
                "mesh": .array(
                    cluster.mesh.map { .object(["name": .string($0.name), "size": .integer($0.size)]) }),
                "queue": .object([
                    "waiting": .integer(queue.waiting), "running": .integer(queue.running),
                    "last_progress_seconds": queue.progressAge.map { .number($0 / .seconds(1)) } ?? .null,
                ]),
                "incidents": .array(cluster.incidents.map(\.object)),
                "workers": .array(
                    cluster.workers.enumerated().map { rank, worker in
                        worker.object(rank: rank, coordinates: cluster.coordinates(of: rank))
                    }),
            ]))
        response.headers[.cacheControl] = "no-store"
        return response
    }
}

extension ClusterSnapshot.Incident {
    fileprivate var object: JSONValue {
        .object([
            "worker": .string(worker), "loss": .string(loss), "doing": .string(doing),
            "seconds_ago": .number(ageSeconds), "seconds_away": absenceSeconds.map { .number($0) } ?? .null,
        ])
    }
}

extension ClusterSnapshot.Model {
    fileprivate func object(id: String) -> JSONValue {
        .object([
            "id": .string(id), "width": .integer(width), "height": .integer(height),
            "size_multiple": .integer(sizeMultiple), "pixel_limit": .integer(pixelLimit), "steps": .integer(steps),
            "guidance_scale": .number(guidanceScale), "temperature": .number(temperature),
        ])
    }
}

extension ClusterSnapshot.Worker {
    fileprivate func object(rank: Int, coordinates: [Int]) -> JSONValue {
        let call: JSONValue? = running.map {
            .object([
                "program": .string($0.program), "request": .unsigned($0.request), "step": .integer(Int($0.step)),
            ])
        }
        return .object([
            "name": .string(name), "rank": .integer(rank), "coordinates": .array(coordinates.map { .integer($0) }),
            "state": .string(state), "host": .string(host), "process_id": .integer(processID),
            "calls": .unsigned(calls), "restarts": .integer(restarts),
            "memory": .object([
                "resident_bytes": .integer(residentByteCount), "held_bytes": .integer(heldByteCount),
                "limit_bytes": memoryLimit.map { .integer($0) } ?? .null,
            ]),
            "compute_seconds": .number(computeSeconds), "collective_seconds": .number(collectiveSeconds),
            "sent_bytes": .array(sentByteCounts.map { .integer($0) }), "running": call ?? .null,
        ])
    }
}
