import Glibc

/// A tensor's bytes in a file, mapped read-only while they are used.
enum MappedTensor {
    /// Calls `body` with the tensor's first byte.
    ///
    /// The pages leave the process's memory afterwards.
    static func with(
        tensor: String, path: String, offset: Int, byteCount: Int, _ body: (UnsafeRawPointer) -> Void
    ) throws(WeightError) {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .missingFile(tensor: tensor, path: path, errno: errno) }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else {
            throw .missingFile(tensor: tensor, path: path, errno: errno)
        }
        let (end, overflow) = offset.addingReportingOverflow(byteCount)
        guard offset >= 0, !overflow, Int(status.st_size) >= end else {
            throw .truncated(
                tensor: tensor, path: path, needed: overflow ? Int.max : end, actual: Int(status.st_size))
        }
        let page = Int(sysconf(Int32(_SC_PAGESIZE)))
        let start = offset / page * page
        let length = end - start
        guard length > 0 else { return }
        guard let address = mmap(nil, length, PROT_READ, MAP_PRIVATE, descriptor, off_t(start)), address != MAP_FAILED
        else { throw .mappingFailed(tensor: tensor, path: path, errno: errno) }
        defer {
            madvise(address, length, MADV_DONTNEED)
            munmap(address, length)
        }
        body(UnsafeRawPointer(address) + (offset - start))
    }
}
