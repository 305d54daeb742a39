/// Keeps jobs and their pictures.
///
/// What a call has done is kept when it returns: a store on disk has synchronised it.
package protocol JobStore: Sendable {
    /// Adds a job with the picture it edits or, where it is completed, with its pictures' files.
    ///
    /// Throws ``JobStoreError/taken`` where its owner has used its idempotency key for another.
    func insert(_ job: Job, input: StoredOrder.Input?, files: [[UInt8]]) async throws(JobStoreError)
    /// Lets something happen to a job; `files` are the pictures of ``Job/Change/completed(_:at:)``.
    ///
    /// False, and nothing happens, where the job is over or not there: so it ends once.
    func apply(_ change: Job.Change, to id: String, files: [[UInt8]]) async throws(JobStoreError) -> Bool
    /// A job.
    func job(_ id: String) async throws(JobStoreError) -> Job?
    /// The job that an owner has given this idempotency key.
    func job(owner: String, key: String) async throws(JobStoreError) -> Job?
    /// Jobs of an owner, newest first, after (older than) one of them.
    func jobs(owner: String, limit: Int, after id: String?) async throws(JobStoreError) -> [Job]
    /// Jobs that are not over, oldest first.
    func unfinished() async throws(JobStoreError) -> [Job]
    /// The picture that a job edits.
    func input(of id: String) async throws(JobStoreError) -> StoredOrder.Input?
    /// A finished picture's file, unless it was finished before `time`.
    func file(_ picture: String, since time: Double) async throws(JobStoreError) -> KeptFile?
    /// Removes a job and its pictures.
    func remove(_ id: String) async throws(JobStoreError)
    /// Lets the file go; nothing may be asked afterwards.
    func close() async
    /// Removes what ended before `time`, then the oldest pictures until the rest have `byteCount` bytes at most; returns
    /// the bytes of the rest.
    @discardableResult
    func prune(before time: Double, byteCount: Int) async throws(JobStoreError) -> Int
}

/// A finished picture.
package struct KeptFile: Sendable, Hashable {
    /// The file.
    package var bytes: [UInt8]
    /// Its SHA-256.
    package var hash: String
    /// When it was finished, in seconds since 1970.
    package var finished: Double
}

/// Records of jobs that are over and kept at most.
enum JobRecords {
    static let limit = 10_000
}

/// Why jobs cannot be kept; cases in alphabetical order.
public enum JobStoreError: Error, Sendable, Hashable, CustomStringConvertible {
    /// Another process uses the file.
    case busy(path: String)
    /// The file is damaged.
    case damaged(path: String, reason: String)
    /// The file is something else.
    case foreign(path: String)
    /// There is no room.
    case full(path: String)
    /// A newer version has written the file.
    case newer(path: String)
    /// The idempotency key was used for another job.
    case taken
    /// The file cannot be used; the reason is the system's.
    case unusable(path: String, reason: String)

    /// A stable word for logs, metrics and JSON.
    public var code: String {
        switch self {
        case .busy, .damaged, .foreign, .newer, .unusable: "storage_unusable"
        case .full: "storage_full"
        case .taken: "idempotency_key_in_use"
        }
    }

    /// One sentence: what, where, what to do.
    public var description: String {
        switch self {
        case .busy(let path):
            "the jobs file \(path) is in use by another process: stop that one, or give 'server.jobs' another file"
        case .damaged(let path, let reason):
            "the jobs file \(path) is damaged (\(reason)): move it and \(path)-wal away, or put a copy back, and start "
                + "again; jobs and pictures that are only in it are lost"
        case .foreign(let path):
            "\(path) is not a jobs file: give 'server.jobs' a file of its own"
        case .full(let path):
            "there is no room for the jobs file \(path): free some, or lower 'server.results.bytes'"
        case .newer(let path):
            "the jobs file \(path) was written by a newer version: start that one, or give 'server.jobs' another file"
        case .taken: "the idempotency key is in use"
        case .unusable(let path, let reason):
            "the jobs file \(path) cannot be used (\(reason)): make its folder writable for this user, give "
                + "'server.jobs' another file, or set it to 'off'"
        }
    }
}
