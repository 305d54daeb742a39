/// The alphabet of byte-level BPE: the character that stands for each byte in a vocabulary.
///
/// Printable Latin-1 characters stand for themselves, the other bytes for the characters from U+0100 on, in order.
enum ByteAlphabet {
    /// By byte.
    static let characters: [Character] = {
        var stand: UInt32 = 0x100
        return (UInt8.min...UInt8.max).map { byte in
            let isPrintable = (0x21...0x7E).contains(byte) || (0xA1...0xAC).contains(byte) || byte >= 0xAE
            if isPrintable { return Character(Unicode.Scalar(byte)) }
            defer { stand += 1 }
            guard let scalar = Unicode.Scalar(stand) else { preconditionFailure("U+0100 to U+0143 are characters") }
            return Character(scalar)
        }
    }()
}
