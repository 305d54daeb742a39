import Glibc
import Logging
import Synchronization

@testable import Transport

/// The lines of a logger, each a message with its metadata.
final class LogLines: Sendable {
    private let lines = Mutex<[String]>([])

    /// All so far.
    var all: [String] { lines.withLock { $0 } }

    /// A logger that writes here.
    var logger: Logger { Logger(label: "test") { _ in Handler(lines: self) } }

    private struct Handler: LogHandler {
        let lines: LogLines
        var metadata: Logger.Metadata = [:]
        var logLevel = Logger.Level.warning

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            let all = metadata.merging(event.metadata ?? [:]) { $1 }
            let words = all.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
            lines.lines.withLock { $0.append(([event.message.description] + words).joined(separator: " ")) }
        }
    }
}

/// A port that passes connections on to another, one after the other, and keeps what it hears.
final class Wiretap: Sendable {
    /// Where to connect.
    let endpoint: String
    private let listener: Int32
    private let heard = ConditionLock<(bytes: [UInt8], isOver: Bool)>(([], false))

    init(to endpoint: String) throws {
        let port = try TCPAddress(parsing: endpoint).port
        listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var own = Self.loopback(0)
        var count = socklen_t(MemoryLayout<sockaddr_in>.size)
        let listener = listener
        let isListening = withUnsafeMutablePointer(to: &own) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(listener, $0, count) == 0 && listen(listener, 1) == 0 && getsockname(listener, $0, &count) == 0
            }
        }
        precondition(isListening, "a port of loopback can be had")
        self.endpoint = "tcp://127.0.0.1:\(UInt16(bigEndian: own.sin_port))"
        let heard = heard
        _ = try NamedThread(name: "wiretap") {
            while true {
                let near = accept(listener, nil, nil)
                guard near >= 0 else { break }
                let far = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
                var address = Self.loopback(port)
                let isConnected = withUnsafePointer(to: &address) { pointer in
                    pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                        connect(far, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
                    }
                }
                if isConnected { Self.pass(near, far) { bytes in heard.update { $0.bytes += bytes } } }
                close(near)
                close(far)
            }
            heard.update { $0.isOver = true }
        }
    }

    deinit { close(listener) }

    /// Waits for the end of the connection, and takes no more; what was said in both directions.
    func end() -> [UInt8] {
        shutdown(listener, Int32(SHUT_RDWR))
        return heard.wait { $0.isOver ? $0.bytes : nil }
    }

    private static func pass(_ near: Int32, _ far: Int32, _ hear: ([UInt8]) -> Void) {
        var items = [near, far].map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while poll(&items, 2, 20_000) > 0 {
            for (index, target) in [far, near].enumerated() where items[index].revents != 0 {
                let count = read(items[index].fd, &buffer, buffer.count)
                guard count > 0 else { return }
                hear(Array(buffer[..<count]))
                var sent = 0
                while sent < count {
                    let more = buffer.withUnsafeBytes {
                        send(target, $0.baseAddress! + sent, count - sent, Int32(MSG_NOSIGNAL))
                    }
                    guard more > 0 else { return }
                    sent += more
                }
            }
        }
    }

    private static func loopback(_ port: UInt16) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        return address
    }
}
