import Glibc

/// Bounded reads of files that somebody else wrote.
enum FileReader {
    /// Bytes in a regular file.
    static func size(of path: String) throws(CheckpointError) -> Int {
        var status = stat()
        guard stat(path, &status) == 0 else { throw failure(path) }
        guard status.st_mode & S_IFMT == S_IFREG else { throw .file(path: path, problem: "it is not a regular file") }
        return Int(status.st_size)
    }

    /// True where a regular file lies.
    static func exists(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
    }

    /// True where a folder lies.
    static func isFolder(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }

    /// Exactly the bytes of a range; a file that is shorter is an error.
    static func read(_ path: String, _ range: Range<Int>) throws(CheckpointError) -> [UInt8] {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw failure(path) }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: range.count)
        var done = 0
        while done < bytes.count {
            let count = bytes.withUnsafeMutableBytes { buffer in
                pread(descriptor, buffer.baseAddress.map { $0 + done }, buffer.count - done, range.lowerBound + done)
            }
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw failure(path) }
            guard count > 0 else {
                throw .file(path: path, problem: "it ends before byte \(range.upperBound); copy it again")
            }
            done += count
        }
        return bytes
    }

    /// A whole file of at most `limit` bytes.
    static func readAll(_ path: String, limit: Int) throws(CheckpointError) -> [UInt8] {
        let count = try size(of: path)
        guard count <= limit else {
            throw .file(path: path, problem: "it has \(count) bytes where at most \(limit) are expected")
        }
        return try read(path, 0..<count)
    }

    /// A JSON document of at most 64 MiB.
    static func readJSON(_ path: String) throws(CheckpointError) -> JSONValue {
        let bytes = try readAll(path, limit: 64 << 20)
        do {
            return try JSONParser.parse(bytes)
        } catch {
            throw .json(path: path, problem: error.description)
        }
    }

    private static func failure(_ path: String) -> CheckpointError {
        .file(path: path, problem: String(cString: strerror(errno)).lowercased())
    }
}
