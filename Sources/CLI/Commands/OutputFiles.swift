import ArgumentParser
import Glibc

/// Where pictures are written.
enum OutputFiles {
    /// Throws a usage error where the path's folder is missing or not writable: better before a cluster starts than after.
    static func check(_ path: String) throws {
        guard !path.isEmpty, !path.hasSuffix("/"), !isFolder(path) else {
            throw ValidationError("The output '\(path)' is a folder; give the name of a file.")
        }
        let folder = path.lastIndex(of: "/").map { String(path[...$0]) } ?? "."
        guard isFolder(folder) else {
            throw ValidationError("There is no folder '\(folder)' to write '\(path)' to; create it first.")
        }
        guard access(folder, W_OK) == 0 else {
            throw ValidationError("The folder '\(folder)' cannot be written to.")
        }
    }

    /// The path of each of `count` pictures: the path itself, or numbered before its extension.
    static func paths(_ path: String, count: Int) -> [String] {
        guard count > 1 else { return [path] }
        let nameStart = path.lastIndex(of: "/").map { path.index(after: $0) } ?? path.startIndex
        let dot = path[nameStart...].lastIndex(of: ".").flatMap { $0 > nameStart ? $0 : nil } ?? path.endIndex
        return (1...count).map { "\(path[..<dot])-\($0)\(path[dot...])" }
    }

    private static func isFolder(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }
}
