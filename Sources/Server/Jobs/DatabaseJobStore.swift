import Foundation
import GRDB
import Glibc
import Synchronization

/// Keeps jobs in an SQLite file.
///
/// The file has one writer: it stays locked as long as the store lives, and the system unlocks it when the process ends,
/// however it ends. Every change is in the write-ahead log, and the log on the disk, before a call returns.
package final class DatabaseJobStore: JobStore {
    /// A change that waits for its turn; afterwards `tell` says what came of it.
    private struct Change {
        let run: @Sendable (Database) -> Outcome
        /// Answers the caller where it was not even tried.
        let refuse: @Sendable (any Error) -> Void
    }

    /// Ends a transaction in which a change had an error.
    private struct Undone: Error {}

    /// What a change has done, unless its transaction cannot be kept.
    private struct Outcome {
        /// The change had an error, after which the database may have ended the transaction by itself.
        let isFailed: Bool
        /// Answers the caller: nil where the transaction is kept.
        let tell: (_ problem: (any Error)?) -> Void
    }

    private let path: String
    private let queue: DatabaseQueue
    private let changes = Mutex<[Change]>([])
    private let commits = Atomic<Int>(0)

    /// Transactions that had something to write to the disk.
    package var commitCount: Int { commits.load(ordering: .relaxed) }

    /// Opens the file, or makes it, readable for this user only.
    ///
    /// - Parameter pageLimit: most pages of the file; nil: as many as the disk has room for.
    ///
    /// Throws ``JobStoreError``.
    package init(path: String, pageLimit: Int? = nil) throws(JobStoreError) {
        self.path = path
        try Self.prepareFile(path)
        var configuration = GRDB.Configuration()
        configuration.label = "jobs"
        configuration.busyMode = .immediateError
        configuration.prepareDatabase { database in
            // Without shared memory, and closed to others until the process ends.
            try database.execute(sql: "PRAGMA locking_mode = EXCLUSIVE")
        }
        do {
            queue = try DatabaseQueue(path: path, configuration: configuration)
            try queue.writeWithoutTransaction { database in
                try JobSchema.claim(database)
                try database.execute(sql: "PRAGMA synchronous = FULL")
                if let pageLimit { try database.execute(sql: "PRAGMA max_page_count = \(pageLimit)") }
            }
            try JobSchema.migrator.migrate(queue)
        } catch {
            throw Self.problem(error, path)
        }
    }

    /// Makes the file where it is missing, and takes others' rights away: prompts are nobody else's business.
    private static func prepareFile(_ path: String) throws(JobStoreError) {
        let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw .unusable(path: path, reason: systemWords()) }
        defer { _ = Glibc.close(descriptor) }
        guard fchmod(descriptor, 0o600) == 0 else { throw .unusable(path: path, reason: systemWords()) }
    }

    /// The system's words for its last error.
    private static func systemWords() -> String { String(cString: strerror(errno)).lowercased() }

    // MARK: Jobs

    package func insert(
        _ job: Job, input: StoredOrder.Input?, files: [[UInt8]]
    ) async throws(JobStoreError) {
        try await write { database in
            if let key = job.idempotency?.key, try Self.number(database, owner: job.owner, key: key) != nil {
                throw JobStoreError.taken
            }
            try database.execute(
                sql: """
                    INSERT INTO job (id, owner, state, created, finished, idempotency_key, record, image, mask)
                    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
                    """,
                arguments: [
                    job.id, job.owner, job.state.rawValue, job.created, job.finished, job.idempotency?.key,
                    try Self.encode(job), input.map { Data($0.image) }, input?.mask.map { Data($0) },
                ])
            try Self.add(files, of: job, number: database.lastInsertedRowID, to: database)
        }
    }

    package func apply(
        _ change: Job.Change, to id: String, files: [[UInt8]]
    ) async throws(JobStoreError) -> Bool {
        try await write { database in
            let row = try Row.fetchOne(database, sql: "SELECT number, record FROM job WHERE id = ?", arguments: [id])
            guard let row else { return false }
            let number: Int64 = try Self.value(row, "number")
            var job = try Self.decode(row)
            guard job.apply(change) else { return false }
            if job.state.isOver {
                // First, so that a full file has room for the end.
                try database.execute(
                    sql: "UPDATE job SET image = NULL, mask = NULL WHERE number = ?", arguments: [number])
            }
            try database.execute(
                sql: "UPDATE job SET state = ?, finished = ?, record = ? WHERE number = ?",
                arguments: [job.state.rawValue, job.finished, try Self.encode(job), number])
            try Self.add(files, of: job, number: number, to: database)
            return true
        }
    }

    private static func add(_ files: [[UInt8]], of job: Job, number: Int64, to database: Database) throws {
        for (picture, bytes) in zip(job.outcome?.pictures ?? [], files) {
            try database.execute(
                sql: "INSERT INTO picture (id, job, finished, hash, byte_count, bytes) VALUES (?, ?, ?, ?, ?, ?)",
                arguments: [picture.id, number, job.finished, picture.hash, bytes.count, Data(bytes)])
        }
    }

    package func job(_ id: String) async throws(JobStoreError) -> Job? {
        try await write { database in
            try Row.fetchOne(database, sql: "SELECT record FROM job WHERE id = ?", arguments: [id]).map(Self.decode)
        }
    }

    package func job(owner: String, key: String) async throws(JobStoreError) -> Job? {
        try await write { database in
            try Row.fetchOne(
                database, sql: "SELECT record FROM job WHERE owner = ? AND idempotency_key = ?",
                arguments: [owner, key]
            ).map(Self.decode)
        }
    }

    package func jobs(owner: String, limit: Int, after id: String?) async throws(JobStoreError) -> [Job] {
        try await write { database in
            var before = Int64.max
            if let id {
                let number = try Int64.fetchOne(
                    database, sql: "SELECT number FROM job WHERE id = ? AND owner = ?", arguments: [id, owner])
                guard let number else { return [] }
                before = number
            }
            return try Row.fetchAll(
                database,
                sql: "SELECT record FROM job WHERE owner = ? AND number < ? ORDER BY number DESC LIMIT ?",
                arguments: [owner, before, limit]
            ).map(Self.decode)
        }
    }

    package func unfinished() async throws(JobStoreError) -> [Job] {
        try await write { database in
            try Row.fetchAll(database, sql: "SELECT record FROM job WHERE finished IS NULL ORDER BY number")
                .map(Self.decode)
        }
    }

    package func input(of id: String) async throws(JobStoreError) -> StoredOrder.Input? {
        try await write { database in
            let row = try Row.fetchOne(database, sql: "SELECT image, mask FROM job WHERE id = ?", arguments: [id])
            guard let row, !(row["image"] as DatabaseValue).isNull else { return nil }
            let hasMask = !(row["mask"] as DatabaseValue).isNull
            let image: Data = try Self.value(row, "image")
            let mask: Data? = hasMask ? try Self.value(row, "mask") : nil
            return StoredOrder.Input(image: Array(image), mask: mask.map { Array($0) })
        }
    }

    package func remove(_ id: String) async throws(JobStoreError) {
        try await write { database in
            try database.execute(sql: "DELETE FROM job WHERE id = ?", arguments: [id])
        }
    }

    // MARK: Pictures

    package func file(_ picture: String, since time: Double) async throws(JobStoreError) -> KeptFile? {
        try await write { database in
            let row = try Row.fetchOne(
                database, sql: "SELECT bytes, hash, finished FROM picture WHERE id = ? AND finished >= ?",
                arguments: [picture, time])
            guard let row else { return nil }
            let bytes: Data = try Self.value(row, "bytes")
            return KeptFile(
                bytes: Array(bytes), hash: try Self.value(row, "hash"), finished: try Self.value(row, "finished"))
        }
    }

    @discardableResult
    package func prune(before time: Double, byteCount: Int) async throws(JobStoreError) -> Int {
        try await write { database in
            try database.execute(sql: "DELETE FROM job WHERE finished < ?", arguments: [time])
            var removed = database.changesCount
            // Newest first, summed up: from the first on with which there are too many bytes, all go.
            try database.execute(
                sql: """
                    DELETE FROM picture WHERE number IN (
                        SELECT number FROM (
                            SELECT number, SUM(byte_count) OVER (ORDER BY finished DESC, number DESC) AS total
                            FROM picture)
                        WHERE total > ?)
                    """, arguments: [byteCount])
            removed += database.changesCount
            try database.execute(
                sql: """
                    DELETE FROM job WHERE number IN (
                        SELECT number FROM job WHERE finished IS NOT NULL ORDER BY finished DESC LIMIT -1 OFFSET ?)
                    """, arguments: [JobRecords.limit])
            // The file shrinks by what is free in it.
            if removed > 0 { _ = try Row.fetchAll(database, sql: "PRAGMA incremental_vacuum") }
            return try Int.fetchOne(database, sql: "SELECT SUM(byte_count) FROM picture") ?? 0
        }
    }

    package func close() async {
        await withCheckedContinuation { continuation in
            // Behind all that was asked before; what cannot be closed now is closed with the process.
            queue.asyncWriteWithoutTransaction { _ in continuation.resume() }
        }
        _ = try? queue.close()
    }

    // MARK: Access

    /// Runs in a transaction on the database's own thread, whether or not the caller's task is cancelled meanwhile.
    ///
    /// What comes while a transaction is written shares the next one, and its way to the disk; `body` may run twice.
    private func write<Value: Sendable>(
        _ body: @escaping @Sendable (Database) throws -> Value
    ) async throws(JobStoreError) -> Value {
        let result: Result<Value, any Error> = await withCheckedContinuation { continuation in
            let change = Change(
                run: { database in
                    let result = Result { try Self.savepoint(database, body) }
                    var isFailed = false
                    if case .failure(let error) = result { isFailed = error is DatabaseError }
                    return Outcome(isFailed: isFailed) { problem in
                        continuation.resume(returning: problem.map { .failure($0) } ?? result)
                    }
                }, refuse: { continuation.resume(returning: .failure($0)) })
            let isFirst = changes.withLock { changes in
                changes.append(change)
                return changes.count == 1
            }
            if isFirst { queue.asyncWriteWithoutTransaction { self.writeAll($0) } }
        }
        do {
            return try result.get()
        } catch {
            throw Self.problem(error, path)
        }
    }

    /// Makes all changes that wait: together or, where one of them harms the others, each by itself.
    private func writeAll(_ database: Database) {
        let changes = changes.withLock { changes in
            defer { changes = [] }
            return changes
        }
        if changes.count > 1, attempt(changes, database) { return }
        for change in changes {
            var outcome: Outcome?
            do {
                try transaction(database) {
                    let made = change.run(database)
                    outcome = made
                    if made.isFailed { throw Undone() }
                }
                outcome?.tell(nil)
            } catch is Undone {
                outcome?.tell(nil)
            } catch {
                if let outcome { outcome.tell(error) } else { change.refuse(error) }
            }
        }
    }

    /// False where the changes have to be made one by one; then nothing has been.
    private func attempt(_ changes: [Change], _ database: Database) -> Bool {
        var outcomes: [Outcome] = []
        do {
            try transaction(database) {
                for change in changes {
                    let outcome = change.run(database)
                    if outcome.isFailed { throw Undone() }
                    outcomes.append(outcome)
                }
            }
        } catch {
            return false
        }
        for outcome in outcomes { outcome.tell(nil) }
        return true
    }

    private func transaction(_ database: Database, _ body: () throws -> Void) throws {
        let before = database.totalChangesCount
        try database.inTransaction(.immediate) {
            try body()
            return .commit
        }
        if database.totalChangesCount > before { commits.add(1, ordering: .relaxed) }
    }

    /// Runs a change so that nothing of it stays where it fails.
    private static func savepoint<Value>(
        _ database: Database, _ body: (Database) throws -> Value
    ) throws -> Value {
        var value: Value?
        try database.inSavepoint {
            value = try body(database)
            return .commit
        }
        guard let value else { throw DatabaseError(message: "a change has no result") }
        return value
    }

    private static func number(_ database: Database, owner: String, key: String) throws -> Int64? {
        try Int64.fetchOne(
            database, sql: "SELECT number FROM job WHERE owner = ? AND idempotency_key = ?", arguments: [owner, key])
    }

    private static func encode(_ job: Job) throws -> Data { try JSONEncoder().encode(job) }

    private static func decode(_ row: Row) throws -> Job {
        try JSONDecoder().decode(Job.self, from: try value(row, "record"))
    }

    /// A column's value; a damaged file may hold anything.
    private static func value<Value: DatabaseValueConvertible>(_ row: Row, _ column: String) throws -> Value {
        guard let value = Value.fromDatabaseValue(row[column] as DatabaseValue) else {
            throw DatabaseError(resultCode: .SQLITE_CORRUPT, message: "\(column) is of another kind")
        }
        return value
    }

    /// What an error of the database means.
    private static func problem(_ error: any Error, _ path: String) -> JobStoreError {
        switch error {
        case let error as JobStoreError: return error
        case is JobSchema.Foreign: return .foreign(path: path)
        case is JobSchema.Newer: return .newer(path: path)
        case let error as DatabaseError:
            let words = error.message ?? "code \(error.resultCode.rawValue)"
            switch error.resultCode {
            case .SQLITE_BUSY, .SQLITE_LOCKED: return .busy(path: path)
            case .SQLITE_CORRUPT: return .damaged(path: path, reason: words)
            case .SQLITE_FULL: return .full(path: path)
            case .SQLITE_NOTADB: return .foreign(path: path)
            default: return .unusable(path: path, reason: words)
            }
        case is DecodingError: return .damaged(path: path, reason: "a job's record cannot be read")
        default: return .unusable(path: path, reason: "\(error)")
        }
    }
}
