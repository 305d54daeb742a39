import Foundation
import Glibc
import Testing

/// Processes that die, stop or are told to stop in the middle of a picture.
@Suite(.timeLimit(.minutes(5)), .serialized) struct KilledProcessTests {
    /// `generate` with many slow steps, for a cluster at this port.
    private func longGeneration(port: String = "0") throws -> ObservedCommand {
        let output = FileManager.default.temporaryDirectory.appending(path: "never-\(UUID().uuidString).png").path
        return try ObservedCommand(
            [
                "generate", "a red fox", "--set", "control.port=\(port)", "--steps", "1000", "--size", "128x128", "-o",
                output,
            ])
    }

    /// `generate` on four workers of its own, in the middle of the steps.
    private func running() throws -> ObservedCommand {
        let command = try longGeneration()
        try command.waitForLine("step 5 of 1000")
        #expect(command.workers.map(\.name) == (0..<4).map { "worker-\($0)" })
        return command
    }

    /// Ends it, and says how long it took to notice.
    private func end(_ command: ObservedCommand, _ event: String) throws -> ObservedCommand.Outcome {
        let start = ContinuousClock.now
        let outcome = try command.finish()
        print("\(event): generate ended after \(ContinuousClock.now - start)")
        #expect(outcome.code == 1 && outcome.output.isEmpty)
        return outcome
    }

    /// What it said at last, without progress.
    private func message(_ outcome: ObservedCommand.Outcome) -> String {
        String(outcome.errors.split(separator: "\n").drop { !$0.hasPrefix("tessera: error: ") }.joined(separator: "\n"))
    }

    @Test(arguments: [0, 3])
    func aKilledWorkerIsNamed(index: Int) throws {
        let command = try running()
        let worker = command.workers[index]
        kill(worker.id, SIGKILL)
        let outcome = try end(command, "\(worker.name) killed")
        let text = message(outcome)
        #expect(text.hasPrefix("tessera: error: worker \(worker.name) (rank \(index)) "), "\(outcome.errors)")
        #expect(text.contains("signal 9") && text.contains("while running step"), "\(text)")
    }

    @Test func aStoppedWorkerIsNamed() throws {
        let command = try running()
        let worker = command.workers[2]
        kill(worker.id, SIGSTOP)
        let outcome = try end(command, "\(worker.name) stopped")
        let text = message(outcome)
        #expect(text.hasPrefix("tessera: error: worker worker-2 (rank 2) "), "\(outcome.errors)")
        #expect(text.contains("no sign of life"), "\(text)")
    }

    @Test func aKilledCoordinatorTakesItsWorkersAlong() throws {
        let command = try running()
        kill(command.process.processIdentifier, SIGKILL)
        #expect(try command.finish().code == 128 + SIGKILL)
    }

    @Test(arguments: [SIGTERM, SIGINT])
    func aSignalStopsTheCall(number: Int32) throws {
        let command = try running()
        kill(command.process.processIdentifier, number)
        #expect(message(try end(command, "signal \(number)")) == "tessera: error: stopped by a signal")
    }

    @Test func aWorkerKilledAtTheStartIsNamed() throws {
        let command = try longGeneration()
        #expect(command.wait { command.workers.count == 4 })
        let worker = try #require(command.workers.last)
        kill(worker.id, SIGKILL)
        let outcome = try end(command, "\(worker.name) killed at the start")
        #expect(outcome.errors.contains("worker worker-3 "), "\(outcome.errors)")
    }

    @Test(arguments: [SIGKILL, SIGSTOP])
    func aClientOfALostCoordinatorIsTold(number: Int32) throws {
        let cluster = try RunningCluster()
        let client = try longGeneration(port: cluster.port)
        try client.waitForLine("step 5 of 1000")
        cluster.signal(number)
        let outcome = try end(client, "coordinator of the running cluster got signal \(number)")
        let text = message(outcome)
        #expect(text.hasPrefix("tessera: error: the cluster at tcp://127.0.0.1:\(cluster.port) "), "\(outcome.errors)")
        // Workers end by themselves when their coordinator is silent.
        #expect(cluster.command.wait { cluster.workers.isEmpty } || number == SIGKILL)
        _ = try cluster.end(SIGKILL)
    }

    /// Rank 0 holds outputs that others do not; a stopped worker is as good as dead.
    @Test(arguments: [(0, SIGKILL), (3, SIGKILL), (1, SIGSTOP)])
    func aKilledWorkerOfARunningClusterComesBackAndThePictureIsTheSame(index: Int, number: Int32) throws {
        let atelier = try Atelier()
        let cluster = try RunningCluster()
        func order(_ name: String) throws -> ObservedCommand {
            try ObservedCommand(
                [
                    "generate", "a red fox", "--set", "control.port=\(cluster.port)", "--steps", "100", "--seed", "7",
                    "-o", atelier.path(name),
                ])
        }
        #expect(try order("calm.png").finish().code == 0)
        let client = try order("disturbed.png")
        try client.waitForLine("step 20 of 100")
        let before = cluster.command.workers
        let worker = before[index]
        kill(worker.id, number)
        let outcome = try client.finish()
        #expect(outcome.code == 0, "\(outcome.errors)")
        let files = try ["calm.png", "disturbed.png"].map { try Data(contentsOf: URL(filePath: atelier.path($0))) }
        #expect(files[0] == files[1])
        let ids = Dictionary(uniqueKeysWithValues: cluster.command.workers.map { ($0.name, $0.id) })
        for former in before { #expect((ids[former.name] == former.id) == (former.name != worker.name)) }
        #expect(try cluster.end(SIGTERM).code == 0)
    }

    @Test func aClientOfACrippledClusterIsTold() throws {
        let cluster = try RunningCluster(set: ["workers.restarts=0"])
        let client = try longGeneration(port: cluster.port)
        try client.waitForLine("step 5 of 1000")
        let worker = cluster.command.workers[1]
        kill(worker.id, SIGKILL)
        let outcome = try end(client, "\(worker.name) of the running cluster killed")
        #expect(outcome.errors.contains("worker worker-1 (rank 1) "), "\(outcome.errors)")
        let ending = try cluster.command.finish()
        #expect(ending.code == 1 && ending.errors.contains("worker-1"), "\(ending.errors)")
    }

    @Test func aKilledClientDoesNotKeepTheClusterBusy() throws {
        let cluster = try RunningCluster()
        let client = try longGeneration(port: cluster.port)
        try client.waitForLine("step 5 of 1000")
        kill(client.process.processIdentifier, SIGKILL)
        _ = try client.finish()
        let atelier = try Atelier()
        // Two orders at once: one waits for the other.
        let order = ["generate", "x", "--set", "control.port=\(cluster.port)", "--steps", "2", "--seed", "4", "-o"]
        let commands = try ["a.png", "b.png"].map { try ObservedCommand(order + [atelier.path($0)]) }
        let files = try commands.map { command in
            let outcome = try command.finish()
            try #require(outcome.code == 0, "\(outcome.errors)")
            #expect(!outcome.errors.contains("starting"))
            return try Data(contentsOf: URL(filePath: outcome.output.trimmingCharacters(in: .newlines)))
        }
        #expect(files[0] == files[1])
        #expect(try cluster.end(SIGTERM).code == 0)
    }
}
