import CZeroMQ

/// What the members of a cluster know each other by: one Curve25519 key pair that all of them hold.
///
/// Whoever listens is a CURVE server (ZMTP 3.1, RFC 26) with it and admits only clients that prove to have it, too; what
/// travels is encrypted with keys of its own for every connection. Printing, interpolating and dumping a key shows its
/// ``fingerprint`` and never the secret.
public struct ClusterKey: Sendable, Hashable {
    /// Bytes of either half.
    static let byteCount = 32
    /// Most bytes by which encryption makes a frame longer: a command's name, flags, nonce and authenticator.
    static let overheadByteCount = 64
    /// The secret half's length as text.
    private static let textByteCount = 40
    /// First word of the line that holds a key: what it is, and the version of its form.
    private static let mark = "tessera-cluster-key-1"
    /// Longest text that is looked at.
    public static let textByteCountMax = 4096

    /// The public half.
    let publicKey: [UInt8]
    /// The secret half.
    let secretKey: [UInt8]

    /// A new key, from the system's random numbers.
    ///
    /// Throws ``TransportError/libraryWithoutCURVE``.
    public static func random() throws(TransportError) -> ClusterKey {
        try requireCURVE()
        var publicText = [CChar](repeating: 0, count: textByteCount + 1)
        var secretText = publicText
        guard zmq_curve_keypair(&publicText, &secretText) == 0, let key = ClusterKey(secretText: secretText) else {
            throw .libraryWithoutCURVE
        }
        return key
    }

    /// Throws where the installed libzmq cannot encrypt.
    static func requireCURVE() throws(TransportError) {
        guard zmq_has("curve") == 1 else { throw .libraryWithoutCURVE }
    }

    /// The pair of a secret half in Z85 (RFC 32) that ends in 0.
    private init?(secretText: [CChar]) {
        var publicText = [CChar](repeating: 0, count: Self.textByteCount + 1)
        var secret = [UInt8](repeating: 0, count: Self.byteCount)
        var shown = secret
        guard
            zmq_z85_decode(&secret, secretText) != nil, zmq_curve_public(&publicText, secretText) == 0,
            zmq_z85_decode(&shown, publicText) != nil
        else { return nil }
        publicKey = shown
        secretKey = secret
    }

    /// Reads the text of a key file: empty lines, lines that begin with `#`, and one line with the key.
    ///
    /// Throws ``ClusterKeyError``, naming `path`.
    public init(parsing bytes: some Collection<UInt8>, path: String) throws(ClusterKeyError) {
        guard bytes.count <= Self.textByteCountMax else {
            throw .malformed(path: path, reason: "it has more than \(Self.textByteCountMax) bytes")
        }
        let lines = bytes.split(separator: UInt8(ascii: "\n")).map { line in
            line.split { $0 == 0x20 || $0 == 0x09 || $0 == 0x0D }
        }
        .filter { line in line.first.map { $0.first != UInt8(ascii: "#") } ?? false }
        guard let words = lines.first else { throw .malformed(path: path, reason: "it holds no key") }
        guard lines.count == 1 else { throw .malformed(path: path, reason: "it holds more than one line") }
        guard words.count == 2, words[0].elementsEqual(Self.mark.utf8) else {
            throw .malformed(path: path, reason: "its line is not of the form '\(Self.mark) <key>'")
        }
        guard words[1].count == Self.textByteCount, words[1].allSatisfy(Self.isZ85),
            let key = ClusterKey(secretText: words[1].map { CChar(bitPattern: $0) } + [0])
        else {
            throw .malformed(path: path, reason: "its key is not of \(Self.textByteCount) characters of Z85")
        }
        self = key
    }

    private static func isZ85(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "z"),
            UInt8(ascii: "A")...UInt8(ascii: "Z"):
            true
        default: ".-:+=^!/*?&<>()[]{}@%$#".utf8.contains(byte)
        }
    }

    /// The line that holds the key, with its end; secret.
    public var line: String {
        var text = [CChar](repeating: 0, count: Self.textByteCount + 1)
        zmq_z85_encode(&text, secretKey, Self.byteCount)
        return "\(Self.mark) \(Self.text(text))\n"
    }

    /// Begins the public half: the same on all machines that have the same key, and of no use to anybody else.
    public var fingerprint: String {
        publicKey.prefix(6).map { byte in (byte < 16 ? "0" : "") + String(byte, radix: 16) }.joined()
    }

    private static func text(_ characters: [CChar]) -> String {
        String(decoding: characters.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    }
}

extension ClusterKey: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// The fingerprint.
    public var description: String { "cluster key \(fingerprint)" }
    /// The fingerprint.
    public var debugDescription: String { description }
    /// Nothing inside.
    public var customMirror: Mirror { Mirror(self, children: []) }
}
