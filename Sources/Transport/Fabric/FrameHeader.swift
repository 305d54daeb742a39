package import Program

/// The first part of every data-plane frame: 48 bytes, little-endian.
///
///     offset  bytes  field
///          0      4  magic "TSRA"
///          4      2  version of this layout
///          6      2  kind
///          8      4  epoch          \
///         12      4  step            | which message of which call (FrameTag)
///         16      8  request         |
///         24      4  instruction    /
///         28      4  chunk: the payload begins at chunk * chunkByteCountMax of the message
///         32      4  bytes in the whole message
///         36      4  bytes in this frame's payload
///         40      4  sequence: frames sent on the link before this one, modulo 2^32
///         44      4  CRC-32C of the bytes before
package struct FrameHeader: Sendable, Hashable {
    /// What a frame is for; raw values are the wire's.
    package enum Kind: UInt16, Sendable, CaseIterable {
        /// A piece of a message between ranks.
        case data = 1
        /// The first frame on a new link; `request` is the link's token, `step` the sender, `instruction` the receiver.
        ///
        /// Payload: of the listener an offer of shared memory (``SegmentOffer``) or nothing, of the other, which answers, a
        /// byte where it shares that memory, else nothing.
        case hello = 2
        /// Asks a rank to connect to the endpoint in the payload; fields as in a hello.
        case invite = 3
        /// Wakes a rank that waits for shared memory; it has no payload, not even an empty one.
        case bell = 4
    }

    /// Bytes of an encoded header.
    package static let byteCount = 48
    /// Longest payload of a frame: small enough that heartbeats and other messages do not wait long behind it.
    package static let chunkByteCountMax = 1 << 20
    /// Longest message, so that a damaged length cannot ask for all memory.
    package static let messageByteCountMax = 1 << 30
    private static let magic: UInt32 = 0x4152_5354
    private static let version: UInt16 = 1

    /// What the frame is for.
    package var kind: Kind
    /// Which message.
    package var tag: FrameTag
    /// Which piece of it.
    package var chunk: UInt32
    /// Bytes in the whole message.
    package var messageByteCount: UInt32
    /// Position on the link.
    package var sequence: UInt32

    /// Makes a header.
    package init(
        kind: Kind = .data, tag: FrameTag, chunk: UInt32 = 0, messageByteCount: UInt32 = 0, sequence: UInt32 = 0
    ) {
        self.kind = kind
        self.tag = tag
        self.chunk = chunk
        self.messageByteCount = messageByteCount
        self.sequence = sequence
    }

    /// Frames that a message of so many bytes takes; an empty message takes one.
    package static func chunkCount(of messageByteCount: Int) -> Int {
        max(1, (messageByteCount + chunkByteCountMax - 1) / chunkByteCountMax)
    }

    /// The bytes of a message that a chunk holds.
    package static func range(ofChunk chunk: Int, in messageByteCount: Int) -> Range<Int> {
        chunk * chunkByteCountMax..<min(messageByteCount, (chunk + 1) * chunkByteCountMax)
    }

    /// Bytes in this frame's payload.
    package var payloadByteCount: Int { Self.range(ofChunk: Int(chunk), in: Int(messageByteCount)).count }

    /// Writes the header into exactly ``byteCount`` bytes.
    package func encode(into bytes: UnsafeMutableRawBufferPointer) {
        precondition(bytes.count == Self.byteCount, "a header has a fixed size")
        func store<Value: FixedWidthInteger & BitwiseCopyable>(_ value: Value, at offset: Int) {
            bytes.storeBytes(of: value.littleEndian, toByteOffset: offset, as: Value.self)
        }
        store(Self.magic, at: 0)
        store(Self.version, at: 4)
        store(kind.rawValue, at: 6)
        store(tag.epoch, at: 8)
        store(tag.step, at: 12)
        store(tag.request, at: 16)
        store(tag.instruction, at: 24)
        store(chunk, at: 28)
        store(messageByteCount, at: 32)
        store(UInt32(payloadByteCount), at: 36)
        store(sequence, at: 40)
        store(CRC32C.checksum(UnsafeRawBufferPointer(rebasing: bytes[..<44])), at: 44)
    }

    /// Reads a header; whatever the bytes are, it returns or throws and reads nothing beyond them.
    package init(decoding bytes: UnsafeRawBufferPointer) throws(FrameHeaderError) {
        guard bytes.count == Self.byteCount else { throw .length(bytes.count) }
        func load<Value: FixedWidthInteger & BitwiseCopyable>(_ offset: Int, as _: Value.Type) -> Value {
            Value(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: Value.self))
        }
        guard load(0, as: UInt32.self) == Self.magic else { throw .magic }
        let version = load(4, as: UInt16.self)
        guard version == Self.version else { throw .version(version) }
        guard load(44, as: UInt32.self) == CRC32C.checksum(UnsafeRawBufferPointer(rebasing: bytes[..<44])) else {
            throw .checksum
        }
        guard let kind = Kind(rawValue: load(6, as: UInt16.self)) else { throw .kind(load(6, as: UInt16.self)) }
        let chunk = load(28, as: UInt32.self)
        let count = load(32, as: UInt32.self)
        guard count <= Self.messageByteCountMax, chunk < Self.chunkCount(of: Int(count)) else {
            throw .chunk(chunk, messageByteCount: count)
        }
        self.init(
            kind: kind,
            tag: FrameTag(
                epoch: load(8, as: UInt32.self), request: load(16, as: UInt64.self), step: load(12, as: UInt32.self),
                instruction: load(24, as: UInt32.self)),
            chunk: chunk, messageByteCount: count, sequence: load(40, as: UInt32.self))
        guard load(36, as: UInt32.self) == payloadByteCount else { throw .payload(load(36, as: UInt32.self)) }
    }
}

/// Why bytes are no frame header; cases in alphabetical order.
package enum FrameHeaderError: Error, Sendable, Hashable, CustomStringConvertible {
    /// A piece beyond the message's end, or a message beyond the limit.
    case chunk(UInt32, messageByteCount: UInt32)
    /// Damaged bytes.
    case checksum
    /// A kind of a later version, or nonsense.
    case kind(UInt16)
    /// Not a header's size.
    case length(Int)
    /// Not a frame of this program.
    case magic
    /// A payload length that does not follow from chunk and message length.
    case payload(UInt32)
    /// Another layout.
    case version(UInt16)

    /// What is wrong, as part of a sentence.
    package var description: String {
        switch self {
        case .chunk(let chunk, let count): "a header with chunk \(chunk) of a message of \(count) bytes"
        case .checksum: "a header whose checksum does not match"
        case .kind(let kind): "a header of the unknown kind \(kind)"
        case .length(let count): "a header of \(count) bytes"
        case .magic: "bytes that are no frame"
        case .payload(let count): "a header with a wrong payload length of \(count)"
        case .version(let version): "a header of layout version \(version)"
        }
    }
}
