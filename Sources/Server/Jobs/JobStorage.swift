import Coordinator

extension ServerSettings.JobStorage {
    /// Opens the store.
    ///
    /// Throws ``JobStoreError``.
    func opened() throws(JobStoreError) -> any JobStore {
        switch self {
        case .file(let path): try DatabaseJobStore(path: path)
        case .memory: MemoryJobStore()
        }
    }
}
