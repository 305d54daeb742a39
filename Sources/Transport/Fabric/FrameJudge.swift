import Program

/// Decides about a link's incoming data frames, the same way for every fabric.
struct FrameJudge {
    /// What to do with a frame.
    enum Verdict {
        /// Forget it: it is from an older epoch, or here already.
        case drop
        /// Its payload is the wanted piece of the message.
        case take
    }

    /// What the receiver waits for.
    struct Expectation {
        let tag: FrameTag
        let chunk: Int
        let byteCount: Int
    }

    private let peer: Int
    private var sequence: UInt32
    /// Set by the first bad frame: a link that broke its word is not used again.
    private(set) var failure: TransportError?

    /// Judges what comes from `peer`; `sequence` frames came before.
    init(peer: Int, sequence: UInt32 = 0) {
        self.peer = peer
        self.sequence = sequence
    }

    /// Looks at a frame.
    ///
    /// Throws where it is none, one is missing before it, or it is not the one expected.
    mutating func judge(
        header bytes: UnsafeRawBufferPointer, payloadByteCount: Int, expecting wanted: Expectation
    ) throws(TransportError) -> Verdict {
        if let failure { throw failure }
        let header: FrameHeader
        do {
            header = try FrameHeader(decoding: bytes)
        } catch {
            throw fail(wanted, "\(error)")
        }
        guard header.kind == .data, header.payloadByteCount == payloadByteCount else {
            throw fail(wanted, "a frame of kind \(header.kind) with \(payloadByteCount) bytes")
        }
        let ahead = Int32(bitPattern: header.sequence &- sequence)
        if ahead < 0 { return .drop }
        guard ahead == 0 else { throw fail(wanted, "frame \(header.sequence) after frame \(sequence) was lost") }
        sequence &+= 1
        if header.tag.epoch < wanted.tag.epoch { return .drop }
        guard
            header.tag == wanted.tag, Int(header.messageByteCount) == wanted.byteCount,
            Int(header.chunk) == wanted.chunk
        else {
            throw fail(wanted, Self.describe(header.tag, Int(header.chunk), Int(header.messageByteCount)))
        }
        return .take
    }

    /// Ends the link because of something else that came over it.
    mutating func fail(_ wanted: Expectation, _ found: String) -> TransportError {
        let error = TransportError.unexpectedFrame(
            peer: peer, expected: Self.describe(wanted.tag, wanted.chunk, wanted.byteCount), found: found)
        failure = error
        return error
    }

    /// Ends the link because of something that is no frame.
    mutating func fail(_ found: String) -> TransportError {
        let error = failure ?? .unexpectedFrame(peer: peer, expected: "a frame", found: found)
        failure = error
        return error
    }

    private static func describe(_ tag: FrameTag, _ chunk: Int, _ byteCount: Int) -> String {
        "chunk \(chunk) of \(byteCount) bytes for \(tag)"
    }
}
