import Coordinator
import Program
import Protocol
import Tensor
import Testing
import Transport
import Worker

/// A cluster with a key: who belongs to it, and who does not.
@Suite struct ClusterSecurityTests {
    @Test func aClusterWithAKeyComputesOverEncryptedLinks() async throws {
        let settings = twoWorkers {
            ($0.key, $0.linkEncryption, $0.carrier) = (try? .random(), .everywhere, .zeroMQ)
        }
        try #require(settings.key != nil)
        try await withCluster(settings, launcher: InProcessLauncher(), logger: testLogger) { cluster in
            try await cluster.install(
                "double", locals: [HandPrograms.double(0), HandPrograms.double(1)], sources: [:])
            let outputs = try await cluster.run("double", request: 1, inputs: HandPrograms.input())
            #expect(outputs["whole"]?.floats == (0..<8).map { Float(2 * $0) })
            // Links of a further epoch are made in the same way.
            _ = await failure { _ = try await cluster.run("double", request: 2, inputs: [:]) }
            _ = try await cluster.run("double", request: 3, inputs: HandPrograms.input())
        }
    }

    @Test func aWorkerWithAnotherKeyEndsWithTheReasonAndAnotherTakesItsPlace() async throws {
        let key = try ClusterKey.random()
        let settings = ClusterSettings(
            name: "harbour", workers: [.init(name: "any", threads: 1, isLaunched: false)], dtype: .f32,
            joinDeadline: .seconds(120), silence: .seconds(30), coordinatorSilence: .seconds(30), key: key)
        let cluster = Cluster(settings: settings, launcher: nil, logger: testLogger)
        async let start: Void = cluster.start()
        var endpoint: String?
        while endpoint == nil {
            endpoint = await cluster.endpoint
            await Task.yield()
        }
        func work(_ key: ClusterKey?) async throws -> WorkerEnd {
            let joining = WorkerSettings(connect: endpoint ?? "", name: "visitor", clusterID: "harbour", key: key)
            return try await WorkerService(settings: joining, logger: testLogger).run()
        }
        for (wrong, expected) in [(try ClusterKey.random(), KeyMismatch.different), (nil, .missingHere)] {
            let error = TransportError.keyMismatch(endpoint: endpoint ?? "", reason: expected)
            #expect(try await work(wrong) == .failed(error.description))
        }
        async let end = work(key)
        try await start
        await cluster.shutdown(reason: "the test is over")
        #expect(try await end == .shutdown("the test is over"))
    }

    @Test func aClientNeedsTheKey() async throws {
        let key = try ClusterKey.random()
        try await withCluster(twoWorkers { $0.key = key }, launcher: InProcessLauncher(), logger: testLogger) {
            cluster in
            let endpoint = await cluster.endpoint ?? ""
            func code(_ key: ClusterKey?) async throws -> String {
                do {
                    let client = ClusterClient(endpoint: endpoint, key: key, logger: testLogger)
                    return try await client.status(patience: .seconds(30)).state
                } catch let error as ClientError {
                    #expect(error.message.contains("key"), "\(error)")
                    return error.code
                }
            }
            let found = [try await code(key), try await code(nil), try await code(.random())]
            #expect(found == ["ready", "key", "key"])
        }
    }
}
