import Coordinator
import Foundation
import Glibc
import Logging
import Protocol
import Synchronization
import Testing
import Transport

/// Real child processes: shell scripts in place of workers.
@Suite struct ClusterProcessTests {
    private func launcher(_ script: String) -> LocalLauncher {
        LocalLauncher(executable: "/bin/sh", arguments: ["-c", script], logger: testLogger)
    }

    /// Starts a process and waits for its end.
    private func end(
        of script: String, key: ClusterKey? = nil, then act: (any LaunchedWorker) -> Void = { _ in }
    ) async throws -> WorkerExit {
        let (ends, continuation) = AsyncStream.makeStream(of: WorkerExit.self)
        let order = LaunchOrder(name: "w0", connect: "tcp://127.0.0.1:1", clusterID: "c", key: key)
        act(try launcher(script).launch(order) { continuation.yield($0) })
        for await end in ends { return end }
        throw CancellationError()
    }

    @Test func exitStatusSignalAndLastLinesAreTold() async throws {
        let exit = try await end(of: "echo one; echo two >&2; printf three; exit 3")
        #expect(exit == WorkerExit(status: "exit status 3", lastLines: ["one", "two", "three"]))
        #expect(try await end(of: "kill -9 $$").status == "signal 9")
        #expect(try await end(of: "exec sleep 1000") { $0.terminate() }.status == "signal 15")
        #expect(try await end(of: "exec sleep 1000") { $0.kill() }.status == "signal 9")
    }

    @Test func onlyTheLastLinesAreKept() async throws {
        let exit = try await end(of: "i=0; while [ $i -lt 100 ]; do echo line $i; i=$((i+1)); done")
        #expect(exit.lastLines.count == 12 && exit.lastLines.last == "line 99")
    }

    @Test func aProcessIsItsOwnGroupWithoutInputAndKnowsItsParent() async throws {
        let exit = try await end(of: "echo $(ps -o pgid= -p $$) $$; echo $TESSERA_PARENT_PID; cat; echo end")
        let group = exit.lastLines[0].split(separator: " ")
        #expect(group.count == 2 && group[0] == group[1])
        #expect(exit.lastLines[1] == "\(getpid())" && exit.lastLines[2] == "end")
    }

    @Test func aKeyComesThroughStandardInputAndNowhereElse() async throws {
        let key = try ClusterKey.random()
        let secret = String(key.line.split(separator: " ")[1].dropLast())
        let exit = try await end(
            of: "cat; tr '\\0' '\\n' < /proc/$$/environ; tr '\\0' ' ' < /proc/$$/cmdline", key: key)
        #expect(exit.lastLines.joined(separator: "\n").components(separatedBy: secret).count <= 2)
        let first = try await end(of: "head -n 1; cat", key: key)
        #expect(first.lastLines == [String(key.line.dropLast())])
    }

    @Test func aMissingExecutableIsNamed() {
        let order = LaunchOrder(name: "w0", connect: "tcp://127.0.0.1:1", clusterID: "c")
        let missing = LocalLauncher(executable: "/nonexistent/tessera", logger: testLogger)
        do throws(ClusterError) {
            _ = try missing.launch(order) { _ in }
            Issue.record("a missing executable was started")
        } catch {
            #expect(error.code == "launchFailed" && error.description.contains("/nonexistent/tessera"))
        }
    }

    @Test func aWorkerThatDiesAtTheStartIsNamedWithItsLastWords() async throws {
        let error = await failure {
            try await Cluster(
                settings: twoWorkers(), launcher: launcher("echo the model is missing; exit 78"), logger: testLogger
            ).start()
        }
        let text = "\(error!)"
        #expect(error?.code == "startFailed" && text.contains("exit status 78") && text.contains("model is missing"))
    }

    @Test func nothingIsLeftOfWorkersThatIgnoreTheEnd() async throws {
        // Each writes its id and ignores SIGTERM; its child does, too.
        let file = FileManager.default.temporaryDirectory.appendingPathComponent("tessera-\(UUID().uuidString)").path
        defer { unlink(file) }
        let script = "trap '' TERM; echo $$ >> \(file); sleep 1000 & echo $! >> \(file); wait; wait"
        let settings = twoWorkers {
            $0.joinDeadline = .seconds(5)
            $0.shutdownDeadline = .milliseconds(100)
        }
        let error = await failure {
            try await Cluster(settings: settings, launcher: launcher(script), logger: testLogger).start()
        }
        #expect(error?.code == "startFailed")
        let ids = try String(contentsOfFile: file, encoding: .utf8).split(separator: "\n").compactMap { pid_t($0) }
        #expect(ids.count == 4)
        for id in ids { #expect(isGone(id), "process \(id) is left") }
    }

    /// True where the process does not exist, or only waits to be reaped by the system.
    private func isGone(_ id: pid_t) -> Bool {
        guard let stat = try? String(contentsOfFile: "/proc/\(id)/stat", encoding: .utf8) else { return true }
        return stat.contains(") Z ")
    }
}
