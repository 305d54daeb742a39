import Foundation
import Testing
import Transport

@testable import Coordinator

/// What launchers say to the programs that start workers elsewhere, and what they make of their ends.
@Suite struct LauncherTests {
    private static let order = LaunchOrder(
        name: "w 1", connect: "tcp://10.0.0.1:29600", clusterID: "it's", host: "node-a", dataHost: "10.0.0.7",
        key: try? .random())

    /// What a program prints.
    private static func output(_ program: String, _ arguments: [String]) throws -> Data {
        let process = Process()
        let pipe = Pipe()
        process.executableURL = URL(filePath: program)
        process.arguments = arguments
        process.standardOutput = pipe
        try process.run()
        let data = try pipe.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        return data
    }

    @Test func aShellReadsBackWhatWasQuoted() throws {
        let words = [
            "plain", "", " ", "it's", "a'b'c", "'", "''", "\"double\"", "$HOME", "`id`", "$(id)", "a\\b", "\\",
            "new\nline",
            "tab\there", "*?[x]", "~", "-n", "#x", "a;b", "a&b|c", "!history", "ünïcode", "{a,b}", "a=b", "%n", "((",
            "\u{7f}",
        ]
        let script = "printf '%s\\0' " + ShellQuote.join(words)
        for shell in ["/bin/sh", "/bin/bash"] where FileManager.default.isExecutableFile(atPath: shell) {
            let read = try Self.output(shell, ["-c", script]).split(separator: 0, omittingEmptySubsequences: false)
            #expect(read.dropLast().map { String(decoding: $0, as: UTF8.self) } == words, "\(shell)")
        }
        #expect(
            ShellQuote.join(["tessera", "--connect", "tcp://10.0.0.1:29600"])
                == "tessera --connect tcp://10.0.0.1:29600")
    }

    @Test func sshGetsOneCommandAndNoSecret() throws {
        var settings = LauncherSettings.Remote(command: "ssh", options: ["-p", "2222"], executable: "/opt/a b/tessera")
        settings.directory = "/srv/it's"
        let words = SSHLauncher.words(settings, host: "me@node-a", Self.order.arguments + ["--attached"])
        #expect(words.starts(with: ["-p", "2222", "-T", "-o", "BatchMode=yes"]))
        #expect(words.suffix(3).dropLast() == ["--", "me@node-a"])
        #expect(
            words.last == #"cd '/srv/it'\''s' && exec '/opt/a b/tessera' worker --connect tcp://10.0.0.1:29600 "#
                + #"--name 'w 1' --cluster-id 'it'\''s' --data-host 10.0.0.7 --key-file - --attached"#)
        let secret = try #require(Self.order.key?.line.split(whereSeparator: \.isWhitespace).last)
        #expect(!words.joined().contains(secret) && !Self.order.command.contains(secret))
    }

    @Test(arguments: [
        ("exit status 255", [], "this must succeed without asking anything: ssh -p 22 -o 'BatchMode=yes' node-a true"),
        ("exit status 127", ["sh: 1: exec: tessera: not found"], "has no 'tessera': install"),
        ("exit status 126", [], "cannot be executed"),
        ("exit status 2", ["Error: Unknown option '--attached'"], "of another version"),
        ("exit status 2", ["something else"], nil), ("signal 9", [], nil), ("exit status 1", ["worker w: left"], nil),
    ])
    func theEndOfSSHIsExplained(status: String, lines: [String], says: String?) {
        let exit = SSHExit(host: "node-a", settings: .init(command: "ssh", options: ["-p", "22"]))
        let explanation = exit.explain(WorkerExit(status: status, lastLines: lines))
        if let says {
            #expect(explanation?.contains(says) == true, "\(explanation ?? "nothing")")
        } else {
            #expect(explanation == nil)
        }
    }

    @Test func slurmStartsAStepForEachWorker() throws {
        let environment = [
            "SLURM_JOB_ID": "7", "SLURM_JOB_NUM_NODES": "2", "SLURM_JOB_NODELIST": "node[1-2]",
            "SLURM_CPUS_PER_TASK": "8",
        ]
        let allocation = try #require(SlurmAllocation(environment))
        #expect((0..<4).map { allocation.node(of: $0, count: 4) } == [0, 0, 1, 1])
        #expect((0..<3).map { allocation.node(of: $0, count: 3) } == [0, 0, 1])
        let launcher = SlurmLauncher(
            .init(command: "srun", options: ["--mem=4G"]), executable: "/opt/a b/tessera", allocation: allocation,
            workers: ["w 1"], logger: testLogger)
        let words = launcher.words(Self.order, allocation, node: 1)
        #expect(words.starts(with: ["--mem=4G", "--nodes=1", "--ntasks=1", "--relative=1", "--overlap"]))
        #expect(words.contains("--cpus-per-task=8"))
        #expect(
            words.suffix(Self.order.arguments.count + 2) == ["/opt/a b/tessera"] + Self.order.arguments + ["--attached"]
        )
        for missing in environment.keys where ["SLURM_JOB_ID", "SLURM_JOB_NUM_NODES"].contains(missing) {
            #expect(SlurmAllocation(environment.filter { $0.key != missing }) == nil)
        }
        #expect(SlurmAllocation(environment.merging(["SLURM_JOB_NUM_NODES": "-1"]) { $1 }) == nil)
    }

    @Test func withoutAnAllocationSlurmSaysSo() {
        let launcher = SlurmLauncher(
            .init(command: "srun"), executable: "tessera", allocation: nil, workers: [], logger: testLogger)
        let error = #expect(throws: ClusterError.self) { _ = try launcher.launch(Self.order) { _ in } }
        #expect(error.map { "\($0)" }?.contains("SLURM_JOB_ID") == true)
    }

    @Test func aMissingSSHIsNamed() {
        let local = LocalLauncher(executable: "/nowhere", logger: testLogger)
        let launcher = SSHLauncher(.init(command: "/nowhere/ssh"), local: local, logger: testLogger)
        let error = #expect(throws: ClusterError.self) { _ = try launcher.launch(Self.order) { _ in } }
        #expect(error.map { "\($0)" }?.contains("workers.ssh.command") == true)
    }
}
