import Coordinator
import Foundation
import Program
import Testing
import Transport

/// The `security:` section.
@Suite struct SecuritySettingsTests {
    private func problems(
        _ text: String, folder: String = "", checksFiles: Bool = false, flags: [String: String] = [:]
    ) -> [String] {
        do {
            let configuration = try ClusterConfiguration.parse(
                "model: {preset: amused-tiny}\n\(text)", folder: folder, flags: flags, checksFiles: checksFiles)
            return configuration.warnings.map { "warning: \($0.keyPath): \($0.message)" }
        } catch {
            return error.problems.map { "\($0.keyPath): \($0.message)" }
        }
    }

    private func settings(_ text: String, flags: [String: String] = [:]) throws -> SecuritySettings {
        try ClusterConfiguration.parse(
            "model: {preset: amused-tiny}\n\(text)", folder: "/etc/tessera/", flags: flags
        ).security
    }

    @Test func itIsRead() throws {
        #expect(try settings("") == SecuritySettings())
        #expect(try settings("security: none") == SecuritySettings(isWaived: true))
        #expect(try settings("", flags: ["security": "none"]) == SecuritySettings(isWaived: true))
        #expect(try settings("security: {key_file: k}") == SecuritySettings(keyFile: "/etc/tessera/k"))
        #expect(try settings("", flags: ["security.key_file": "k"]) == SecuritySettings(keyFile: "k"))
        #expect(
            try settings("security: {key_file: /k, data_plane: encrypted}")
                == SecuritySettings(keyFile: "/k", linkEncryption: .betweenHosts))
        #expect(
            try settings("security: {key_file: /k, data_plane: plain}")
                == SecuritySettings(keyFile: "/k", linkEncryption: .none))
        #expect(
            problems("security: {data_plane: plain}")
                == ["warning: security.data_plane: has no effect without 'security.key_file'"])
    }

    @Test(arguments: ["control", "data_plane"], ["0.0.0.0", "::", "10.0.0.1", "node1", "127.0.0.1.example.org"])
    func whatOthersCanReachNeedsAKey(section: String, host: String) {
        let open = "\(section): {host: '\(host)'}\n"
        let found = problems(open)
        #expect(found.count == 1)
        #expect(found.first?.hasPrefix("\(section).host: '\(host)' can be reached from other machines") == true)
        #expect(found.first?.contains("security.key_file") == true)
        #expect(problems("", flags: ["\(section).host": host]) == found)
        #expect(problems(open + "security: {key_file: k}").isEmpty)
        #expect(problems(open + "security: none").isEmpty)
        #expect(problems(open, flags: ["security": "none"]).isEmpty)
    }

    @Test(arguments: ["127.0.0.1", "127.1.2.3", "localhost"]) func thisMachineNeedsNoKey(host: String) {
        #expect(problems("control: {host: '\(host)'}\ndata_plane: {host: '\(host)'}").isEmpty)
    }

    @Test func theKeyFileIsLookedAt() throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let path = folder.path + "/"
        func found() -> [String] { problems("security: {key_file: k}", folder: path, checksFiles: true) }
        func said(_ error: ClusterKeyError) -> [String] { ["security.key_file: \(error.description)"] }
        #expect(found() == said(.unreadable(path: path + "k", reason: "no such file or directory")))
        try ClusterKeyFile.write(.random(), to: path + "k")
        #expect(found().isEmpty)
        try FileManager.default.setAttributes([.posixPermissions: 0o640], ofItemAtPath: path + "k")
        #expect(found() == said(.tooOpen(path: path + "k", mode: "640")))
        try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: path + "k")
        try Data("x".utf8).write(to: folder.appending(path: "k"))
        #expect(found().count == 1 && found()[0].contains("is not the key file of a cluster"))
    }
}
