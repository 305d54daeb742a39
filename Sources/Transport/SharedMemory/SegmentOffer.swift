import CLinux
import Glibc

/// What the listening end of a link tells the other about the memory that both may share: 64 bytes, little-endian.
///
///     offset  bytes  field
///          0      4  magic "TSHM"
///          4      4  version of this layout and of the segment's
///          8      4  process that made the segment
///         12      4  its descriptor
///         16      8  bytes of each of the two rings
///         24      8  random number in the segment's name
///         32     16  random bytes that the segment begins with
///         48     16  the host's boot id
struct SegmentOffer: Hashable {
    /// Bytes of an encoded offer.
    static let byteCount = 64
    private static let magic: UInt32 = 0x4D48_5354
    private static let version: UInt32 = 1

    var process: Int32
    var descriptor: Int32
    var ringByteCount: Int
    var number: UInt64
    var token: (UInt64, UInt64)
    var boot: (UInt64, UInt64)

    /// Name of the segment, which only shows in the process's list of open files.
    var name: String { "tessera-" + String(number, radix: 16) }

    /// Makes an offer of this process.
    init(descriptor: Int32, ringByteCount: Int, number: UInt64, token: (UInt64, UInt64), boot: (UInt64, UInt64)) {
        process = getpid()
        self.descriptor = descriptor
        self.ringByteCount = ringByteCount
        self.number = number
        self.token = token
        self.boot = boot
    }

    /// The bytes for the wire.
    var encoded: [UInt8] {
        var bytes: [UInt8] = []
        func append<Value: FixedWidthInteger>(_ value: Value) {
            withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
        }
        append(Self.magic)
        append(Self.version)
        append(process)
        append(descriptor)
        append(UInt64(ringByteCount))
        for value in [number, token.0, token.1, boot.0, boot.1] { append(value) }
        return bytes
    }

    /// Reads an offer; nil where the bytes are none, or ask for more than a segment may have.
    init?(decoding bytes: UnsafeRawBufferPointer) {
        guard bytes.count == Self.byteCount else { return nil }
        func load<Value: FixedWidthInteger & BitwiseCopyable>(_ offset: Int, as _: Value.Type) -> Value {
            Value(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: Value.self))
        }
        guard load(0, as: UInt32.self) == Self.magic, load(4, as: UInt32.self) == Self.version else { return nil }
        let count = load(16, as: UInt64.self)
        guard count <= RingLayout.ringByteCountMax, RingLayout.isRing(byteCount: Int(count)) else { return nil }
        process = load(8, as: Int32.self)
        descriptor = load(12, as: Int32.self)
        guard process > 0, descriptor >= 0 else { return nil }
        ringByteCount = Int(count)
        number = load(24, as: UInt64.self)
        token = (load(32, as: UInt64.self), load(40, as: UInt64.self))
        boot = (load(48, as: UInt64.self), load(56, as: UInt64.self))
    }

    static func == (a: SegmentOffer, b: SegmentOffer) -> Bool { a.encoded == b.encoded }

    func hash(into hasher: inout Hasher) { hasher.combine(encoded) }

    /// A number that every boot of a host draws anew; nil where the system does not tell.
    ///
    /// Equal numbers do not prove that process ids mean the same (containers); the segment's token does.
    static let boot: (UInt64, UInt64)? = {
        let file = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return nil }
        defer { close(file) }
        var text = [UInt8](repeating: 0, count: 64)
        let count = read(file, &text, text.count)
        let digits = text.prefix(max(0, count)).filter { $0 != 0x2D && $0 > 0x20 }
        guard digits.count == 32 else { return nil }
        let halves = [digits.prefix(16), digits.suffix(16)].compactMap {
            UInt64(String(decoding: $0, as: UTF8.self), radix: 16)
        }
        return halves.count == 2 ? (halves[0], halves[1]) : nil
    }()
}
