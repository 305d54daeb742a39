/// A brain float: the upper 16 bits of a `Float`.
public struct BFloat16: Sendable, Hashable, BitwiseCopyable {
    /// Sign, 8 exponent bits, 7 mantissa bits.
    public var bitPattern: UInt16

    /// Wraps a bit pattern.
    public init(bitPattern: UInt16) { self.bitPattern = bitPattern }

    /// Rounds to nearest, ties to even; a NaN stays a (quiet) NaN.
    public init(_ value: Float) {
        let bits = value.bitPattern
        if value.isNaN {
            bitPattern = UInt16(truncatingIfNeeded: bits >> 16) | 0x0040
        } else {
            let rounding = 0x7FFF &+ ((bits >> 16) & 1)
            bitPattern = UInt16(truncatingIfNeeded: (bits &+ rounding) >> 16)
        }
    }

    /// The exact value.
    public var float: Float { Float(bitPattern: UInt32(bitPattern) << 16) }
}
