import Glibc

/// A folder that is removed with everything in it when the value is dropped.
final class TemporaryFolder {
    /// Its path.
    let path: String

    /// Makes an empty folder.
    init() {
        var template = Array("/tmp/tessera-models-XXXXXX".utf8CString)
        guard let made = mkdtemp(&template) else { preconditionFailure("a temporary folder can be made") }
        path = String(cString: made)
    }

    deinit { Self.remove(path) }

    /// Writes a file; folders in its name are made.
    @discardableResult
    func write(_ name: String, _ bytes: some Collection<UInt8>) -> String {
        let parts = name.split(separator: "/")
        for count in 1..<max(1, parts.count) {
            mkdir("\(path)/\(parts.prefix(count).joined(separator: "/"))", 0o755)
        }
        let file = fopen("\(path)/\(name)", "w")
        guard let file else { preconditionFailure("a temporary file can be made") }
        let bytes = Array(bytes)
        fwrite(bytes, 1, bytes.count, file)
        fclose(file)
        return "\(path)/\(name)"
    }

    /// Copies a folder's files, those in folders below it included.
    func copy(from folder: String, to name: String = "") {
        for entry in Self.entries(folder) {
            let target = name.isEmpty ? entry : "\(name)/\(entry)"
            if Self.isFolder("\(folder)/\(entry)") {
                copy(from: "\(folder)/\(entry)", to: target)
            } else {
                write(target, Fixture.bytes("\(folder)/\(entry)"))
            }
        }
    }

    /// Removes one file.
    func remove(file name: String) { unlink("\(path)/\(name)") }

    private static func entries(_ folder: String) -> [String] {
        guard let handle = opendir(folder) else { return [] }
        defer { closedir(handle) }
        var names: [String] = []
        while let entry = readdir(handle) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names
    }

    private static func isFolder(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }

    private static func remove(_ path: String) {
        guard isFolder(path) else {
            unlink(path)
            return
        }
        for entry in entries(path) { remove("\(path)/\(entry)") }
        rmdir(path)
    }
}
