import Glibc
import Logging

/// Writes down who was not let in: at most one line in ten seconds, so that nobody fills a log by knocking.
struct RefusalLog {
    /// Pause between two lines.
    static let pause = Duration.seconds(10)

    private let logger: Logger
    private let clock = ContinuousClock()
    private var lastLine: ContinuousClock.Instant?
    private var untoldCount = 0

    init(_ logger: Logger) { self.logger = logger }

    /// Takes a refusal in, and writes it down unless a line was written just before.
    mutating func note(address: String, reason: String) { note(address: address, reason: reason, at: clock.now) }

    mutating func note(address: String, reason: String, at now: ContinuousClock.Instant) {
        if let lastLine, lastLine.duration(to: now) < Self.pause {
            untoldCount += 1
            return
        }
        logger.warning(
            "a connection was refused: make sure that it has this cluster's key, if it should have",
            metadata: ["address": "\(address)", "reason": "\(reason)", "untold": "\(untoldCount)"])
        lastLine = now
        untoldCount = 0
    }
}

/// The numeric address and port at the other end of a TCP connection; nil where it has gone.
func peerAddress(of connection: Int32) -> String? {
    var address = sockaddr_storage()
    var count = socklen_t(MemoryLayout<sockaddr_storage>.size)
    var host = [CChar](repeating: 0, count: Int(NI_MAXHOST))
    var port = [CChar](repeating: 0, count: Int(NI_MAXSERV))
    let code = withUnsafeMutablePointer(to: &address) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
            guard getpeername(connection, address, &count) == 0 else { return Int32(-1) }
            return getnameinfo(
                address, count, &host, socklen_t(host.count), &port, socklen_t(port.count),
                NI_NUMERICHOST | NI_NUMERICSERV)
        }
    }
    guard code == 0 else { return nil }
    func text(_ characters: [CChar]) -> String {
        String(decoding: characters.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    }
    return "\(text(host)):\(text(port))"
}
