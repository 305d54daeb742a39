import Foundation
import TestSupport
import Testing

@testable import Transport

/// Keys, their text, and the files that hold them.
struct ClusterKeyTests {
    /// Gives a path of a folder that is there for the call.
    private func withFile(_ body: (String) throws -> Void) throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        try body(folder.appending(path: "cluster.key").path)
    }

    private func parse(_ text: String) throws(ClusterKeyError) -> ClusterKey {
        try ClusterKey(parsing: Array(text.utf8), path: "k")
    }

    @Test("a key is what its line says, and no two are alike")
    func roundTrip() throws {
        let keys = try (0..<20).map { _ in try ClusterKey.random() }
        #expect(Set(keys).count == keys.count && Set(keys.map(\.fingerprint)).count == keys.count)
        for key in keys {
            #expect(try parse(key.line) == key)
            #expect(try parse("# of the harbour\r\n\n  \(key.line)\n") == key)
        }
    }

    @Test("neither printing nor dumping shows the secret")
    func secrecy() throws {
        let key = try ClusterKey.random()
        var dumped = ""
        dump(key, to: &dumped)
        let secret = try #require(key.line.split(separator: " ").last).trimmingCharacters(in: .newlines)
        let bytes = "\(key.secretKey)".dropFirst().dropLast()
        for text in ["\(key)", String(reflecting: key), dumped, "\([key])", "\(Optional(key) as Any)"] {
            #expect(text.contains(key.fingerprint))
            #expect(!text.contains(secret) && !text.contains(bytes), "\(text)")
        }
    }

    @Test("what is no key is named")
    func malformed() throws {
        let line = try ClusterKey.random().line
        let word = String(line.split(separator: " ")[1].dropLast())
        let mark = "tessera-cluster-key-1"
        let wrong = [
            ("", "holds no key"), ("# only this\n", "holds no key"), (line + line, "more than one line"),
            (word, "not of the form"), ("\(mark)", "not of the form"), ("\(mark) \(word) x", "not of the form"),
            ("tessera-cluster-key-2 \(word)", "not of the form"), ("\(mark) \(word.dropLast())", "40 characters"),
            ("\(mark) \(word)0", "40 characters"), ("\(mark) \(word.dropLast())~", "40 characters"),
            ("\(mark) \(String(repeating: "#", count: 40))", "40 characters"),
            ("\(mark) \(word.dropLast())\u{0}", "40 characters"),
            (String(repeating: "#", count: 5000), "more than 4096 bytes"),
        ]
        for (text, reason) in wrong {
            let error = #expect(throws: ClusterKeyError.self, "\(text)") { _ = try parse(text) }
            #expect(error?.description.contains(reason) == true, "\(text): \(String(describing: error))")
            #expect(error?.description.contains("tessera key") == true)
        }
    }

    @Test("any bytes are a key or an error", arguments: 0..<20)
    func fuzz(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let line = Array(try ClusterKey.random().line.utf8)
        for _ in 0..<500 {
            var bytes = line
            for _ in 0...Int.random(in: 0..<4, using: &random) {
                let index = Int.random(in: 0..<bytes.count, using: &random)
                switch Int.random(in: 0..<4, using: &random) {
                case 0: bytes[index] = .random(in: .min ... .max, using: &random)
                case 1: bytes.insert(.random(in: .min ... .max, using: &random), at: index)
                case 2 where bytes.count > 1: bytes.remove(at: index)
                default: bytes.replaceSubrange(index..., with: line.prefix(.random(in: 1...60, using: &random)))
                }
            }
            guard let key = try? ClusterKey(parsing: bytes, path: "k") else { continue }
            #expect(try parse(key.line) == key)
        }
    }

    @Test("a file is made once, for one user, and read by that user alone")
    func files() throws {
        try withFile { path in
            let key = try ClusterKey.random()
            #expect(throws: ClusterKeyError.unreadable(path: path, reason: "no such file or directory")) {
                _ = try ClusterKeyFile.read(path)
            }
            try ClusterKeyFile.write(key, to: path)
            let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
            #expect(mode == 0o600)
            #expect(try ClusterKeyFile.read(path) == key)
            #expect(throws: ClusterKeyError.exists(path: path)) {
                try ClusterKeyFile.write(try ClusterKey.random(), to: path)
            }
            for mode in [0o604, 0o640, 0o666, 0o620] {
                try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path)
                let error = #expect(throws: ClusterKeyError.self) { _ = try ClusterKeyFile.read(path) }
                #expect(error == .tooOpen(path: path, mode: String(mode, radix: 8)))
                #expect(error?.description.contains("chmod 600 \(path)") == true)
            }
            #expect(throws: ClusterKeyError.unwritable(path: "/nowhere/k", reason: "no such file or directory")) {
                try ClusterKeyFile.write(key, to: "/nowhere/k")
            }
            let folder = String(path.dropLast("/cluster.key".count))
            #expect(throws: ClusterKeyError.unreadable(path: folder, reason: "it is not a file")) {
                _ = try ClusterKeyFile.read(folder)
            }
        }
    }

    @Test("a line of an input is a key, and what follows stays; no line in time is an error")
    func input() throws {
        let key = try ClusterKey.random()
        let pipe = Pipe()
        let descriptor = pipe.fileHandleForReading.fileDescriptor
        try pipe.fileHandleForWriting.write(contentsOf: Data(("# a file\n\n" + key.line + "rest").utf8))
        #expect(try ClusterKeyFile.readLine(of: descriptor) == key)
        #expect(try pipe.fileHandleForReading.read(upToCount: 4) == Data("rest".utf8))
        let late = #expect(throws: ClusterKeyError.self) {
            _ = try ClusterKeyFile.readLine(of: descriptor, deadline: .milliseconds(20))
        }
        #expect(late?.description.contains("no line came") == true)
        try pipe.fileHandleForWriting.close()
        #expect(throws: ClusterKeyError.malformed(path: "standard input", reason: "it holds no key")) {
            _ = try ClusterKeyFile.readLine(of: descriptor)
        }
    }
}
