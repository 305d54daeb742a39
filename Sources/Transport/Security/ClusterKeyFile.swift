import CLinux
import Glibc

/// Reads and writes key files: one user's, whom nobody else may read, and short.
public enum ClusterKeyFile {
    /// How long whoever starts a worker may take to write its key.
    private static let inputDeadline = Duration.seconds(10)

    /// The key in a file.
    ///
    /// Throws ``ClusterKeyError``, also where somebody else may read or write the file.
    public static func read(_ path: String) throws(ClusterKeyError) -> ClusterKey {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw .unreadable(path: path, reason: lastReason()) }
        defer { close(descriptor) }
        var facts = clinux_file()
        guard clinux_fstat(descriptor, &facts) == 0, facts.is_regular != 0 else {
            throw .unreadable(path: path, reason: "it is not a file")
        }
        guard facts.permissions & 0o077 == 0 else {
            throw .tooOpen(path: path, mode: String(facts.permissions, radix: 8))
        }
        guard facts.owner == geteuid() || facts.owner == 0 else { throw .foreign(path: path) }
        var bytes = [UInt8](repeating: 0, count: ClusterKey.textByteCountMax + 1)
        var count = 0
        while count < bytes.count {
            let taken = bytes.withUnsafeMutableBytes {
                Glibc.read(descriptor, $0.baseAddress! + count, $0.count - count)
            }
            if taken < 0, errno == EINTR { continue }
            guard taken >= 0 else { throw .unreadable(path: path, reason: lastReason()) }
            if taken == 0 { break }
            count += taken
        }
        return try ClusterKey(parsing: bytes.prefix(count), path: path)
    }

    /// The key in the next line of this process's standard input that is neither empty nor a comment, where whoever started
    /// it writes it; later bytes stay.
    ///
    /// Throws ``ClusterKeyError``, also where no line comes within ten seconds.
    public static func readInput() throws(ClusterKeyError) -> ClusterKey { try readLine(of: 0) }

    static func readLine(
        of descriptor: Int32, deadline duration: Duration = inputDeadline
    ) throws(ClusterKeyError) -> ClusterKey {
        let path = "standard input"
        let deadline = Deadline(after: duration)
        var line: [UInt8] = []
        var rest = ClusterKey.textByteCountMax
        while rest > 0 {
            guard let slice = deadline.sliceMilliseconds else {
                throw .unreadable(path: path, reason: "no line came within \(duration)")
            }
            var item = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            guard poll(&item, 1, Int32(slice)) > 0 else { continue }
            // Byte by byte, so that nothing behind the line is taken.
            var byte: UInt8 = 0
            let count = Glibc.read(descriptor, &byte, 1)
            if count < 0, errno == EINTR || errno == EAGAIN { continue }
            guard count >= 0 else { throw .unreadable(path: path, reason: lastReason()) }
            if count == 0 { break }
            rest -= 1
            if byte != UInt8(ascii: "\n") {
                line.append(byte)
            } else if line.isEmpty || line[0] == UInt8(ascii: "#") {
                line = []
            } else {
                break
            }
        }
        return try ClusterKey(parsing: line, path: path)
    }

    /// Writes a key into a new file that only this user can read.
    ///
    /// Throws ``ClusterKeyError``, also where there is a file of that name already.
    public static func write(_ key: ClusterKey, to path: String) throws(ClusterKeyError) {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw errno == EEXIST ? .exists(path: path) : .unwritable(path: path, reason: lastReason())
        }
        defer { close(descriptor) }
        let text = Array((preface + key.line).utf8)
        guard Glibc.write(descriptor, text, text.count) == text.count, fsync(descriptor) == 0 else {
            let reason = lastReason()
            unlink(path)
            throw .unwritable(path: path, reason: reason)
        }
    }

    private static let preface = """
        # The key of a Tessera cluster. Whoever has it can join the cluster, order pictures and read what its links
        # carry. Every machine of the cluster needs a copy that only one user can read (mode 0600).

        """

    private static func lastReason() -> String { String(cString: strerror(errno)).lowercased() }
}
