import CLinux
public import Foundation
import Glibc

/// An answer of a server.
public struct HTTPAnswer: Sendable {
    /// The status.
    public let status: Int
    /// Header values by their names in lower case.
    public let headers: [String: String]
    /// The body, without the framing of chunks.
    public let body: Data

    /// The body as text.
    public var text: String { String(decoding: body, as: UTF8.self) }
    /// The body as a JSON object; empty where it is none.
    public var json: [String: Any] {
        ((try? JSONSerialization.jsonObject(with: body)) as? [String: Any]) ?? [:]
    }
    /// OpenAI's error object in the body.
    public var error: [String: Any] { json["error"] as? [String: Any] ?? [:] }
}

/// Why there was no answer.
public struct HTTPProbeError: Error, CustomStringConvertible {
    /// One sentence.
    public let description: String
    /// True where the server ended the connection.
    public let isHangUp: Bool

    /// Makes an error.
    public init(_ description: String, isHangUp: Bool = false) {
        self.description = description
        self.isHangUp = isHangUp
    }
}

/// A client that does exactly what it is told, on one connection to this machine.
///
/// Sendable because a test uses a connection from one place at a time.
public final class HTTPProbe: @unchecked Sendable {
    /// Longer than any answer takes; it only keeps a hang from lasting for ever.
    private static let patienceSeconds = 300

    private let descriptor: Int32
    private var pending: [UInt8] = []

    /// Connects.
    public init(port: Int) throws {
        let made = clinux_connect_loopback(Int32(port), Int32(Self.patienceSeconds))
        guard made >= 0 else {
            throw HTTPProbeError("port \(port): \(String(cString: strerror(-made)))")
        }
        descriptor = made
    }

    /// Hangs up.
    deinit { close(descriptor) }

    /// Hangs up at once, whatever is in progress.
    public func hangUp() { shutdown(descriptor, Int32(SHUT_RDWR)) }

    /// Sends bytes as they are.
    public func send(_ bytes: [UInt8]) throws {
        var sent = 0
        while sent < bytes.count {
            let count = bytes[sent...].withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { throw HTTPProbeError("the server hung up while it was sent to", isHangUp: true) }
            sent += count
        }
    }

    /// Sends a request.
    public func send(
        _ method: String, _ path: String, headers: [String: String] = [:], body: [UInt8] = []
    ) throws {
        var lines = ["\(method) \(path) HTTP/1.1", "host: 127.0.0.1"]
        for (name, value) in headers.sorted(by: { $0.key < $1.key }) { lines.append("\(name): \(value)") }
        if headers["content-length"] == nil, headers["transfer-encoding"] == nil, !body.isEmpty || method == "POST" {
            lines.append("content-length: \(body.count)")
        }
        try send(Array((lines.joined(separator: "\r\n") + "\r\n\r\n").utf8) + body)
    }

    /// Reads status and headers.
    public func head() throws -> (status: Int, headers: [String: String]) {
        var lines: [String] = []
        while true {
            let line = try line()
            if line.isEmpty { break }
            lines.append(line)
        }
        guard let first = lines.first?.split(separator: " "), first.count >= 2, let status = Int(first[1]) else {
            throw HTTPProbeError("no status line: \(lines)")
        }
        var headers: [String: String] = [:]
        for line in lines.dropFirst() {
            let parts = line.split(separator: ":", maxSplits: 1)
            headers[parts[0].lowercased()] = parts.dropFirst().first?.trimmingCharacters(in: .whitespaces) ?? ""
        }
        return (status, headers)
    }

    /// Reads the next chunk of a body that comes in chunks; nil after the last.
    public func chunk() throws -> Data? {
        guard let count = Int(try line(), radix: 16) else { throw HTTPProbeError("no chunk size") }
        let data = try take(count)
        guard try line().isEmpty else { throw HTTPProbeError("a chunk has no end") }
        return count == 0 ? nil : data
    }

    /// Reads an answer to its end.
    public func answer() throws -> HTTPAnswer {
        let (status, headers) = try head()
        var body = Data()
        if headers["transfer-encoding"]?.lowercased() == "chunked" {
            while let chunk = try chunk() { body += chunk }
        } else if let count = headers["content-length"].flatMap({ Int($0) }) {
            body = try take(count)
        }
        return HTTPAnswer(status: status, headers: headers, body: body)
    }

    /// True when the server has hung up and nothing is left to read.
    public func isOver() throws -> Bool { try pending.isEmpty && !fill() }

    private func line() throws -> String {
        while true {
            if let end = pending.firstIndex(of: 0x0A) {
                var line = pending[..<end]
                if line.last == 0x0D { line = line.dropLast() }
                pending = Array(pending[(end + 1)...])
                return String(decoding: line, as: UTF8.self)
            }
            guard try fill() else { throw HTTPProbeError("the server hung up within a line", isHangUp: true) }
        }
    }

    private func take(_ count: Int) throws -> Data {
        while pending.count < count {
            guard try fill() else { throw HTTPProbeError("the server hung up within a body", isHangUp: true) }
        }
        defer { pending = Array(pending.dropFirst(count)) }
        return Data(pending.prefix(count))
    }

    /// Reads what is there; false at the end.
    private func fill() throws -> Bool {
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        var count = recv(descriptor, &buffer, buffer.count, 0)
        // With a time limit a wait ends by any signal, and when the process was stopped and goes on.
        while count < 0 && errno == EINTR { count = recv(descriptor, &buffer, buffer.count, 0) }
        if count < 0 {
            let code = errno
            throw HTTPProbeError(
                "nothing came: \(String(cString: strerror(code)))", isHangUp: code == ECONNRESET)
        }
        pending += buffer[..<count]
        return count > 0
    }
}

extension HTTPProbe {
    /// Sends one request on a connection of its own and reads the answer, without blocking the caller's thread.
    public static func exchange(
        port: Int, _ method: String, _ path: String, headers: [String: String] = [:], body: [UInt8] = []
    ) async throws -> HTTPAnswer {
        try await blocking {
            let probe = try HTTPProbe(port: port)
            try probe.send(method, path, headers: headers, body: body)
            return try probe.answer()
        }
    }

    /// Runs what blocks on a thread where that harms nobody.
    public static func blocking<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
        try await withCheckedThrowingContinuation { continuation in
            Thread { continuation.resume(with: Result(catching: body)) }.start()
        }
    }
}
