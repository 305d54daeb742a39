import CLinux
import Foundation
import Glibc
import Models
import Synchronization

/// The API keys that clients may show, read from a file of SHA-256 hashes and read again whenever the file changes.
///
/// A line is a name and the hash of a key, `team-a sha256:9f86d0…`; empty lines and those that begin with `#` do not
/// count. The file belongs to the user of the server, and nobody else may read or write it. A file that has become
/// unusable admits nobody until it is right again.
public final class KeyRing: Sendable {
    /// What tells one version of the file from another: its last change, of contents, owner or mode.
    private struct Version: Equatable {
        var file: UInt64
        var byteCount: Int
        var seconds: Int
        var nanoseconds: Int
    }

    private struct State {
        var version: Version?
        var keys: [(name: String, digest: [UInt8])] = []
        var problem: KeyRingError?
    }

    /// Longest key that is looked at, in bytes.
    static let keyByteLimit = 512
    private static let fileByteLimit = 1 << 20

    private let path: String
    private let state: Mutex<State>

    /// Reads the file.
    ///
    /// Throws ``KeyRingError``.
    public init(path: String) throws(KeyRingError) {
        self.path = path
        let (version, keys) = try Self.load(path)
        state = Mutex(State(version: version, keys: keys))
    }

    /// Reads the file again, changed or not, and returns how many keys it has.
    ///
    /// Throws ``KeyRingError``; nobody is admitted then until the file is right again.
    func reload() throws(KeyRingError) -> Int {
        let current = Self.version(path)
        do throws(KeyRingError) {
            let loaded = try Self.load(path)
            state.withLock { $0 = State(version: loaded.version, keys: loaded.keys) }
            return loaded.keys.count
        } catch {
            state.withLock { $0 = State(version: current, problem: error) }
            throw error
        }
    }

    /// The name of a key; nil where it is none of the file's.
    ///
    /// Throws ``KeyRingError`` where the file, as it is now, cannot be used.
    func name(of key: String) throws(KeyRingError) -> String? {
        let current = Self.version(path)
        let (keys, problem) = state.withLock { state in
            if state.version != current || state.problem != nil {
                do throws(KeyRingError) {
                    let loaded = try Self.load(path)
                    state = State(version: loaded.version, keys: loaded.keys)
                } catch {
                    state = State(version: current, problem: error)
                }
            }
            return (state.keys, state.problem)
        }
        if let problem { throw problem }
        guard key.utf8.count <= Self.keyByteLimit else { return nil }
        let digest = Array(Self.hash(key).utf8)
        var found: String?
        // All are compared, and all of each: the time says nothing about how much of one was right.
        for entry in keys {
            let difference = zip(entry.digest, digest).reduce(UInt8(0)) { $0 | ($1.0 ^ $1.1) }
            if difference == 0, entry.digest.count == digest.count { found = entry.name }
        }
        return found
    }

    /// SHA-256 of a key as 64 hexadecimal digits.
    public static func hash(_ key: String) -> String {
        var hash = SHA256()
        hash.update(Array(key.utf8))
        return hash.hexadecimal()
    }

    private static func version(_ path: String) -> Version? {
        var file = clinux_file()
        guard clinux_stat(path, &file) == 0 else { return nil }
        return Version(
            file: file.number, byteCount: Int(file.byte_count), seconds: Int(file.changed_seconds),
            nanoseconds: Int(file.changed_nanoseconds))
    }

    private static func load(
        _ path: String
    ) throws(KeyRingError) -> (version: Version?, keys: [(name: String, digest: [UInt8])]) {
        // The version first: what changes in between is seen as a change the next time.
        let version = version(path)
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw .unreadable(path: path, reason: String(cString: strerror(errno))) }
        let file = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
        var facts = clinux_file()
        guard clinux_fstat(descriptor, &facts) == 0, facts.is_regular != 0 else {
            throw .unreadable(path: path, reason: "it is not a file")
        }
        guard facts.permissions & 0o077 == 0 else {
            throw .tooOpen(path: path, mode: String(facts.permissions, radix: 8))
        }
        guard facts.owner == geteuid() || facts.owner == 0 else { throw .foreign(path: path) }
        let bytes: Data
        do {
            bytes = try file.read(upToCount: fileByteLimit + 1) ?? Data()
        } catch {
            throw .unreadable(path: path, reason: "it cannot be read to its end")
        }
        guard bytes.count <= fileByteLimit, let text = String(validating: bytes, as: UTF8.self) else {
            throw .unreadable(path: path, reason: "it is not UTF-8 text of at most \(fileByteLimit) bytes")
        }
        return (version, try parse(text, path: path))
    }

    static func parse(_ text: String, path: String) throws(KeyRingError) -> [(name: String, digest: [UInt8])] {
        var keys: [(name: String, digest: [UInt8])] = []
        for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            let words = line.split(whereSeparator: \.isWhitespace)
            guard let first = words.first, !first.hasPrefix("#") else { continue }
            guard words.count == 2, words[1].hasPrefix("sha256:") else {
                throw .line(path: path, line: index + 1, reason: "it is not of the form 'name sha256:<hash>'")
            }
            let digits = words[1].dropFirst(7).lowercased()
            guard digits.utf8.count == 64, digits.allSatisfy({ $0.isASCII && $0.isHexDigit }) else {
                throw .line(path: path, line: index + 1, reason: "the hash is not of 64 hexadecimal digits")
            }
            guard first.utf8.count <= 64, !keys.contains(where: { $0.name == first }) else {
                throw .line(path: path, line: index + 1, reason: "the name is too long, or used twice")
            }
            keys.append((String(first), Array(digits.utf8)))
        }
        if keys.isEmpty { throw .empty(path: path) }
        return keys
    }
}

/// Why a keys file cannot be used; cases in alphabetical order.
public enum KeyRingError: Error, Sendable, Hashable, CustomStringConvertible {
    /// It has no keys.
    case empty(path: String)
    /// It belongs to somebody else.
    case foreign(path: String)
    /// A line is wrong.
    case line(path: String, line: Int, reason: String)
    /// Others may read or write it.
    case tooOpen(path: String, mode: String)
    /// It cannot be read.
    case unreadable(path: String, reason: String)

    /// One sentence: what, where, what to do.
    public var description: String {
        switch self {
        case .empty(let path): "the keys file \(path) has no keys: add a line 'name sha256:<hash>'"
        case .foreign(let path): "the keys file \(path) belongs to another user: change its owner"
        case .line(let path, let line, let reason): "the keys file \(path), line \(line): \(reason)"
        case .tooOpen(let path, let mode):
            "the keys file \(path) can be used by others (mode 0\(mode)): run 'chmod 600 \(path)'"
        case .unreadable(let path, let reason): "the keys file \(path) cannot be used: \(reason)"
        }
    }
}
