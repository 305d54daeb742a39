import CLinux
import Foundation
import Glibc

/// A client of a benchmark: one thread, one connection to this machine, one request after the other.
///
/// It counts the processor time of its own threads, so that what is left is the server's.
final class LoadClient {
    /// Why a request was not answered as it should be.
    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    /// Longer than any answer takes; it only keeps a hang from lasting for ever.
    private static let patienceSeconds = 120

    private let port: Int
    private var descriptor: Int32 = -1
    private var buffer = [UInt8](repeating: 0, count: 1 << 16)

    init(port: Int) { self.port = port }

    deinit { hangUp() }

    /// Posts a JSON object and reads the answer to its end; connects again where the server ends connections.
    ///
    /// Throws ``Failure`` where the status is another.
    func post(_ path: String, _ json: String, status: Int) throws(Failure) {
        if descriptor < 0 { try connectToServer() }
        let request =
            Array(
                "POST \(path) HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: "
                    .utf8) + Array("\(json.utf8.count)\r\n\r\n\(json)".utf8)
        guard send(descriptor, request, request.count, Int32(MSG_NOSIGNAL)) == request.count else {
            throw Failure(description: "\(path): the server does not take the request")
        }
        var bytes: [UInt8] = []
        var head: (status: Int, end: Int, length: Int?)?
        while true {
            if head == nil, let end = bytes.firstRange(of: Array("\r\n\r\n".utf8))?.upperBound {
                let text = String(decoding: bytes[..<end], as: UTF8.self).lowercased()
                let length = text.split(separator: "\r\n").first { $0.hasPrefix("content-length:") }
                    .flatMap { Int($0.dropFirst(15).trimmingCharacters(in: .whitespaces)) }
                head = (Int(text.dropFirst(9).prefix(3)) ?? 0, end, length)
            }
            if let head, let length = head.length, bytes.count >= head.end + length { break }
            let count = recv(descriptor, &buffer, buffer.count, 0)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else {
                // Streams and watched answers end with their connection.
                hangUp()
                break
            }
            bytes += buffer[..<count]
        }
        guard let head, head.status == status else {
            let shown = String(decoding: bytes.prefix(400), as: UTF8.self)
            throw Failure(description: "\(path) was not answered with \(status) but with: \(shown)")
        }
        if String(decoding: bytes[..<head.end], as: UTF8.self).lowercased().contains("connection: close") { hangUp() }
    }

    private func hangUp() {
        if descriptor >= 0 { close(descriptor) }
        descriptor = -1
    }

    private func connectToServer() throws(Failure) {
        let made = clinux_connect_loopback(Int32(port), Int32(Self.patienceSeconds))
        guard made >= 0 else {
            throw Failure(description: "port \(port): \(String(cString: strerror(-made)))")
        }
        descriptor = made
    }
}

extension LoadClient {
    /// What many clients together took.
    struct Spent: Sendable {
        /// From the first request to the last answer.
        var seconds = 0.0
        /// Processor time of the clients' own threads.
        var processorSeconds = 0.0
    }

    /// Runs `count` requests on `clients` connections at once; `body` makes the request of a number.
    ///
    /// Throws what `body` throws.
    static func run(
        _ count: Int, clients: Int, port: Int, _ body: @escaping @Sendable (LoadClient, _ number: Int) throws -> Void
    ) async throws -> Spent {
        let start = ContinuousClock.now
        let processor = try await withThrowingTaskGroup(of: Double.self) { group in
            for first in 0..<clients {
                group.addTask {
                    try await onThread {
                        let client = LoadClient(port: port)
                        for number in stride(from: first, to: count, by: clients) { try body(client, number) }
                    }
                }
            }
            var sum = 0.0
            while let seconds = try await group.next() { sum += seconds }
            return sum
        }
        return Spent(seconds: (ContinuousClock.now - start) / .seconds(1), processorSeconds: processor)
    }

    /// Runs what blocks on a thread of its own; returns that thread's processor time.
    private static func onThread(_ body: @escaping @Sendable () throws -> Void) async throws -> Double {
        try await withCheckedThrowingContinuation { continuation in
            Thread {
                continuation.resume(
                    with: Result {
                        try body()
                        var time = timespec()
                        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
                        return Double(time.tv_sec) + 1e-9 * Double(time.tv_nsec)
                    })
            }.start()
        }
    }
}
