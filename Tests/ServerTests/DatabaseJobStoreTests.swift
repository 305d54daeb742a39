import Foundation
import Testing

@testable import Server

/// A jobs file: what it survives, and what is said of one that cannot be used.
@Suite(.timeLimit(.minutes(10))) struct DatabaseJobStoreTests {
    private let drawer: Drawer
    private var path: String { drawer.path("jobs.sqlite") }

    init() throws { drawer = try Drawer() }

    private func fill(_ path: String) async throws {
        let store = try DatabaseJobStore(path: path)
        for name in 1...3 {
            let job = JobStoreTests.job(name, key: "k\(name)")
            try await store.insert(job, input: .init(image: [UInt8(name)], mask: nil), files: [])
        }
        _ = try await store.apply(.begun(at: 5), to: JobStoreTests.job(1).id, files: [])
        _ = try await store.apply(
            .completed(JobStoreTests.outcome(["x"]), at: 6), to: JobStoreTests.job(2).id, files: [[1, 2, 3]])
        await store.close()
    }

    @Test func whatWasKeptIsThereAgain() async throws {
        try await fill(path)
        let store = try DatabaseJobStore(path: path)
        #expect(try await store.unfinished().map(\.created) == [1, 3])
        #expect(try await store.unfinished().map(\.state) == [.generating, .queued])
        #expect(try await store.input(of: JobStoreTests.job(3).id)?.image == [3])
        #expect(try await store.file("x", since: 0)?.bytes == [1, 2, 3])
        #expect(try await store.job(owner: "a", key: "k2")?.state == .completed)
    }

    @Test func nobodyElseMayReadIt() async throws {
        try Data().write(to: URL(filePath: path))
        try FileManager.default.setAttributes([.posixPermissions: 0o666], ofItemAtPath: path)
        let store = try DatabaseJobStore(path: path)
        try await store.insert(JobStoreTests.job(1), input: nil, files: [])
        let names = try FileManager.default.contentsOfDirectory(atPath: drawer.folder.path)
        #expect(names.contains("jobs.sqlite-wal"))
        for name in names {
            let mode = try FileManager.default.attributesOfItem(atPath: drawer.path(name))[.posixPermissions] as? Int
            #expect(mode == 0o600, "\(name)")
        }
    }

    @Test func itHasOneWriter() throws {
        let store = try DatabaseJobStore(path: path)
        #expect(throws: JobStoreError.busy(path: path)) { try DatabaseJobStore(path: path) }
        withExtendedLifetime(store) {}
    }

    @Test func otherFilesAreRefused() throws {
        try Data(String(repeating: "a letter to a friend ", count: 50).utf8).write(to: URL(filePath: path))
        #expect(throws: JobStoreError.foreign(path: path)) { try DatabaseJobStore(path: path) }
        let missing = drawer.path("nowhere/jobs.sqlite")
        #expect(throws: JobStoreError.unusable(path: missing, reason: "no such file or directory")) {
            try DatabaseJobStore(path: missing)
        }
        #expect(throws: JobStoreError.self) { try DatabaseJobStore(path: drawer.folder.path) }
    }

    @Test(arguments: [40, 4096, 8192, 20_000])
    func aDamagedFileIsNamed(position: Int) async throws {
        try await fill(path)
        var bytes = try Data(contentsOf: URL(filePath: path))
        for index in bytes.indices.dropFirst(position).prefix(4000) { bytes[index] = 0xA5 }
        try bytes.write(to: URL(filePath: path))
        let path = path
        do {
            let store = try DatabaseJobStore(path: path)
            for name in 1...3 { _ = try await store.job(JobStoreTests.job(name).id) }
            _ = try await store.unfinished()
            _ = try await store.file("x", since: 0)
            try await store.insert(JobStoreTests.job(7, key: "k"), input: nil, files: [])
            try await store.prune(before: 100, byteCount: 0)
        } catch {
            switch error {
            case .damaged, .foreign, .newer, .unusable: break
            default: Issue.record("\(error)")
            }
            #expect(error.description.contains(path))
        }
    }

    @Test func aFileOfANewerVersionIsNotTouched() async throws {
        try await fill(path)
        try Self.sqlite(path, "INSERT INTO grdb_migrations VALUES ('later')")
        #expect(throws: JobStoreError.newer(path: path)) { try DatabaseJobStore(path: path) }
    }

    @Test func anotherProgramsDatabaseIsNotTouched() throws {
        try Self.sqlite(path, "CREATE TABLE t (x)")
        #expect(throws: JobStoreError.foreign(path: path)) { try DatabaseJobStore(path: path) }
    }

    @Test func aFullFileIsAnErrorAndNoMore() async throws {
        let store = try DatabaseJobStore(path: path, pageLimit: 30)
        await #expect(throws: JobStoreError.full(path: path)) {
            for name in 1...100 {
                let input = StoredOrder.Input(image: [UInt8](repeating: 1, count: 10_000), mask: nil)
                try await store.insert(JobStoreTests.job(name), input: input, files: [])
            }
        }
        let job = JobStoreTests.job(1)
        #expect(try await store.job(job.id) == job)
        // Its end frees its input.
        #expect(try await store.apply(.cancelled(at: 1), to: job.id, files: []))
        try await store.insert(JobStoreTests.job(200), input: nil, files: [])
    }

    /// Lets the system's own tool work on a file.
    private static func sqlite(_ path: String, _ sql: String) throws {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = ["sqlite3", path, sql]
        try process.run()
        process.waitUntilExit()
        try #require(process.terminationStatus == 0, "sqlite3 is missing, or failed")
    }
}
