import Foundation

/// Folders with recorded reference results: `TESSERA_FIXTURES`, else Tests/Fixtures.
enum FixtureFolders {
    static let all: [URL] = {
        let root =
            ProcessInfo.processInfo.environment["TESSERA_FIXTURES"].map { URL(fileURLWithPath: $0) }
            ?? URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appendingPathComponent("Fixtures")
        let names = (try? FileManager.default.contentsOfDirectory(atPath: root.path)) ?? []
        return names.filter { $0.hasPrefix("amused") }.sorted().map { root.appendingPathComponent($0) }
    }()
}

/// A folder that goes away with its owner.
final class ScratchFolder {
    let url: URL

    init() throws {
        url = FileManager.default.temporaryDirectory.appendingPathComponent("tessera-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    }

    deinit {
        do { try FileManager.default.removeItem(at: url) } catch { assertionFailure("\(error)") }
    }

    func write(_ name: String, _ bytes: [UInt8]) throws {
        try Data(bytes).write(to: url.appendingPathComponent(name))
    }

    func copy(_ file: URL) throws {
        try FileManager.default.copyItem(at: file, to: url.appendingPathComponent(file.lastPathComponent))
    }
}
