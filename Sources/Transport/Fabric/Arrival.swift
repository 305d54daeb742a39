/// A frame that has arrived, and where its bytes are.
struct Arrival {
    let header: UnsafeRawBufferPointer
    let payload: UnsafeRawBufferPointer
    /// False where a frame had not exactly two parts.
    let isWhole: Bool
    /// True where the payload lies in shared memory and is given back after use.
    let isInRing: Bool
    /// Of a frame from a socket: where it lies.
    let frame: SocketFrame?
    /// Keeps copied bytes alive.
    private let copy: Copy?

    /// A frame in memory that somebody else keeps.
    init(header: UnsafeRawBufferPointer, payload: UnsafeRawBufferPointer, isWhole: Bool, isInRing: Bool) {
        (self.header, self.payload, self.isWhole, self.isInRing) = (header, payload, isWhole, isInRing)
        (frame, copy) = (nil, nil)
    }

    /// A frame from a socket.
    init(_ frame: SocketFrame) {
        header = frame.header.bytes
        payload = frame.payload.bytes
        isWhole = frame.isWhole
        isInRing = false
        self.frame = frame
        copy = nil
    }

    /// A frame that is copied, because its place is wanted for the next.
    init(copying header: UnsafeRawBufferPointer, _ payload: UnsafeRawBufferPointer) {
        let copy = Copy(header, payload)
        self.header = UnsafeRawBufferPointer(rebasing: copy.bytes[..<header.count])
        self.payload = UnsafeRawBufferPointer(rebasing: copy.bytes[header.count...])
        isWhole = true
        isInRing = false
        frame = nil
        self.copy = copy
    }

    private final class Copy {
        let bytes: UnsafeMutableRawBufferPointer

        init(_ header: UnsafeRawBufferPointer, _ payload: UnsafeRawBufferPointer) {
            bytes = .allocate(byteCount: header.count + payload.count, alignment: 64)
            bytes.copyMemory(from: header)
            UnsafeMutableRawBufferPointer(rebasing: bytes[header.count...]).copyMemory(from: payload)
        }

        deinit { bytes.deallocate() }
    }
}

/// Room for a frame from a socket: a header and a payload.
final class SocketFrame {
    let header = Message()
    let payload = Message()
    /// False where a frame had not exactly two parts.
    private(set) var isWhole = false
    /// False where the header was all.
    private(set) var hasPayload = false

    /// Gives the last frame's memory back.
    func clear() {
        header.clear()
        payload.clear()
    }

    /// Takes the next frame, if there is one; `waits`: or if one comes before the socket's `ZMQ_RCVTIMEO` has passed.
    func receive(from socket: borrowing Socket, waits: Bool = false) throws(TransportError) -> Bool {
        guard try socket.receive(header, waits: waits) else { return false }
        (isWhole, hasPayload) = (false, header.hasMore)
        guard hasPayload, try socket.receive(payload) else { return true }
        isWhole = !payload.hasMore
        try socket.discardRest(of: payload)
        return true
    }
}
