import Glibc

/// What loopback TCP carries between two threads that send to each other at once, without any protocol on top.
enum LoopbackLimit {
    /// Longest wait for the other end.
    private static let waitMilliseconds: Int32 = 10_000

    /// The least seconds of a swap of `byteCount` bytes each way; nil where the system gives no sockets.
    static func swapSeconds(byteCount: Int, count: Int) -> Double? {
        guard let (first, second) = connection() else { return nil }
        defer {
            close(first)
            close(second)
        }
        let other = Peer(descriptor: second, byteCount: byteCount, count: count + 1)
        var thread = pthread_t()
        let code = pthread_create(
            &thread, nil,
            { argument in
                guard let argument else { return nil }
                _ = Unmanaged<Peer>.fromOpaque(argument).takeRetainedValue().run()
                return nil
            }, Unmanaged.passRetained(other).toOpaque())
        guard code == 0 else { return nil }
        let best = Peer(descriptor: first, byteCount: byteCount, count: count + 1).run()
        // Wakes the other end where this one has given up.
        shutdown(first, Int32(SHUT_RDWR))
        pthread_join(thread, nil)
        return best
    }

    /// One end of the connection.
    private final class Peer {
        private let descriptor: Int32
        private let byteCount: Int
        private let count: Int

        init(descriptor: Int32, byteCount: Int, count: Int) {
            self.descriptor = descriptor
            self.byteCount = max(1, byteCount)
            self.count = count
        }

        /// Swaps; the first time counts for nothing.
        func run() -> Double? {
            let memory = UnsafeMutableRawPointer.allocate(byteCount: 2 * byteCount, alignment: 64)
            defer { memory.deallocate() }
            memset(memory, 1, 2 * byteCount)
            var best: Double?
            for index in 0..<count {
                let begin = LoopbackLimit.now
                guard swap(memory, memory + byteCount) else { return nil }
                let seconds = LoopbackLimit.now - begin
                if index > 0 { best = min(best ?? seconds, seconds) }
            }
            return best
        }

        private func swap(_ outgoing: UnsafeMutableRawPointer, _ incoming: UnsafeMutableRawPointer) -> Bool {
            var (sent, received) = (0, 0)
            while sent < byteCount || received < byteCount {
                var isStuck = true
                if sent < byteCount {
                    let count = send(descriptor, outgoing + sent, byteCount - sent, Int32(MSG_NOSIGNAL))
                    if count > 0 { (sent, isStuck) = (sent + count, false) }
                    if count < 0 && errno != EAGAIN && errno != EINTR { return false }
                }
                if received < byteCount {
                    let count = recv(descriptor, incoming + received, byteCount - received, 0)
                    if count > 0 { (received, isStuck) = (received + count, false) }
                    if count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR) { return false }
                }
                guard isStuck else { continue }
                let events = (sent < byteCount ? POLLOUT : 0) | (received < byteCount ? POLLIN : 0)
                var item = pollfd(fd: descriptor, events: Int16(events), revents: 0)
                guard poll(&item, 1, LoopbackLimit.waitMilliseconds) > 0 else { return false }
            }
            return true
        }
    }

    private static var now: Double {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Double(time.tv_sec) + 1e-9 * Double(time.tv_nsec)
    }

    /// Both ends of a TCP connection over loopback, which do not block and send at once.
    private static func connection() -> (Int32, Int32)? {
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        guard listener >= 0 else { return nil }
        defer { close(listener) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let client = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        guard client >= 0 else { return nil }
        let isConnected = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                bind(listener, address, length) == 0 && listen(listener, 1) == 0
                    && getsockname(listener, address, &length) == 0 && connect(client, address, length) == 0
            }
        }
        let server = isConnected ? accept(listener, nil, nil) : -1
        guard server >= 0 else {
            close(client)
            return nil
        }
        for descriptor in [client, server] {
            var one: Int32 = 1
            setsockopt(
                descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &one, socklen_t(MemoryLayout<Int32>.size))
            _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK)
        }
        return (client, server)
    }
}
