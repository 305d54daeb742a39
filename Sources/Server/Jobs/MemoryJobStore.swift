import Synchronization

/// Keeps jobs for as long as the process lives.
package final class MemoryJobStore: JobStore {
    private struct Entry {
        var job: Job
        var input: StoredOrder.Input?
        var files: [String: [UInt8]] = [:]
    }

    /// Oldest first.
    private let entries = Mutex<[Entry]>([])

    /// An empty store.
    package init() {}

    package func insert(
        _ job: Job, input: StoredOrder.Input?, files: [[UInt8]]
    ) async throws(JobStoreError) {
        let isTaken = entries.withLock { entries in
            if let key = job.idempotency?.key,
                entries.contains(where: { $0.job.owner == job.owner && $0.job.idempotency?.key == key })
            {
                return true
            }
            var entry = Entry(job: job, input: input)
            for (picture, bytes) in zip(job.outcome?.pictures ?? [], files) { entry.files[picture.id] = bytes }
            entries.append(entry)
            return false
        }
        if isTaken { throw .taken }
    }

    package func apply(
        _ change: Job.Change, to id: String, files: [[UInt8]]
    ) async throws(JobStoreError) -> Bool {
        entries.withLock { entries in
            guard let index = entries.firstIndex(where: { $0.job.id == id }), entries[index].job.apply(change) else {
                return false
            }
            if entries[index].job.state.isOver { entries[index].input = nil }
            for (picture, bytes) in zip(entries[index].job.outcome?.pictures ?? [], files) {
                entries[index].files[picture.id] = bytes
            }
            return true
        }
    }

    package func job(_ id: String) async throws(JobStoreError) -> Job? {
        entries.withLock { $0.first { $0.job.id == id }?.job }
    }

    package func job(owner: String, key: String) async throws(JobStoreError) -> Job? {
        entries.withLock { $0.first { $0.job.owner == owner && $0.job.idempotency?.key == key }?.job }
    }

    package func jobs(owner: String, limit: Int, after id: String?) async throws(JobStoreError) -> [Job] {
        entries.withLock { entries in
            let own = entries.reversed().map(\.job).filter { $0.owner == owner }
            guard let id else { return Array(own.prefix(limit)) }
            return Array(own.drop { $0.id != id }.dropFirst().prefix(limit))
        }
    }

    package func unfinished() async throws(JobStoreError) -> [Job] {
        entries.withLock { $0.map(\.job).filter { !$0.state.isOver } }
    }

    package func input(of id: String) async throws(JobStoreError) -> StoredOrder.Input? {
        entries.withLock { $0.first { $0.job.id == id }?.input }
    }

    package func file(_ picture: String, since time: Double) async throws(JobStoreError) -> KeptFile? {
        entries.withLock { entries in
            for entry in entries {
                guard let bytes = entry.files[picture], let finished = entry.job.finished, finished >= time,
                    let hash = entry.job.outcome?.pictures.first(where: { $0.id == picture })?.hash
                else { continue }
                return KeptFile(bytes: bytes, hash: hash, finished: finished)
            }
            return nil
        }
    }

    package func remove(_ id: String) async throws(JobStoreError) {
        entries.withLock { $0.removeAll { $0.job.id == id } }
    }

    package func close() async {}

    @discardableResult
    package func prune(before time: Double, byteCount: Int) async throws(JobStoreError) -> Int {
        entries.withLock { entries in
            entries.removeAll { $0.job.finished.map { $0 < time } == true }
            let over = entries.indices.filter { entries[$0].job.finished != nil }.sorted {
                (entries[$0].job.finished ?? 0, $0) < (entries[$1].job.finished ?? 0, $1)
            }
            var sum = over.reduce(0) { $0 + entries[$1].files.values.reduce(0) { $0 + $1.count } }
            for index in over {
                for picture in entries[index].job.outcome?.pictures ?? [] where sum > byteCount {
                    sum -= entries[index].files.removeValue(forKey: picture.id)?.count ?? 0
                }
            }
            let surplus = Set(over.prefix(max(0, over.count - JobRecords.limit)).map { entries[$0].job.id })
            if !surplus.isEmpty { entries.removeAll { surplus.contains($0.job.id) } }
            return entries.reduce(0) { $0 + $1.files.values.reduce(0) { $0 + $1.count } }
        }
    }
}
