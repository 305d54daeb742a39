import Glibc

/// Addresses of this machine.
public enum LocalAddress {
    /// The address that this machine has on the way to another, in dotted notation: what the other one reaches it by, as
    /// long as nothing in between translates addresses.
    ///
    /// The kernel's routes say it; nothing is sent. A name is looked up, which may take as long as the resolver takes.
    ///
    /// - Parameter endpoint: `tcp://host:port`, or a host.
    /// - Throws: `TransportError` where the name is not known or no route leads there.
    public static func facing(_ endpoint: String) throws(TransportError) -> String {
        let host = try TCPAddress(parsing: endpoint, defaultPort: 9).host
        var hints = addrinfo()
        hints.ai_family = AF_INET
        hints.ai_socktype = Int32(SOCK_DGRAM.rawValue)
        var list: UnsafeMutablePointer<addrinfo>?
        let code = getaddrinfo(host, "9", &hints, &list)
        guard code == 0, let first = list else {
            throw .invalidEndpoint(endpoint: endpoint, reason: "\(host): \(String(cString: gai_strerror(code)))")
        }
        defer { freeaddrinfo(list) }
        let descriptor = socket(AF_INET, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw .failure("making a socket", at: endpoint, code: errno) }
        defer { close(descriptor) }
        guard connect(descriptor, first.pointee.ai_addr, first.pointee.ai_addrlen) == 0 else {
            throw .failure("looking for a way to \(host)", at: endpoint, code: errno)
        }
        var address = sockaddr_in()
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let result = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &size) }
        }
        guard result == 0 else { throw .failure("asking for an address", at: endpoint, code: errno) }
        var text = [CChar](repeating: 0, count: Int(INET_ADDRSTRLEN))
        guard inet_ntop(AF_INET, &address.sin_addr, &text, socklen_t(text.count)) != nil else {
            throw .failure("writing an address", at: endpoint, code: errno)
        }
        return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// Host and port of `tcp://host:port` with another host.
    public static func replacingHost(of endpoint: String, with host: String) throws(TransportError) -> String {
        var address = try TCPAddress(parsing: endpoint)
        address.host = host
        return address.endpoint
    }

    /// True for `tcp://0.0.0.0:port`, which means all interfaces and which nobody can connect to.
    public static func isWildcard(_ endpoint: String) -> Bool {
        (try? TCPAddress(parsing: endpoint, defaultPort: 9).isWildcard) ?? false
    }

    /// Name of this machine.
    public static var hostName: String {
        var bytes = [CChar](repeating: 0, count: 256)
        guard gethostname(&bytes, bytes.count - 1) == 0 else { return "localhost" }
        return String(decoding: bytes.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
