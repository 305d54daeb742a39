import CZeroMQ
import Glibc

extension TransportError {
    /// The error of the libzmq call that just failed on this thread.
    static func lastFailure(_ operation: String, at endpoint: String) -> TransportError {
        failure(operation, at: endpoint, code: zmq_errno())
    }

    /// An error with a remedy that fits the error number.
    static func failure(_ operation: String, at endpoint: String, code: Int32) -> TransportError {
        let reason = zmq_strerror(code).map { String(cString: $0) } ?? "error \(code)"
        switch code {
        case EADDRINUSE:
            return .addressInUse(address: endpoint.withoutScheme)
        case EINVAL, EPROTONOSUPPORT, ENOCOMPATPROTO:
            return .invalidEndpoint(endpoint: endpoint, reason: reason.lowercased())
        case EADDRNOTAVAIL, ENODEV:
            return .system(
                operation: operation, endpoint: endpoint, reason: reason,
                remedy: "use an address or an interface that this host has")
        case EACCES, EPERM:
            return .system(
                operation: operation, endpoint: endpoint, reason: reason,
                remedy: "choose a port above 1023 or grant the permission")
        case EMFILE, ENFILE, ENOBUFS, ENOMEM:
            return .system(
                operation: operation, endpoint: endpoint, reason: reason,
                remedy: "raise the limit on open files (ulimit -n) or free memory")
        default:
            return .system(
                operation: operation, endpoint: endpoint, reason: reason, remedy: "check the address and the network")
        }
    }
}

extension String {
    /// What follows "tcp://".
    var withoutScheme: String { hasPrefix("tcp://") ? String(dropFirst(6)) : self }
}
