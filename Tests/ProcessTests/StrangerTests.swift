import Foundation
import Glibc
import Logging
import Protocol
import Testing
import Transport

/// Others at a cluster's port: another program, another version, another cluster's worker.
@Suite(.timeLimit(.minutes(3)), .serialized) struct StrangerTests {
    private static let logger: Logger = {
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        return logger
    }()

    private func up() throws -> RunningCluster {
        let atelier = try Atelier()
        return try RunningCluster(try atelier.cluster("name: harbour\nmodel: {preset: amused-tiny}\n"))
    }

    /// Stops the cluster, which is still well.
    private func end(_ cluster: RunningCluster) throws {
        let outcome = try cluster.end(SIGTERM)
        #expect(outcome.code == 0, "\(outcome.errors)")
    }

    @Test func aTakenPortIsNamed() throws {
        let cluster = try up()
        let second = try ObservedCommand.run([
            "up", "cluster.yaml", "--set", "control.port=\(cluster.port)", "--set", "server.enabled=false",
        ])
        #expect(second.code == 1, "\(second.errors)")
        let expected =
            "tessera: error: the coordinator cannot listen for its workers: another process already listens at "
            + "127.0.0.1:\(cluster.port); stop it or choose another port\n"
        #expect(second.errors == expected)
        try end(cluster)
    }

    @Test func aWorkerOfAnotherVersionIsTurnedAwayAndTheClusterGoesOn() async throws {
        let cluster = try up()
        let client = try ControlClient(connect: "tcp://127.0.0.1:\(cluster.port)", logger: Self.logger)
        var hello = Hello(worker: "worker-0", isa: "", cpuCount: 1, memoryByteCount: 1, processID: 1, host: "h")
        hello.buildVersion = "0.0.1"
        client.send(try Codec.encode(Envelope(clusterID: "harbour", epoch: 0, message: .hello(hello))))
        var answer: Message?
        for await event in client.events {
            guard case .message(_, let bytes) = event else { continue }
            answer = try Codec.decode(bytes).message
            break
        }
        await client.close()
        guard case .reject(let code, let text)? = answer else {
            return #expect(Bool(false), "the cluster answered \(String(describing: answer))")
        }
        print("a worker of version 0.0.1 is told: \(code): \(text)")
        #expect(text.contains("0.0.1") && text.contains(ProtocolVersion.build), "\(code): \(text)")
        let atelier = try Atelier()
        let order = [
            "generate", "x", "--set", "control.port=\(cluster.port)", "--steps", "2", "-o", atelier.path("x.png"),
        ]
        let picture = try ObservedCommand.run(order)
        #expect(picture.code == 0 && !picture.errors.contains("starting"), "\(picture.errors)")
        try end(cluster)
    }

    @Test func aWorkerOfAnotherClusterEndsWithAReason() throws {
        let cluster = try up()
        let worker = try ObservedCommand.run(
            [
                "worker", "--connect", "tcp://127.0.0.1:\(cluster.port)", "--name", "worker-0", "--cluster-id",
                "elsewhere",
            ])
        #expect(worker.code == 1 && worker.output.isEmpty)
        #expect(worker.errors.contains("elsewhere") && worker.errors.contains("harbour"), "\(worker.errors)")
        try end(cluster)
    }
}
