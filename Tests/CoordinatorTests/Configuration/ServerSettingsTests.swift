import Coordinator
import Foundation
import Testing

/// The `server:` section.
@Suite struct ServerSettingsTests {
    private func problems(
        _ server: String, folder: String = "", checksFiles: Bool = false, flags: [String: String] = [:]
    ) -> [String] {
        do {
            _ = try ClusterConfiguration.parse(
                "model: {preset: amused-tiny}\n\(server)", folder: folder, flags: flags, checksFiles: checksFiles)
            return []
        } catch {
            return error.problems.map { "\($0.keyPath): \($0.message)" }
        }
    }

    @Test(arguments: ["127.0.0.1", "127.1.2.3", "localhost", "::1"])
    func thisMachineNeedsNoKeys(host: String) {
        #expect(problems("server: {host: '\(host)'}").isEmpty)
    }

    @Test(arguments: ["0.0.0.0", "::", "10.0.0.1", "127.0.0.1.example.org", "tessera.example.org"])
    func othersNeedKeys(host: String) {
        let expected =
            "server.host: '\(host)' can be reached from other machines; say with 'server.keys' who may use it, or "
            + "take 127.0.0.1"
        #expect(problems("server: {host: '\(host)'}") == [expected])
        #expect(problems("", flags: ["server.host": host]) == [expected])
        #expect(problems("server: {host: '\(host)', keys: k}").isEmpty)
        #expect(problems("server: {host: '\(host)', enabled: false}").isEmpty)
    }

    @Test func theKeysFileIsLookedAt() throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let path = folder.path + "/"
        #expect(
            problems("server: {keys: k}", folder: path, checksFiles: true)
                == ["server.keys: there is no file '\(path)k'"])
        try Data("x".utf8).write(to: folder.appending(path: "k"))
        try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: path + "k")
        #expect(
            problems("server: {keys: k}", folder: path, checksFiles: true)
                == ["server.keys: '\(path)k' can be used by others (mode 0644); run 'chmod 600' on it"])
        try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: path + "k")
        #expect(problems("server: {keys: k}", folder: path, checksFiles: true).isEmpty)
        #expect(
            problems("server: {keys: .}", folder: path, checksFiles: true) == ["server.keys: '\(path).' is not a file"])
    }

    @Test func jobsAreKeptBesideTheClusterFile() throws {
        func jobs(
            _ server: String, file: String = "a/b.c.yaml", flags: [String: String] = [:]
        ) throws -> ServerSettings.JobStorage {
            try ClusterConfiguration.parse(
                "model: {preset: amused-tiny}\n\(server)", file: file, folder: "a/", flags: flags
            ).server.jobs
        }
        #expect(try jobs("") == .file("a/b.c.jobs.sqlite"))
        #expect(try jobs("server: {jobs: off}") == .memory)
        #expect(try jobs("server: {jobs: x/j}") == .file("a/x/j"))
        #expect(try jobs("server: {jobs: /x/j}") == .file("/x/j"))
        // What the command line says counts from where the command runs.
        #expect(try jobs("server: {jobs: off}", flags: ["server.jobs": "j"]) == .file("j"))
        #expect(try jobs("", flags: ["server.jobs": "off"]) == .memory)
    }

    @Test func resultsAndAddressesAreBounded() throws {
        #expect(problems("server: {results: {seconds: 60, bytes: 2GiB}, public_url: 'https://a.example:1/x/'}").isEmpty)
        #expect(problems("server: {results: {seconds: 0}}").count == 1)
        #expect(problems("server: {results: {bytes: 1KiB}}").count == 1)
        for wrong in ["a.example", "ftp://a", "http://", "https://a b", "https://a?x"] {
            #expect(
                problems("server: {public_url: '\(wrong)'}")
                    == ["server.public_url: '\(wrong)' is not an address like 'https://pictures.example.org'"])
        }
        let settings = try ClusterConfiguration.parse(
            "model: {preset: amused-tiny}\nserver: {results: {seconds: 60}, public_url: 'https://a.example/'}"
        ).server
        #expect(settings.results.seconds == 60 && settings.publicURL == "https://a.example")
    }

    @Test func aPortIsUsedOnce() {
        #expect(problems("control: {port: 8000}").count == 1)
        #expect(problems("control: {port: 8000}\nserver: {enabled: false}").isEmpty)
    }

    @Test func originsAreListed() throws {
        let settings = try ClusterConfiguration.parse(
            "model: {preset: amused-tiny}\nserver: {cors: ['https://Studio.example', 'http://[::1]:3000']}",
            checksFiles: false)
        #expect(settings.server.origins == ["https://studio.example", "http://[::1]:3000"])
        for wrong in ["'*'", "studio.example", "'https://a.example/path'", "'ftp://a.example'", "[x]"] {
            let problem = problems("server: {cors: [\(wrong)]}").first
            #expect(problem?.hasPrefix("server.cors[0]: an origin is a scheme and a host") == true, "\(wrong)")
        }
        #expect(problems("server: {cors: all}").first?.hasPrefix("server.cors: a list of at most 64") == true)
    }
}
