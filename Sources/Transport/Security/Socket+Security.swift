import CZeroMQ

extension Socket {
    /// The domain that a context's ``Admission`` is asked about; any name, but there must be one.
    private static let domain = "tessera"
    /// `ZMQ_ZAP_ENFORCE_DOMAIN`, which libzmq knows since 4.3.0 and its header names among drafts only: without somebody to
    /// ask nobody is admitted.
    private static let enforceDomain: Int32 = 93

    /// Makes a socket that will listen admit only those who have the key; its context must have been made with it.
    func admitOnly(_ key: ClusterKey) throws(TransportError) {
        try set(ZMQ_CURVE_SERVER, 1)
        try set(ZMQ_CURVE_SECRETKEY, key.secretKey, "the secret key")
        try set(ZMQ_ZAP_DOMAIN, Array(Self.domain.utf8), "the domain of admission")
        try set(Self.enforceDomain, 1)
    }

    /// Makes a socket that will connect show the key, and talk only to who has it.
    func show(_ key: ClusterKey) throws(TransportError) {
        try set(ZMQ_CURVE_SERVERKEY, key.publicKey, "the server's key")
        try set(ZMQ_CURVE_PUBLICKEY, key.publicKey, "the public key")
        try set(ZMQ_CURVE_SECRETKEY, key.secretKey, "the secret key")
    }

    private func set(_ option: Int32, _ bytes: [UInt8], _ name: String) throws(TransportError) {
        guard zmq_setsockopt(pointer, option, bytes, bytes.count) == 0 else {
            throw .lastFailure("setting \(name)", at: "a socket")
        }
    }
}
