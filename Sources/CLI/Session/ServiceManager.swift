import Foundation
import Glibc
import Synchronization

/// Tells the service manager that started this process how it is, as sd_notify(3) does.
///
/// That is a datagram to the socket that NOTIFY_SOCKET names; without one, nothing is sent.
final class ServiceManager: Sendable {
    /// The process's manager.
    static let shared = ServiceManager(environment: ProcessInfo.processInfo.environment)

    private let path: String?
    /// How often the manager wants a sign of life; nil: it does not.
    let watchdogInterval: Duration?
    private let lastStatus = Mutex("")

    /// Reads NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID.
    init(environment: [String: String]) {
        // A path, or, after an @, a name in the abstract space (unix(7)).
        path = environment["NOTIFY_SOCKET"].flatMap { $0.hasPrefix("/") || $0.hasPrefix("@") ? $0 : nil }
        let isMine = environment["WATCHDOG_PID"].map { Int32($0) == getpid() } ?? true
        let interval = environment["WATCHDOG_USEC"].flatMap { Int64($0) }.flatMap { $0 > 0 ? $0 : nil }
        watchdogInterval = isMine ? interval.map { .microseconds($0) } : nil
    }

    /// What was to be done at the start is done.
    func ready() { send("READY=1", waits: true) }
    /// The end begins.
    func stopping() { send("STOPPING=1", waits: true) }
    /// The process works.
    func alive() { send("WATCHDOG=1") }

    /// Files are being read again; ``ready()`` says when that is over.
    func reloading() {
        var now = timespec()
        clock_gettime(CLOCK_MONOTONIC, &now)
        send("RELOADING=1\nMONOTONIC_USEC=\(now.tv_sec * 1_000_000 + now.tv_nsec / 1000)", waits: true)
    }

    /// One line for `systemctl status`.
    func status(_ text: String) {
        let line = text.replacing("\n", with: " ")
        let isNew = lastStatus.withLock { last in
            defer { last = line }
            return last != line
        }
        if isNew { send("STATUS=\(line)") }
    }

    /// A manager that is busy has a queue of ten datagrams: what it must hear waits for a place, at most some seconds.
    private func send(_ text: String, waits: Bool = false) {
        guard let path else { return }
        let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return }
        defer { close(descriptor) }
        var patience = timeval(tv_sec: 5, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
        let flags = Int32(MSG_NOSIGNAL) | (waits ? 0 : Int32(MSG_DONTWAIT))
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        var name = Array(path.utf8)
        if path.hasPrefix("@") { name[0] = 0 }
        guard name.count < MemoryLayout.size(ofValue: address.sun_path) else { return }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: name) }
        let length = socklen_t(MemoryLayout<sa_family_t>.size + name.count)
        let bytes = Array(text.utf8)
        // Nothing depends on it: a manager that is gone needs no news.
        _ = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                sendto(descriptor, bytes, bytes.count, flags, $0, length)
            }
        }
    }
}
