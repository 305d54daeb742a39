import Foundation
import Glibc

/// Asks a running server one thing: a GET on a connection of its own, within a deadline, of a bounded answer.
struct HTTPFetch {
    /// An answer.
    struct Answer {
        var status: Int
        var body: [UInt8]
    }

    /// Why there is none.
    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    private static let byteLimit = 16 << 20

    let host: String
    let port: Int
    /// The API key to show.
    var key: String?
    var deadlineSeconds = 5.0

    /// Parses `http://host:port`.
    ///
    /// Throws ``Failure``.
    init(url: String, key: String?) throws(Failure) {
        guard let parts = URLComponents(string: url), let host = parts.host, !host.isEmpty,
            parts.path.isEmpty || parts.path == "/"
        else { throw Failure(description: "'\(url)' is no address like http://127.0.0.1:8000") }
        guard parts.scheme == "http" else {
            throw Failure(
                description: "'\(url)': this command speaks plain HTTP; give the address behind the proxy that does TLS"
            )
        }
        self.host = host.hasPrefix("[") ? String(host.dropFirst().dropLast()) : host
        port = parts.port ?? 80
        self.key = key
    }

    /// Asks for a path.
    ///
    /// Throws ``Failure`` where nothing answers in time, or not in HTTP.
    func get(_ path: String) throws(Failure) -> Answer {
        let end = ContinuousClock.now + .seconds(deadlineSeconds)
        let descriptor = try connected(until: end)
        defer { close(descriptor) }
        // IPv6 addresses stand in brackets (RFC 3986, 3.2.2).
        let name = host.contains(":") ? "[\(host)]" : host
        let authorization = key.map { "authorization: Bearer \($0)\r\n" } ?? ""
        let request = Array(
            "GET \(path) HTTP/1.1\r\nhost: \(name):\(port)\r\n\(authorization)connection: close\r\n\r\n".utf8)
        guard send(descriptor, request, request.count, Int32(MSG_NOSIGNAL)) == request.count else {
            throw failure("cannot be written to")
        }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            try wait(descriptor, Int16(POLLIN), until: end)
            let count = recv(descriptor, &buffer, buffer.count, 0)
            if count < 0, errno == EINTR || errno == EAGAIN { continue }
            guard count > 0 else { break }
            bytes += buffer[..<count]
            guard bytes.count <= Self.byteLimit else { throw failure("answers with too much") }
            if let answer = Self.parse(bytes), answer.isWhole { return answer.answer }
        }
        guard let answer = Self.parse(bytes) else { throw failure("does not speak HTTP") }
        return answer.answer
    }

    /// The answer so far, and whether it is as long as its head says; nil before the head is whole.
    private static func parse(_ bytes: [UInt8]) -> (answer: Answer, isWhole: Bool)? {
        guard let end = bytes.firstRange(of: Array("\r\n\r\n".utf8)) else { return nil }
        let lines = String(decoding: bytes[..<end.lowerBound], as: UTF8.self).split(separator: "\r\n")
        let words = lines.first?.split(separator: " ") ?? []
        guard words.count >= 2, words[0].hasPrefix("HTTP/1."), let status = Int(words[1]) else { return nil }
        let body = Array(bytes[end.upperBound...])
        let length = lines.dropFirst().first { $0.lowercased().hasPrefix("content-length:") }
            .flatMap { Int($0.dropFirst(15).trimmingCharacters(in: .whitespaces)) }
        return (Answer(status: status, body: body), length.map { body.count >= $0 } ?? false)
    }

    private func connected(until end: ContinuousClock.Instant) throws(Failure) -> Int32 {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var first: UnsafeMutablePointer<addrinfo>?
        guard getaddrinfo(host, "\(port)", &hints, &first) == 0 else { throw failure("has no address") }
        defer { freeaddrinfo(first) }
        var reason = "cannot be reached"
        var next = first
        while let entry = next?.pointee {
            next = entry.ai_next
            let type = entry.ai_socktype | Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
            let descriptor = socket(entry.ai_family, type, entry.ai_protocol)
            guard descriptor >= 0 else { continue }
            if connect(descriptor, entry.ai_addr, entry.ai_addrlen) == 0 { return descriptor }
            var code = errno
            if code == EINPROGRESS {
                do {
                    try wait(descriptor, Int16(POLLOUT), until: end)
                } catch {
                    close(descriptor)
                    throw error
                }
                var size = socklen_t(MemoryLayout<Int32>.size)
                getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &code, &size)
                if code == 0 { return descriptor }
            }
            reason = String(cString: strerror(code)).lowercased()
            close(descriptor)
        }
        throw failure(reason)
    }

    private func wait(_ descriptor: Int32, _ events: Int16, until end: ContinuousClock.Instant) throws(Failure) {
        while true {
            let left = Int32((end - ContinuousClock.now) / .milliseconds(1))
            var item = pollfd(fd: descriptor, events: events, revents: 0)
            let count = left > 0 ? poll(&item, 1, left) : 0
            if count > 0 { return }
            if count < 0, errno == EINTR { continue }
            throw failure("does not answer within \(Int(deadlineSeconds)) seconds")
        }
    }

    private func failure(_ what: String) -> Failure { Failure(description: "http://\(host):\(port) \(what)") }
}
