import Coordinator
import Program
import Testing

/// `workers.hosts` and the launchers.
@Suite struct HostSettingsTests {
    private static func parse(_ text: String, flags: [String: String] = [:]) throws -> ClusterConfiguration {
        try ClusterConfiguration.parse("model: {preset: amused-tiny}\n" + text, flags: flags)
    }

    @Test func hostsAreWorkersInTheirOrder() throws {
        let configuration = try Self.parse(
            """
            mesh: {model: 3}
            workers:
              launcher: ssh
              threads: 4
              hosts:
                - {host: ada@node-a, count: 2, data_host: 10.1.0.1}
                - {host: node-b, threads: 8, memory: 4GiB, speed: 2}
              ssh: {command: /usr/bin/ssh, options: [-p, "2222"], executable: bin/tessera, directory: /srv}
            control: {host: 0.0.0.0, port: 0, advertise: head}
            data_plane: {host: eth1}
            security: none
            """)
        #expect(
            configuration.workers == [
                WorkerSettings(name: "worker-0", threads: 4, host: "ada@node-a", dataHost: "10.1.0.1"),
                WorkerSettings(name: "worker-1", threads: 4, host: "ada@node-a", dataHost: "10.1.0.1"),
                WorkerSettings(name: "worker-2", threads: 8, memoryByteCount: 4 << 30, speed: 2, host: "node-b"),
            ])
        #expect(configuration.mesh.speeds == [1, 1, 2])
        #expect(configuration.launcher.kind == .ssh)
        #expect(
            configuration.launcher.ssh
                == .init(
                    command: "/usr/bin/ssh", options: ["-p", "2222"], executable: "bin/tessera", directory: "/srv"))
        #expect(configuration.advertisedHost == "head" && configuration.dataPlane.host == "eth1")
        #expect(configuration.warnings.isEmpty)
    }

    @Test func peopleHaveMoreTimeThanPrograms() throws {
        #expect(try Self.parse("workers: {launcher: external}").dataPlane.joinDeadline == .seconds(600))
        #expect(try Self.parse("workers: {launcher: local}").dataPlane.joinDeadline == .seconds(30))
        let flags = ["data_plane.join_deadline": "5s", "workers.launcher": "external"]
        #expect(try Self.parse("", flags: flags).dataPlane.joinDeadline == .seconds(5))
    }

    @Test func externalWorkersOfThisMachineAreAWarning() throws {
        let configuration = try Self.parse("workers: {launcher: external}")
        #expect(configuration.warnings.map(\.keyPath) == ["control.host"])
        #expect(
            try Self.parse("workers: {launcher: external}\ncontrol: {host: 10.0.0.1}\nsecurity: none").warnings.isEmpty)
        #expect(try Self.parse("workers: {launcher: external}\ncontrol: {advertise: localhost}").warnings.isEmpty)
    }

    @Test func automaticMeshesTakeTheTasksOfASlurmJob() throws {
        func count(_ environment: [String: String]) throws -> Int {
            try ClusterConfiguration.parse(
                "{model: {preset: amused-tiny}, mesh: auto, workers: {launcher: slurm}, control: {host: 0.0.0.0}, "
                    + "security: none}",
                environment: environment
            ).workers.count
        }
        #expect(try count(["SLURM_NTASKS": "3"]) == 3)
        for wrong in [[:], ["SLURM_NTASKS": "none"], ["SLURM_NTASKS": "0"]] {
            #expect(throws: ConfigurationError.self) { _ = try count(wrong) }
        }
    }

    @Test func automaticMeshesTakeHosts() throws {
        let configuration = try Self.parse(
            "mesh: auto\nworkers: {launcher: external, hosts: [{host: a, count: 2}, {host: b}]}\ncontrol: {host: 10.0.0.1}\n"
                + "security: none"
        )
        #expect(configuration.workers.map(\.host) == ["a", "a", "b"])
    }
}
