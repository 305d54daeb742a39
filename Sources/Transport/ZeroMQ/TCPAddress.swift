/// Host and port of an endpoint, checked before libzmq sees it (which would retry nonsense forever).
package struct TCPAddress: Sendable, Hashable {
    /// Host name, IPv4 address, interface name, or `*`.
    package var host: String
    /// Port; 0 lets the system choose.
    package var port: UInt16

    /// Reads `tcp://host:port`.
    ///
    /// Where `defaultPort` is given, scheme and port may be missing.
    package init(parsing text: String, defaultPort: UInt16? = nil) throws(TransportError) {
        func invalid(_ reason: String) -> TransportError { .invalidEndpoint(endpoint: text, reason: reason) }
        guard text.utf8.count <= 255 else { throw invalid("it is longer than 255 bytes") }
        var rest = text[...]
        if rest.hasPrefix("tcp://") {
            rest = rest.dropFirst(6)
        } else if defaultPort == nil || rest.contains("/") {
            throw invalid("it does not begin with tcp://")
        }
        let parts = rest.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count <= 2 else { throw invalid("it has more than one colon (IPv6 is not supported)") }
        host = String(parts[0])
        guard !host.isEmpty, host.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != 0x2F && $0 != 0x3B }) else {
            throw invalid("the host is missing or has characters that no host name has")
        }
        if parts.count == 2 {
            guard let port = UInt16(parts[1]) else { throw invalid("the port is no number from 0 to 65535") }
            self.port = port
        } else if let defaultPort {
            port = defaultPort
        } else {
            throw invalid("the port is missing")
        }
    }

    /// True for an address that means all interfaces, which nobody can connect to.
    package var isWildcard: Bool { host == "*" || host == "0.0.0.0" }

    /// True for an address that only this host can reach.
    package var isLoopback: Bool { Self.isLoopback(host) }

    private static func isLoopback(_ host: String) -> Bool {
        host == "localhost" || host.hasPrefix("127.") && host.allSatisfy { $0.isASCII && ($0.isNumber || $0 == ".") }
    }

    /// True where another address of this host has the given host part, as far as names can tell.
    func isSameHost(as other: String) -> Bool { host == other || isLoopback && Self.isLoopback(other) }

    /// `tcp://host:port`.
    package var endpoint: String { "tcp://\(host):\(port)" }
}
