import Foundation
import Glibc
import HTTPProbe
import Server
import Testing

/// A cluster as a service: what it tells its manager, and what SIGHUP does.
@Suite(.timeLimit(.minutes(3))) struct ServiceManagerTests {
    /// Stands for systemd: a datagram socket that keeps what it hears.
    private final class Manager {
        let path = FileManager.default.temporaryDirectory.appending(path: "\(UUID().uuidString.prefix(8)).socket").path
        private let descriptor: Int32
        private(set) var heard: [String] = []

        init() throws {
            descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
            var address = sockaddr_un()
            address.sun_family = sa_family_t(AF_UNIX)
            withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: Array(path.utf8)) }
            let status = withUnsafePointer(to: &address) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
                }
            }
            try #require(status == 0, "\(path): \(String(cString: strerror(errno)))")
        }

        deinit {
            close(descriptor)
            unlink(path)
        }

        /// Takes what has come.
        func hears(_ text: String) -> Bool {
            var buffer = [UInt8](repeating: 0, count: 4096)
            while true {
                let count = recv(descriptor, &buffer, buffer.count, Int32(MSG_DONTWAIT))
                guard count > 0 else { break }
                heard.append(String(decoding: buffer[..<count], as: UTF8.self))
            }
            return heard.contains { $0.hasPrefix(text) }
        }
    }

    @Test func theManagerHearsHowItIs() async throws {
        let manager = try Manager()
        let cluster = try RunningCluster(
            environment: ["NOTIFY_SOCKET": manager.path, "WATCHDOG_USEC": "300000"])
        #expect(cluster.command.wait { manager.hears("READY=1") && manager.hears("WATCHDOG=1") }, "\(manager.heard)")
        // Ready comes after the weights, and no sign of life before.
        let order = manager.heard.map { $0.prefix(while: { $0 != "=" }) }
        #expect(order.first == "STATUS", "\(manager.heard)")
        let ready = try #require(order.firstIndex(of: "READY"))
        #expect(manager.heard[..<ready].contains { $0.hasPrefix("STATUS=loaded ") }, "\(manager.heard)")
        #expect(!order[..<ready].contains("WATCHDOG"))
        cluster.signal(SIGHUP)
        #expect(cluster.command.wait { manager.hears("RELOADING=1\nMONOTONIC_USEC=") }, "\(manager.heard)")
        #expect(try cluster.end(SIGTERM).code == 0)
        #expect(manager.hears("STOPPING=1"), "\(manager.heard)")
    }

    @Test func keysAreReadAgain() async throws {
        let atelier = try Atelier()
        func write(_ text: String) throws {
            try Data(text.utf8).write(to: URL(filePath: atelier.path("keys")))
            try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: atelier.path("keys"))
        }
        try write("a sha256:\(KeyRing.hash("one"))\n")
        let cluster = try RunningCluster(
            arguments: ["--set", "server.keys=\(atelier.path("keys"))", "--log-format", "json"])
        let port = try cluster.serverPort
        func status(_ key: String) async throws -> Int {
            try await HTTPProbe.exchange(
                port: port, "GET", "/v1/models", headers: ["authorization": "Bearer \(key)"]
            ).status
        }
        #expect(try await status("one") == 200)
        try write("a sha256:\(KeyRing.hash("one"))\nb sha256:\(KeyRing.hash("two"))\n")
        cluster.signal(SIGHUP)
        try cluster.command.waitForLine(#""message":"the keys were read again","keys":2"#)
        #expect(try await status("two") == 200)
        try cluster.command.waitForLine(#""key":"b""#)
        try write("nonsense\n")
        cluster.signal(SIGHUP)
        try cluster.command.waitForLine("nobody is admitted until the keys are right")
        #expect(try await status("one") == 503)

        // The terminal's look at it, with a key and without.
        try write("a sha256:\(KeyRing.hash("one"))\n")
        let url = "http://127.0.0.1:\(port)"
        let blind = try CommandLineTool.run(["status", "--url", url])
        #expect(blind.code == 0 && blind.output.contains("show an API key"), "\(blind)")
        let seen = try CommandLineTool.run(["status", "--url", url, "--json"], environment: ["TESSERA_API_KEY": "one"])
        let report = try JSONSerialization.jsonObject(with: Data(seen.output.utf8)) as? [String: Any]
        #expect(seen.code == 0 && report?["state"] as? String == "ready", "\(seen)")
        #expect((report?["workers"] as? [[String: Any]])?.count == 4, "\(seen)")
        let top = try CommandLineTool.run(
            ["top", "--url", url, "--interval", "0.2"], environment: ["TESSERA_API_KEY": "one"])
        #expect(top.code == 0 && top.output.contains("WORKER") && top.output.contains("worker-3"), "\(top)")
        #expect(try cluster.end(SIGTERM).code == 0)
        let gone = try CommandLineTool.run(["status", "--url", url])
        #expect(gone.code == 69 && gone.errors.contains("connection refused"), "\(gone)")
    }
}
