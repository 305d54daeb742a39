import Glibc

/// The C libraries that Tessera runs on, as the dynamic linker finds them.
enum SystemLibrary: String, CaseIterable {
    /// Messages between processes.
    case libzmq = "libzmq.so.5"
    /// Matrix products in f32.
    case openBLAS = "libopenblas.so.0"
    /// Pictures.
    case libpng = "libpng16.so.16"
    /// Pictures that may lose something.
    case libjpeg = "libjpeg.so.62"
    /// Jobs.
    case sqlite = "libsqlite3.so.0"

    /// Debian's package.
    var package: String {
        switch self {
        case .libzmq: "libzmq3-dev"
        case .openBLAS: "libopenblas-dev"
        case .libpng: "libpng-dev"
        case .libjpeg: "libjpeg-dev"
        case .sqlite: "libsqlite3-dev"
        }
    }

    /// Name for people.
    var name: String {
        switch self {
        case .libzmq: "libzmq"
        case .openBLAS: "OpenBLAS"
        case .libpng: "libpng"
        case .libjpeg: "libjpeg"
        case .sqlite: "SQLite"
        }
    }

    /// True where messages can be encrypted.
    static var hasCURVE: Bool {
        typealias Function = @convention(c) (UnsafePointer<CChar>) -> Int32
        guard let handle = dlopen(SystemLibrary.libzmq.rawValue, RTLD_NOW | RTLD_LOCAL),
            let symbol = dlsym(handle, "zmq_has")
        else { return false }
        return unsafeBitCast(symbol, to: Function.self)("curve") == 1
    }

    /// The version; nil where the library is missing.
    var version: String? {
        guard let handle = dlopen(rawValue, RTLD_NOW | RTLD_LOCAL) else { return nil }
        switch self {
        case .libzmq:
            typealias Function =
                @convention(c) (
                    UnsafeMutablePointer<Int32>, UnsafeMutablePointer<Int32>, UnsafeMutablePointer<Int32>
                ) -> Void
            guard let symbol = dlsym(handle, "zmq_version") else { return "unknown" }
            var (major, minor, patch): (Int32, Int32, Int32) = (0, 0, 0)
            unsafeBitCast(symbol, to: Function.self)(&major, &minor, &patch)
            return "\(major).\(minor).\(patch)"
        case .openBLAS:
            typealias Function = @convention(c) () -> UnsafePointer<CChar>?
            guard let symbol = dlsym(handle, "openblas_get_config"),
                let text = unsafeBitCast(symbol, to: Function.self)()
            else { return "unknown" }
            return String(cString: text)
        case .libpng:
            typealias Function = @convention(c) () -> UInt32
            guard let symbol = dlsym(handle, "png_access_version_number") else { return "unknown" }
            let number = unsafeBitCast(symbol, to: Function.self)()
            return "\(number / 10000).\(number / 100 % 100).\(number % 100)"
        case .libjpeg:
            // It does not tell its own version; the interface is libjpeg 6.2's.
            return dlsym(handle, "jpeg_CreateCompress") == nil ? "unknown" : "6.2 interface"
        case .sqlite:
            typealias Function = @convention(c) () -> UnsafePointer<CChar>?
            guard let symbol = dlsym(handle, "sqlite3_libversion"),
                let text = unsafeBitCast(symbol, to: Function.self)()
            else { return "unknown" }
            return String(cString: text)
        }
    }
}
