import CZeroMQ

/// Says who may connect to the sockets of a context (ZAP, RFC 27): whoever has shown the cluster's public key, which CURVE
/// has proved by then to belong to its secret half.
///
/// A thread of its own, which answers at once, lives as long as the context, and ends with it.
final class Admission: Sendable {
    /// Where libzmq asks.
    private static let endpoint = "inproc://zeromq.zap.01"
    /// How often the thread looks up where nobody asks.
    private static let idleMilliseconds: Int32 = 1000
    /// Frames and bytes of a frame that are looked at.
    private static let frameCountMax = 16
    private static let frameByteCountMax = 255

    private let thread: NamedThread

    /// Begins to answer; returns when sockets of the context may listen.
    init(context: UnsafeMutableRawPointer, key: ClusterKey) throws(TransportError) {
        // Safe because contexts may be used from any thread, and this one ends when all its sockets are closed: after the
        // thread, whose waits its termination ends.
        nonisolated(unsafe) let context = context
        let start = ConditionLock<TransportError??>(nil)
        thread = try NamedThread(name: "admission") {
            guard let socket = zmq_socket(context, ZMQ_REP) else {
                return start.update { $0 = .some(.lastFailure("making a socket", at: Self.endpoint)) }
            }
            defer { zmq_close(socket) }
            var (linger, idle): (Int32, Int32) = (0, Self.idleMilliseconds)
            zmq_setsockopt(socket, ZMQ_LINGER, &linger, 4)
            zmq_setsockopt(socket, ZMQ_RCVTIMEO, &idle, 4)
            zmq_setsockopt(socket, ZMQ_SNDTIMEO, &idle, 4)
            guard zmq_bind(socket, Self.endpoint) == 0 else {
                return start.update { $0 = .some(.lastFailure("listening", at: Self.endpoint)) }
            }
            start.update { $0 = .some(nil) }
            let message = Message()
            while Self.serve(socket, message, admitting: key.publicKey) {}
        }
        if let error = start.wait({ $0 }) {
            thread.join()
            throw error
        }
    }

    /// Waits for the end of the thread, which comes with the end of the context.
    func join() { thread.join() }

    /// Answers one question, or waits in vain; false where the context has ended.
    private static func serve(
        _ socket: UnsafeMutableRawPointer, _ message: borrowing Message, admitting key: [UInt8]
    ) -> Bool {
        var frames: [[UInt8]] = []
        repeat {
            guard zmq_msg_recv(message.pointer, socket, 0) >= 0 else {
                return zmq_errno() == EAGAIN || zmq_errno() == EINTR
            }
            if frames.count < frameCountMax { frames.append(Array(message.bytes.prefix(frameByteCountMax + 1))) }
        } while message.hasMore
        let answer = answer(to: frames, admitting: key)
        for (index, frame) in answer.enumerated() {
            let flags = index + 1 < answer.count ? ZMQ_SNDMORE : 0
            guard zmq_send(socket, frame, frame.count, flags) >= 0 else { return zmq_errno() != ETERM }
        }
        return true
    }

    /// The answer to a question: version, request, status, its text, user and metadata.
    ///
    /// The question: version, request, domain, address, identity, mechanism, and of CURVE the client's public key.
    static func answer(to frames: [[UInt8]], admitting key: [UInt8]) -> [[UInt8]] {
        let request = frames.count > 1 ? frames[1] : []
        let isAdmitted =
            frames.count == 7 && frames[0] == Array("1.0".utf8) && frames[5] == Array("CURVE".utf8)
            && frames[6].count == key.count && zip(frames[6], key).reduce(UInt8(0)) { $0 | ($1.0 ^ $1.1) } == 0
        let (status, text) = isAdmitted ? ("200", "") : ("400", "not the cluster's key")
        return [Array("1.0".utf8), request, Array(status.utf8), Array(text.utf8), [], []]
    }
}
