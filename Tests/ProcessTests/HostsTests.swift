import Foundation
import Glibc
import Testing

/// Workers that the coordinator does not start as its own processes; scripts stand in for ssh and srun.
@Suite(.timeLimit(.minutes(5)), .serialized) struct HostsTests {
    /// Reads what ssh is given as ssh does, writes it down, and runs the command with a shell on this machine.
    private static let ssh = """
        #!/bin/sh
        printf '%s\\n' "$*" >> "$0.log"
        while [ $# -gt 0 ]; do
            case "$1" in --) shift; break ;; -o) shift 2 ;; *) shift ;; esac
        done
        host=$1; shift
        case "$host" in
            nowhere) echo "ssh: connect to host nowhere port 22: Connection refused" >&2; exit 255 ;;
            bare) exec sh -c "exec tessera-that-is-not-there" ;;
        esac
        exec sh -c "$*"
        """
    /// Skips srun's options and runs the program.
    private static let srun = """
        #!/bin/sh
        printf '%s\\n' "$*" >> "$0.log"
        while :; do case "$1" in --*) shift ;; *) break ;; esac; done
        exec "$@"
        """

    /// An atelier with a program in a folder whose name a shell would take apart.
    private static func stage(_ name: String, _ script: String) throws -> (atelier: Atelier, program: String) {
        let atelier = try Atelier()
        let program = atelier.path(name)
        try script.write(toFile: program, atomically: true, encoding: .utf8)
        #expect(chmod(program, 0o755) == 0)
        let folder = atelier.path("it's a $(folder)")
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        try FileManager.default.createSymbolicLink(
            atPath: folder + "/tessera", withDestinationPath: try CommandLineTool.binary.path)
        return (atelier, program)
    }

    private static func file(_ atelier: Atelier, _ lines: String) throws -> String {
        let path = atelier.path("cluster.yaml")
        try "model: {preset: amused-tiny}\nserver: {enabled: false}\n\(lines)\n"
            .write(toFile: path, atomically: true, encoding: .utf8)
        return path
    }

    /// A port of this machine that nothing uses now.
    private static func freePort() throws -> UInt16 {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(INADDR_LOOPBACK).bigEndian
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let code = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, size) | getsockname(descriptor, $0, &size)
            }
        }
        try #require(code == 0)
        return UInt16(bigEndian: address.sin_port)
    }

    private static func generate(_ file: String, _ output: String, set: [String] = []) -> [String] {
        ["generate", "a red fox", "-c", file, "--seed", "7", "--steps", "3", "-o", output]
            + set.flatMap { ["--set", $0] }
    }

    /// The picture of one worker of this machine.
    private static func reference(_ atelier: Atelier) throws -> Data {
        let file = try file(atelier, "control: {port: 0}\ndata_plane: {carrier: zeromq}")
        let output = atelier.path("reference.png")
        #expect(try ObservedCommand.run(generate(file, output)).code == 0)
        return try pixels(output)
    }

    /// Everything of a PNG file but its record of how it was made, which names the mesh.
    private static func pixels(_ path: String) throws -> Data {
        let bytes = try Data(contentsOf: URL(filePath: path))
        let start = try #require(bytes.range(of: Data("IDAT".utf8)))
        return bytes[start.lowerBound...]
    }

    @Test func sshWorkersMakeTheSamePicture() throws {
        let (atelier, ssh) = try Self.stage("ssh", Self.ssh)
        let one = try Self.reference(atelier)
        let file = try Self.file(
            atelier,
            """
            mesh: {model: 2}
            workers:
              launcher: ssh
              hosts: [{host: node-a}, {host: node-b}]
              ssh: {command: \(ssh), executable: "\(atelier.path("it's a $(folder)"))/tessera"}
            control: {port: 0, advertise: 127.0.0.1}
            """)
        let outcome = try ObservedCommand.run(Self.generate(file, atelier.path("a.png")))
        #expect(outcome.code == 0, "\(outcome.errors)")
        #expect(outcome.errors.contains("starting 2 workers on node-a, node-b"))
        #expect(try Self.pixels(atelier.path("a.png")) == one)
        let log = try String(contentsOfFile: ssh + ".log", encoding: .utf8)
        #expect(
            log.contains("BatchMode=yes") && log.contains("-- node-a exec ") && !log.contains("LOG_FORMAT"), "\(log)")
        let doctor = try ObservedCommand.run(["doctor", file, "--hosts"])
        #expect(doctor.output.contains("node-b  ") && doctor.output.contains("  tessera "), "\(doctor.output)")
    }

    @Test(arguments: [
        ("nowhere", "host nowhere cannot be reached", "Connection refused"),
        ("bare", "has no 'tessera'", "tessera-that-is-not-there"),
    ])
    func hostsThatDoNotAnswerAreNamed(host: String, problem: String, line: String) throws {
        let (atelier, ssh) = try Self.stage("ssh", Self.ssh)
        let file = try Self.file(
            atelier,
            "workers: {launcher: ssh, hosts: [{host: \(host)}], ssh: {command: \(ssh)}}\n"
                + "control: {port: 0, advertise: 127.0.0.1}")
        let outcome = try ObservedCommand.run(Self.generate(file, atelier.path("a.png")))
        #expect(outcome.code == 1)
        #expect(outcome.errors.contains(problem) && outcome.errors.contains(line), "\(outcome.errors)")
        let doctor = try ObservedCommand.run(["doctor", file, "--hosts"])
        #expect(doctor.code == 1 && doctor.output.contains(problem), "\(doctor.output)")
    }

    /// They see no parent of theirs, only the end of their standard input.
    @Test func remoteWorkersEndWithAKilledCoordinatorAndComeBackWhenLost() throws {
        let (atelier, ssh) = try Self.stage("ssh", Self.ssh)
        let file = try Self.file(
            atelier,
            """
            mesh: {model: 2}
            workers:
              launcher: ssh
              hosts: [{host: node-a, count: 2}]
              ssh: {command: \(ssh), executable: "\(try CommandLineTool.binary.path)"}
            control: {advertise: 127.0.0.1}
            """)
        let cluster = try RunningCluster(file)
        let lost = try #require(cluster.command.workers.first)
        kill(lost.id, SIGKILL)
        try cluster.command.waitForLine("the cluster is whole again")
        let atPort = ["control.port=\(cluster.port)"]
        #expect(try ObservedCommand.run(Self.generate(file, atelier.path("b.png"), set: atPort)).code == 0)
        #expect(try cluster.end(SIGKILL).code == 128 + SIGKILL)
    }

    @Test func slurmWorkersAreSteps() throws {
        let (atelier, srun) = try Self.stage("srun", Self.srun)
        let one = try Self.reference(atelier)
        let file = try Self.file(
            atelier,
            "mesh: {model: 2}\nworkers: {launcher: slurm, slurm: {command: \(srun)}}\n"
                + "control: {port: 0, advertise: 127.0.0.1}")
        let outcome = try ObservedCommand.run(
            Self.generate(file, atelier.path("a.png")),
            environment: [
                "SLURM_JOB_ID": "1", "SLURM_JOB_NUM_NODES": "2", "SLURM_JOB_NODELIST": "n[1-2]",
                "SLURM_CPUS_PER_TASK": "1",
            ])
        #expect(outcome.code == 0, "\(outcome.errors)")
        #expect(try Self.pixels(atelier.path("a.png")) == one)
        let log = try String(contentsOfFile: srun + ".log", encoding: .utf8)
        #expect(log.contains("--relative=0 ") && log.contains("--relative=1 ") && log.contains("--cpus-per-task=1"))
        let outside = try ObservedCommand.run(Self.generate(file, atelier.path("b.png")))
        #expect(outside.code == 1 && outside.errors.contains("SLURM_JOB_ID"), "\(outside.errors)")
    }

    /// One worker is there before its coordinator, is lost, and comes back when somebody starts it again.
    @Test func externalWorkersJoinByThemselves() throws {
        let atelier = try Atelier()
        let one = try Self.reference(atelier)
        let file = try Self.file(
            atelier, "name: outside\nmesh: {model: 2}\nworkers: {launcher: external}\ndata_plane: {join_deadline: 60s}")
        let port = try Self.freePort()
        func worker(_ name: String) throws -> ObservedCommand {
            try ObservedCommand(
                [
                    "worker", "--connect", "tcp://127.0.0.1:\(port)", "--name", name, "--cluster-id", "outside",
                    "--wait", "60s",
                ])
        }
        let early = try worker("worker-1")
        let up = try ObservedCommand(["up", file, "--set", "control.port=\(port)"])
        try up.waitForLine("still missing: worker-0")
        #expect(up.errors.contains("there: tessera worker --connect tcp://127.0.0.1:\(port) --name worker-0"))
        let late = try worker("worker-0")
        try up.waitForLine(" is ready at ")
        kill(early.process.processIdentifier, SIGKILL)
        _ = try early.finish()
        try up.waitForLine(
            "waiting for worker worker-1; there: tessera worker --connect tcp://127.0.0.1:\(port) --name worker-1")
        let again = try worker("worker-1")
        try up.waitForLine("the cluster is whole again")
        let order = Self.generate(file, atelier.path("a.png"), set: ["control.port=\(port)"])
        #expect(try ObservedCommand.run(order).code == 0)
        #expect(try Self.pixels(atelier.path("a.png")) == one)
        kill(up.process.processIdentifier, SIGTERM)
        #expect(try up.finish().code == 0)
        for command in [late, again] { #expect(try command.finish().code == 0) }
    }

    @Test func aWorkerThatNeverComesIsNamedWithWhatStartsIt() throws {
        let atelier = try Atelier()
        let file = try Self.file(
            atelier, "workers: {launcher: external}\ndata_plane: {join_deadline: 300ms}\ncontrol: {port: 0}")
        let outcome = try ObservedCommand.run(Self.generate(file, atelier.path("a.png")))
        #expect(outcome.code == 1)
        #expect(outcome.errors.contains("no word from worker worker-0 within 0.3 seconds"), "\(outcome.errors)")
        #expect(outcome.errors.contains("start worker-0 with: tessera worker --connect tcp://127.0.0.1:"))
        let alone = try ObservedCommand.run(
            [
                "worker", "--connect", "tcp://127.0.0.1:9", "--name", "w", "--cluster-id", "c", "--wait", "300ms",
                "--rejoin",
            ])
        #expect(alone.code == 1 && alone.errors.contains("no coordinator answered within"), "\(alone.errors)")
    }

    @Test func aCheckpointThatAnotherMachineLacksIsNamedWithTheMachine() throws {
        let atelier = try Atelier()
        let model = try DamagedCheckpoint(in: atelier.folder)
        let path = atelier.path("cluster.yaml")
        try "model: {path: model}\nworkers: {launcher: external}\nname: outside\n"
            .write(toFile: path, atomically: true, encoding: .utf8)
        let port = try Self.freePort()
        let order = try ObservedCommand(
            Self.generate(path, atelier.path("a.png"), set: ["control.port=\(port)"]))
        try order.waitForLine("waiting for worker worker-0")
        // What the coordinator has read is not there where the worker looks for it.
        try model.remove("transformer")
        let worker = try ObservedCommand(
            ["worker", "--connect", "tcp://localhost:\(port)", "--name", "worker-0", "--cluster-id", "outside"])
        let outcome = try order.finish()
        #expect(outcome.code == 1)
        for part in [
            "on worker worker-0", "cannot open \(model.folder.path)/transformer/",
            "on host \(ProcessInfo.processInfo.hostName)", "under the same path",
        ] {
            #expect(outcome.errors.contains(part), "\(part): \(outcome.errors)")
        }
        _ = try worker.finish()
    }
}
