import Foundation
import HTTPProbe
import Server
import Testing

/// API keys: who is admitted, where none is asked for, and what becomes of a changed file.
@Suite(.timeLimit(.minutes(10))) struct KeyTests {
    private let folder = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
    private var path: String { folder.appending(path: "keys").path }

    init() throws { try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true) }

    private func write(_ text: String, mode: Int = 0o600) throws {
        try Data(text.utf8).write(to: URL(filePath: path))
        try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path)
    }

    private func status(
        _ port: Int, _ authorization: String?, at route: String = "/v1/models"
    ) async throws -> Int {
        let headers = authorization.map { ["authorization": $0] } ?? [:]
        return try await HTTPProbe.exchange(port: port, "GET", route, headers: headers).status
    }

    @Test func hashesAreSHA256() {
        // FIPS 180-2, appendix B.1.
        #expect(KeyRing.hash("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    }

    @Test func onlyKeysOfTheFileAreAdmitted() async throws {
        defer { try? FileManager.default.removeItem(at: folder) }
        try write("# ours\n\na sha256:\(KeyRing.hash("one"))\n b\tsha256:\(KeyRing.hash("two").uppercased())\n")
        try await serving(FakeService(), keysPath: path) { port in
            #expect(try await status(port, "Bearer one") == 200)
            #expect(try await status(port, "bearer two") == 200)
            for wrong in [nil, "", "Bearer", "Bearer ", "Bearer three", "Bearer on", "Basic one", "one"] {
                #expect(try await status(port, wrong) == 401, "\(wrong ?? "nothing")")
            }
            #expect(try await status(port, "Bearer \(KeyRing.hash("one"))") == 401)
            #expect(try await status(port, "Bearer \(String(repeating: "x", count: 4000))") == 401)
            for open in ["/healthz", "/readyz", "/health/progress", "/"] {
                #expect(try await status(port, nil, at: open) == 200, "\(open)")
            }
            for closed in ["/metrics", "/v1/models/demo", "/nowhere"] {
                #expect(try await status(port, nil, at: closed) == 401, "\(closed)")
            }
            let posted = try await generate(port, #"{"prompt": "x"}"#)
            #expect(posted.status == 401 && posted.error["code"] as? String == "missing_api_key")
            #expect(posted.headers["www-authenticate"] == "Bearer")
            let wrong = try await generate(port, #"{"prompt": "x"}"#, headers: ["authorization": "Bearer no"])
            #expect(wrong.error["code"] as? String == "invalid_api_key")
            let right = try await generate(port, #"{"prompt": "x"}"#, headers: ["authorization": "Bearer one"])
            #expect(right.status == 200)
        }
    }

    @Test func aChangedFileCountsAtOnce() async throws {
        defer { try? FileManager.default.removeItem(at: folder) }
        try write("a sha256:\(KeyRing.hash("one"))\n")
        try await serving(FakeService(), keysPath: path) { port in
            #expect(try await status(port, "Bearer one") == 200)
            try write("b sha256:\(KeyRing.hash("second"))\nc sha256:\(KeyRing.hash("third"))\n")
            #expect(try await status(port, "Bearer one") == 401)
            #expect(try await status(port, "Bearer second") == 200)
            // A file that is not usable admits nobody, and says so as the server's fault.
            try write("b \(KeyRing.hash("second"))\n")
            #expect(try await status(port, "Bearer second") == 503)
            try write("b sha256:\(KeyRing.hash("second"))\n", mode: 0o644)
            #expect(try await status(port, "Bearer second") == 503)
            try FileManager.default.removeItem(atPath: path)
            #expect(try await status(port, "Bearer second") == 503)
            try write("b sha256:\(KeyRing.hash("second"))\n")
            #expect(try await status(port, "Bearer second") == 200)
        }
    }

    @Test func badFilesAreNamed() throws {
        defer { try? FileManager.default.removeItem(at: folder) }
        #expect(throws: KeyRingError.unreadable(path: path, reason: "No such file or directory")) {
            try KeyRing(path: path)
        }
        try write("# nothing\n")
        #expect(throws: KeyRingError.empty(path: path)) { try KeyRing(path: path) }
        let good = "a sha256:\(KeyRing.hash("x"))\n"
        for mode in [0o640, 0o604, 0o660, 0o601] {
            try write(good, mode: mode)
            #expect(throws: KeyRingError.tooOpen(path: path, mode: String(mode, radix: 8))) { try KeyRing(path: path) }
        }
        for wrong in ["a", "a b c", "a sha256:12", "a md5:\(KeyRing.hash("x"))", good + good] {
            try write(wrong)
            #expect(throws: KeyRingError.self) { try KeyRing(path: path) }
        }
        try write(good + String(repeating: "#", count: 2 << 20))
        #expect(throws: KeyRingError.self) { try KeyRing(path: path) }
        #expect(throws: KeyRingError.self) { try KeyRing(path: folder.path) }
    }
}
