public import Program
import Synchronization

/// The fabric between ranks that are threads of one process: the same frames and rules as over the network.
///
/// For tests, simulations and clusters of one process. A fabric may be handed to its rank's thread; one thread at a time
/// uses it.
public final class LocalFabric: AbortableFabric, Sendable {
    /// This device's id.
    public let rank: Int
    /// Number of devices.
    public let size: Int
    /// Makes waits throw when it is set.
    public let abortFlag = AbortFlag()

    private struct State {
        var sentByteCount = 0
        var sendDeadline = FabricLimits.sendDeadline
        var judges: [FrameJudge]
    }

    private let state: Mutex<State>
    /// To and from each peer; nil for this rank itself.
    private let outgoing: [LocalChannel?]
    private let incoming: [LocalChannel?]

    /// Makes the fabrics of all ranks.
    ///
    /// `queuedByteCountMax` bounds what waits on a link for its receiver.
    public static func make(
        size: Int, queuedByteCountMax: Int? = nil, faults: FaultInjector? = nil
    ) -> [LocalFabric] {
        let limit = queuedByteCountMax ?? FabricLimits.queuedByteCountMax
        let channels = (0..<size).map { sender in
            (0..<size).map { receiver in
                sender == receiver
                    ? nil : LocalChannel(sender: sender, receiver: receiver, byteCountMax: limit, faults: faults)
            }
        }
        return (0..<size).map { rank in
            LocalFabric(rank: rank, outgoing: channels[rank], incoming: channels.map { $0[rank] })
        }
    }

    private init(rank: Int, outgoing: [LocalChannel?], incoming: [LocalChannel?]) {
        self.rank = rank
        size = outgoing.count
        self.outgoing = outgoing
        self.incoming = incoming
        state = Mutex(State(judges: outgoing.indices.map { FrameJudge(peer: $0) }))
    }

    deinit { close() }

    /// Payload bytes sent so far.
    public var sentByteCount: Int { state.withLock { $0.sentByteCount } }

    /// Longest wait for room in a queue while sending.
    public var sendDeadline: Duration {
        get { state.withLock { $0.sendDeadline } }
        set { state.withLock { $0.sendDeadline = newValue } }
    }

    /// Ends all links; peers see this rank as gone once they have taken what it sent.
    public func close() {
        for channel in outgoing + incoming { channel?.close() }
    }

    /// Sends a message; the bytes may be reused when it returns.
    ///
    /// Throws ``TransportError``.
    public func send(to peer: Int, tag: FrameTag, bytes: UnsafeRawBufferPointer) throws(TransportError) {
        let channel = try channel(outgoing, peer)
        guard bytes.count <= FrameHeader.messageByteCountMax else {
            throw .messageTooLarge(byteCount: bytes.count, limit: FrameHeader.messageByteCountMax)
        }
        let duration = sendDeadline
        let deadline = Deadline(after: duration)
        for chunk in 0..<FrameHeader.chunkCount(of: bytes.count) {
            let piece = UnsafeRawBufferPointer(rebasing: bytes[FrameHeader.range(ofChunk: chunk, in: bytes.count)])
            let header = FrameHeader(tag: tag, chunk: UInt32(chunk), messageByteCount: UInt32(bytes.count))
            while true {
                try abortFlag.check()
                guard let slice = deadline.sliceMilliseconds else {
                    throw .deadline(operation: "sending to", peer: peer, tag: tag, after: duration)
                }
                switch channel.send(header, payload: piece, milliseconds: slice) {
                case .done: break
                case .full: continue
                case .gone: throw .peerLost(peer: peer, reason: "it closed its links")
                case .senderDied:
                    close()
                    throw .aborted(reason: "a simulated death of rank \(rank)")
                }
                break
            }
        }
        state.withLock { $0.sentByteCount += bytes.count }
    }

    /// Waits for the next message from a peer.
    ///
    /// Throws ``TransportError``.
    public func receive(
        from peer: Int, tag: FrameTag, into bytes: UnsafeMutableRawBufferPointer, deadline duration: Duration
    ) throws(TransportError) {
        let channel = try channel(incoming, peer)
        let deadline = Deadline(after: duration)
        var chunk = 0
        while chunk < FrameHeader.chunkCount(of: bytes.count) {
            try abortFlag.check()
            switch channel.receive(milliseconds: deadline.sliceMilliseconds ?? 0) {
            case .frame(let frame):
                let expectation = FrameJudge.Expectation(tag: tag, chunk: chunk, byteCount: bytes.count)
                guard try judge(frame, from: peer, expectation) == .take else { continue }
                let target = UnsafeMutableRawBufferPointer(
                    rebasing: bytes[FrameHeader.range(ofChunk: chunk, in: bytes.count)])
                target.copyBytes(from: frame.payload)
                chunk += 1
            case .gone:
                throw .peerLost(peer: peer, reason: "it closed its links while \(tag) was awaited")
            case .nothing:
                guard deadline.sliceMilliseconds != nil else {
                    throw .deadline(operation: "receiving from", peer: peer, tag: tag, after: duration)
                }
            }
        }
    }

    private func judge(
        _ frame: LocalChannel.Frame, from peer: Int, _ expectation: FrameJudge.Expectation
    ) throws(TransportError) -> FrameJudge.Verdict {
        let result = state.withLock { state in
            frame.header.withUnsafeBytes { header in
                Result { () throws(TransportError) in
                    try state.judges[peer].judge(
                        header: header, payloadByteCount: frame.payload.count, expecting: expectation)
                }
            }
        }
        return try result.get()
    }

    private func channel(_ channels: [LocalChannel?], _ peer: Int) throws(TransportError) -> LocalChannel {
        guard channels.indices.contains(peer), let channel = channels[peer] else { throw .notConnected(peer: peer) }
        return channel
    }
}
