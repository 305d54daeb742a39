import Foundation
import Glibc
import Server
import Testing

/// Clusters with a key, as processes.
@Suite(.timeLimit(.minutes(3)), .serialized) struct SecurityTests {
    @Test func aKeyIsMadeOnceAndChecked() throws {
        let atelier = try Atelier()
        let path = atelier.path("cluster.key")
        let made = try ObservedCommand.run(["key", "--out", path])
        #expect(made.code == 0 && made.output.hasPrefix("\(path): cluster key "), "\(made.errors)")
        let checked = try ObservedCommand.run(["key", "--check", path])
        #expect(checked.code == 0 && checked.output == made.output)
        let again = try ObservedCommand.run(["key", "--out", path])
        #expect(again.code == 78 && again.errors.contains("there is a file \(path) already"), "\(again.errors)")
        chmod(path, 0o644)
        let open = try ObservedCommand.run(["key", "--check", path])
        #expect(open.code == 78 && open.errors.contains("run 'chmod 600 \(path)'"), "\(open.errors)")
        #expect(try ObservedCommand.run(["key"]).code == 2)
    }

    @Test func aClusterWithAKeyMakesTheSamePictureAndTakesMembersOnly() throws {
        let atelier = try Atelier()
        for name in ["cluster.key", "other.key"] {
            try #require(try ObservedCommand.run(["key", "--out", atelier.path(name)]).code == 0)
        }
        let lines = "model: {preset: amused-tiny}\nmesh: {model: 2}\ndata_plane: {carrier: zeromq}\n"
        let file = try atelier.cluster(lines + "name: harbour\nsecurity: {key_file: cluster.key}\n")
        let plain = try Self.picture(["-c", try atelier.cluster(lines)], atelier)
        let cluster = try RunningCluster(file)
        let port = ["--set", "control.port=\(cluster.port)"]
        // The running cluster makes it.
        let keyed = try Self.picture(["-c", file] + port, atelier) { #expect(!$0.contains("starting")) }
        #expect(try pixels(keyed) == pixels(plain))
        // Without the key, or with another, nobody orders or works.
        for settings in [
            ["--set", "security.key_file=\(atelier.path("other.key"))"], ["--set", "security=none"],
        ] {
            let bare = try atelier.cluster(lines)
            let outcome = try ObservedCommand.run(
                ["generate", "x", "-c", bare, "-o", atelier.path("no.png")] + port + settings)
            #expect(outcome.code == 1 && outcome.errors.contains("key"), "\(outcome.errors)")
            #expect(!outcome.errors.contains("starting"), "\(outcome.errors)")
        }
        let worker = [
            "worker", "--connect", "tcp://127.0.0.1:\(cluster.port)", "--name", "worker-0", "--cluster-id", "harbour",
        ]
        let stranger = try ObservedCommand.run(worker + ["--key-file", atelier.path("other.key")])
        #expect(
            stranger.code == 1 && stranger.errors.contains("did not accept this process's cluster key"),
            "\(stranger.errors)")
        let bare = try ObservedCommand.run(worker)
        #expect(bare.code == 1 && bare.errors.contains("asks for the cluster's key"), "\(bare.errors)")
        let twin = try ObservedCommand.run(
            worker, environment: ["TESSERA_WORKER_KEY_FILE": atelier.path("missing.key")])
        #expect(twin.code == 78 && twin.errors.contains("missing.key cannot be read"), "\(twin.errors)")
        let outcome = try cluster.end(SIGTERM)
        #expect(outcome.code == 0, "\(outcome.errors)")
        #expect(outcome.errors.contains("a connection was refused"), "\(outcome.errors)")
        #expect(outcome.errors.contains("127.0.0.1:"))
    }

    @Test func whatOtherMachinesCanReachNeedsAKey() throws {
        let atelier = try Atelier()
        let file = try atelier.cluster("model: {preset: amused-tiny}\n")
        for command in [["up", file], ["generate", "x", "-c", file]] {
            let outcome = try ObservedCommand.run(
                command + ["--set", "control.host=0.0.0.0", "--set", "data_plane.host=0.0.0.0"])
            #expect(outcome.code == 78)
            #expect(outcome.errors.components(separatedBy: "can be reached from other machines").count == 3)
        }
        let worker = [
            "worker", "--connect", "tcp://127.0.0.1:1", "--name", "w", "--cluster-id", "c", "--data-host", "0.0.0.0",
        ]
        let open = try ObservedCommand.run(worker)
        #expect(open.code == 78 && open.errors.contains("--key-file"), "\(open.errors)")
    }

    private static func picture(
        _ arguments: [String], _ atelier: Atelier, _ look: (String) -> Void = { _ in }
    ) throws -> Data {
        let output = atelier.path("\(UUID().uuidString).png")
        let order = ["generate", "a red fox", "--seed", "7", "--steps", "3", "--size", "192x128", "-o", output]
        let outcome = try ObservedCommand.run(order + arguments)
        try #require(outcome.code == 0, "\(outcome.errors)")
        look(outcome.errors)
        return try Data(contentsOf: URL(filePath: output))
    }
}
