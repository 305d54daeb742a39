public import Tensor

/// How the elements of an exchange's messages travel.
public enum WireFormat: String, Sendable, Hashable, CaseIterable {
    /// As they are.
    case exact
    /// As int8 with an f32 scale for every ``blockElementCount`` elements of a row, and the rest of the row.
    ///
    /// A block with the greatest magnitude m travels as q = round(127 x / m) and arrives as q m / 127, off by at most m / 254
    /// before it is rounded to the element type. Only whole blocks travel so, and what a device keeps of what it also
    /// sends is rounded likewise: what a value is does not depend on who has it.
    case int8

    /// Elements of a row that share a scale.
    public static let blockElementCount = 128

    /// Bytes that elements in rows of `columns` take in a message.
    public func byteCount(elements: Int, columns: Int, dtype: DType) -> Int {
        guard self == .int8 else { return elements * dtype.byteCount }
        if columns % Self.blockElementCount == 0 { return elements + elements / Self.blockElementCount * 4 }
        return elements / columns * Self.rowByteCount(columns)
    }

    /// Bytes of a row as int8: its scales, then a byte an element.
    public static func rowByteCount(_ columns: Int) -> Int {
        (columns + blockElementCount - 1) / blockElementCount * 4 + columns
    }

    /// True where a part of rows of `columns` elements cuts no block.
    public static func areWholeBlocks(_ part: Range<Int>, of columns: Int) -> Bool {
        part.lowerBound % blockElementCount == 0
            && (part.upperBound % blockElementCount == 0 || part.upperBound == columns)
    }

    /// Elements of a row of so many that stay together where it is cut into pieces: a block, or all where the last block is
    /// shorter.
    public func columnUnit(_ columns: Int) -> Int {
        if self == .exact { return 1 }
        return columns % Self.blockElementCount == 0 ? Self.blockElementCount : max(1, columns)
    }

    /// What messages are aligned to, so that an element can be read where it lies.
    public func elementByteCount(_ dtype: DType) -> Int { self == .int8 ? 1 : dtype.byteCount }
}
