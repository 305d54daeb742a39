/// Which message of which call a frame is; both ends compute the same tag from the plan.
public struct FrameTag: Sendable, Hashable {
    /// Incarnation of the cluster's membership; older frames are dropped.
    public var epoch: UInt32
    /// Request.
    public var request: UInt64
    /// Count of program calls in the request.
    public var step: UInt32
    /// Index of the exchange in the local program.
    public var instruction: UInt32

    /// Makes a tag.
    public init(epoch: UInt32, request: UInt64, step: UInt32, instruction: UInt32) {
        self.epoch = epoch
        self.request = request
        self.step = step
        self.instruction = instruction
    }
}

/// Point-to-point messages between the ranks of one cluster: what exchanges run over.
///
/// One thread uses a fabric. Messages between a pair arrive in the order in which they were sent.
public protocol Fabric: AnyObject {
    /// This device's id.
    var rank: Int { get }
    /// Number of devices.
    var size: Int { get }
    /// Payload bytes given to ``send(to:tag:bytes:)`` so far.
    var sentByteCount: Int { get }

    /// Sends a message; the bytes may be reused when it returns. Waits at most for room in the queue.
    func send(to peer: Int, tag: FrameTag, bytes: UnsafeRawBufferPointer) throws

    /// Waits for the next message from a peer, which must carry this tag and exactly fill the buffer.
    ///
    /// Throws when the deadline passes, the peer is lost, the tag or length differ, or the call is aborted.
    func receive(from peer: Int, tag: FrameTag, into bytes: UnsafeMutableRawBufferPointer, deadline: Duration) throws

    /// Waits as ``receive(from:tag:into:deadline:)`` does for a message that fills `room`, and says where it is: in memory of
    /// the fabric, which stays as it is until ``giveBack(from:)``; nil: in the room.
    ///
    /// The address is aligned for every element type. One message of a peer is taken at a time; what comes after it waits.
    func take(
        from peer: Int, tag: FrameTag, room: UnsafeMutableRawBufferPointer, deadline: Duration
    ) throws -> UnsafeRawPointer?

    /// Ends the use of what was taken from a peer.
    func giveBack(from peer: Int)

    /// Where the next message to a peer may be written, so that sending it from there copies nothing; nil: nowhere, now.
    func room(to peer: Int, byteCount: Int) -> UnsafeMutableRawPointer?
}

extension Fabric {
    /// Receives into the room.
    public func take(
        from peer: Int, tag: FrameTag, room: UnsafeMutableRawBufferPointer, deadline: Duration
    ) throws -> UnsafeRawPointer? {
        try unsafe receive(from: peer, tag: tag, into: room, deadline: deadline)
        return nil
    }

    /// Nothing was held.
    public func giveBack(from peer: Int) {}

    /// A fabric without memory of its own.
    public func room(to peer: Int, byteCount: Int) -> UnsafeMutableRawPointer? { nil }
}
