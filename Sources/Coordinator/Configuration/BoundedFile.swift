import Glibc

/// Reads small files whole.
enum BoundedFile {
    /// Why a file could not be read.
    enum Failure: Error, CustomStringConvertible {
        /// The system refused.
        case system(Int32)
        /// It is longer than allowed.
        case tooLarge(Int)

        var description: String {
            switch self {
            case .system(let code): String(cString: strerror(code)).lowercased()
            case .tooLarge(let limit): "it has more than \(limit) bytes"
            }
        }
    }

    /// The file's bytes, at most `byteCountMax`.
    static func read(_ path: String, byteCountMax: Int) -> Result<[UInt8], Failure> {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { return .failure(.system(errno)) }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: byteCountMax + 1)
        var count = 0
        while count < bytes.count {
            let read = bytes.withUnsafeMutableBytes {
                Glibc.read(descriptor, $0.baseAddress! + count, $0.count - count)
            }
            if read < 0 {
                if errno == EINTR { continue }
                return .failure(.system(errno))
            }
            if read == 0 { return .success(Array(bytes[..<count])) }
            count += read
        }
        return .failure(.tooLarge(byteCountMax))
    }

    /// True for a folder.
    static func isFolder(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }
}
