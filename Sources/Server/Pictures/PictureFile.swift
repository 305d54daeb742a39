import Foundation
public import Tensor

/// Why a picture could not be read from or written to disk.
public enum PictureFileError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The folder for the file does not exist.
    case folderMissing(folder: String)
    /// The path names a folder.
    case isFolder(path: String)
    /// What is in the file is not a usable picture.
    case picture(path: String, problem: PictureError)
    /// The file is larger than any picture that is read.
    case tooLarge(path: String, byteCount: Int, limit: Int)
    /// The file cannot be read; the reason is the system's.
    case unreadable(path: String, reason: String)
    /// The file cannot be written; the reason is the system's.
    case unwritable(path: String, reason: String)

    /// One sentence: what, where, what to do.
    public var description: String {
        switch self {
        case .folderMissing(let folder): "the output folder \(folder) does not exist; create it first"
        case .isFolder(let path): "\(path) is a folder; give the name of a file"
        case .picture(let path, let problem): "\(path): \(problem)"
        case .tooLarge(let path, let byteCount, let limit):
            "\(path) has \(byteCount) bytes, more than the \(limit) that are read; make the picture smaller"
        case .unreadable(let path, let reason): "\(path) cannot be read: \(reason)"
        case .unwritable(let path, let reason): "\(path) cannot be written: \(reason)"
        }
    }
}

/// Pictures on disk.
public enum PictureFile {
    /// Largest file that is read.
    public static let byteLimit = 256 << 20

    /// Reads a PNG or JPEG from disk.
    ///
    /// Throws ``PictureFileError``.
    public static func read(_ path: String) throws(PictureFileError) -> DecodedPicture {
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
            throw .unreadable(path: path, reason: "there is no such file")
        }
        if isFolder.boolValue { throw .isFolder(path: path) }
        let bytes: [UInt8]
        do {
            let file = try FileHandle(forReadingFrom: URL(fileURLWithPath: path))
            // One byte more than allowed tells a file that is too long, also where its size is not known.
            let data = try file.read(upToCount: byteLimit + 1) ?? Data()
            try file.close()
            bytes = Array(data)
        } catch {
            throw .unreadable(path: path, reason: reason(error))
        }
        if bytes.count > byteLimit { throw .tooLarge(path: path, byteCount: bytes.count, limit: byteLimit) }
        do {
            return try DecodedPicture(file: bytes)
        } catch {
            throw .picture(path: path, problem: error)
        }
    }

    /// Throws ``PictureFileError`` where a file at `path` could not be written: to be asked before hours of work.
    public static func checkWritable(_ path: String) throws(PictureFileError) {
        let folder = URL(fileURLWithPath: path).deletingLastPathComponent().path
        var isFolder: ObjCBool = false
        if FileManager.default.fileExists(atPath: path, isDirectory: &isFolder), isFolder.boolValue {
            throw .isFolder(path: path)
        }
        guard FileManager.default.fileExists(atPath: folder, isDirectory: &isFolder), isFolder.boolValue else {
            throw .folderMissing(folder: folder)
        }
        guard FileManager.default.isWritableFile(atPath: folder) else {
            throw .unwritable(path: path, reason: "the folder is not writable")
        }
    }

    /// Writes a picture u8[H, W, 3] with its record, whole or not at all.
    ///
    /// Throws ``PictureFileError``.
    public static func write(
        _ rgb: HostTensor, record: ReproducibilityRecord?, to path: String
    ) throws(PictureFileError) {
        let bytes: [UInt8]
        do {
            bytes = try PNGFile.encode(rgb, texts: record?.texts ?? [])
        } catch {
            throw .picture(path: path, problem: error)
        }
        try write(bytes, to: path)
    }

    /// Writes bytes to a temporary file beside `path` and renames it.
    ///
    /// Throws ``PictureFileError``.
    public static func write(_ bytes: [UInt8], to path: String) throws(PictureFileError) {
        try checkWritable(path)
        let target = URL(fileURLWithPath: path)
        let name = ".\(target.lastPathComponent).\(UInt32.random(in: 0...(.max))).part"
        let temporary = target.deletingLastPathComponent().appendingPathComponent(name)
        do {
            try Data(bytes).write(to: temporary)
            guard rename(temporary.path, target.path) == 0 else {
                let code = errno
                throw PictureFileError.unwritable(path: path, reason: String(cString: strerror(code)))
            }
        } catch {
            let known = error as? PictureFileError
            if unlink(temporary.path) != 0 && errno != ENOENT {
                let code = errno
                throw .unwritable(
                    path: path, reason: "\(reason(error)); \(temporary.path) stays: \(String(cString: strerror(code)))")
            }
            throw known ?? .unwritable(path: path, reason: reason(error))
        }
    }

    private static func reason(_ error: any Error) -> String {
        if let error = error as? PictureFileError, case .unwritable(_, let reason) = error { return reason }
        // The system's own words, without Foundation's around them.
        if let system = (error as NSError).userInfo[NSUnderlyingErrorKey] as? POSIXError {
            return String(cString: strerror(system.code.rawValue)).lowercased()
        }
        return error.localizedDescription
    }
}
