import Foundation
import HTTPProbe
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

    /// The disk is waited for when a job is taken, when it is begun and when it is done.
    @Test func aJobGoesToTheDiskThreeTimes() async throws {
        let store = try DatabaseJobStore(path: path)
        try await serving(FakeService(), store: store) { port in
            let before = store.commitCount
            for count in 1...3 {
                let id = try #require(try await postJob(port, #"{"prompt": "x"}"#).json["id"] as? String)
                _ = try await job(port, id, in: "completed")
                #expect(store.commitCount - before == 3 * count)
            }
        }
    }

    /// What comes at once shares transactions, and fails by itself.
    @Test func changesShareTheWayToTheDisk() async throws {
        let store = try DatabaseJobStore(path: path)
        let before = store.commitCount
        let taken = await withTaskGroup(of: Bool.self) { group in
            for number in 0..<200 {
                group.addTask {
                    // Every fourth has a key that is in use, or will be.
                    let key = number.isMultiple(of: 4) ? "k" : nil
                    do throws(JobStoreError) {
                        try await store.insert(JobStoreTests.job(number, key: key), input: nil, files: [])
                        return false
                    } catch {
                        #expect(error == .taken)
                        return true
                    }
                }
            }
            return await group.reduce(0) { $0 + ($1 ? 1 : 0) }
        }
        #expect(taken == 49)
        #expect(try await store.unfinished().count == 151)
        #expect(store.commitCount - before < 200)
        await store.close()
        let next = try DatabaseJobStore(path: path)
        #expect(try await next.unfinished().count == 151)
    }

    /// Where the file is full, those that find room are kept, and each of the others is told.
    @Test func oneThatFindsNoRoomHarmsNoOther() async throws {
        let store = try DatabaseJobStore(path: path, pageLimit: 200)
        let large = [UInt8](repeating: 7, count: 1 << 20)
        let kept = await withTaskGroup(of: Int?.self) { group in
            for number in 0..<60 {
                group.addTask {
                    let input = number.isMultiple(of: 2) ? StoredOrder.Input(image: large, mask: nil) : nil
                    do throws(JobStoreError) {
                        try await store.insert(JobStoreTests.job(number), input: input, files: [])
                        return number
                    } catch {
                        guard case .full = error else {
                            Issue.record("job \(number): \(error)")
                            return nil
                        }
                        return nil
                    }
                }
            }
            return await group.reduce(into: Set<Int>()) { if let number = $1 { $0.insert(number) } }
        }
        #expect(kept == Set((0..<60).filter { !$0.isMultiple(of: 2) }))
        #expect(try await store.unfinished().count == 30)
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
