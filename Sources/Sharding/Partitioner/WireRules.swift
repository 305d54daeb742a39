import Program
import Tensor

// What travels as int8, and what that takes in messages and staging areas.

extension PartitionedProgram {
    /// Bytes in messages that so many elements (times partial results) of a collective take.
    func byteCount(_ elements: Int, of collective: Collective) -> Int {
        let type = buffers[collective.source].type
        return collective.wire.byteCount(elements: elements, columns: type.sizes.last ?? 1, dtype: type.dtype)
    }

    /// What a collective's place in a message is aligned to.
    func elementByteCount(of collective: Collective) -> Int {
        collective.wire.elementByteCount(buffers[collective.source].type.dtype)
    }

    /// Bytes of a device's staging area; nil: of the device whose area is largest.
    func stagingByteCount(of collective: Collective, device: Int?) -> Int {
        let size = buffers[collective.source].type.dtype.byteCount
        if collective.wire == .exact {
            return device.map { collective.moves.stagingByteCount(device: $0, elementSize: size) }
                ?? collective.moves.stagingByteCountMax(elementSize: size)
        }
        func bytes(_ sum: Int, _ count: Int) -> Int { sum + (count + 63) / 64 * 64 }
        func elements(_ transfer: Exchange.Transfer) -> Int { transfer.box.elementCount * transfer.partials }
        let sides = device.map { [collective.moves.sides[$0]] } ?? collective.moves.sides
        return sides.reduce(0) { most, side in
            let messages = (side.sends + side.receives).reduce(0) { bytes($0, byteCount(elements($1), of: collective)) }
            return max(most, side.receives.reduce(messages) { bytes($0, elements($1) * size) })
        }
    }

    /// True where a collective may travel as int8: it gives values of the activations' type, bf16, by moving such or by
    /// adding partial sums, and its transfers allow it (``Moves/canTravelAsInt8(columns:held:)``).
    ///
    /// What a program keeps in f32 on purpose (logits, what sampling compares, statistics) and whole numbers never do.
    func canTravelAsInt8(_ collective: Collective) -> Bool {
        let (source, result) = (buffers[collective.source], buffers[collective.destination].type)
        return WireFormat.isWorthInt8(result)
            && (collective.partial == nil ? source.type.dtype == .bf16 : collective.partial?.kind == .sum)
            && collective.moves.canTravelAsInt8(columns: result.sizes.last ?? 0, held: source.boxes)
    }
}

extension WireFormat {
    /// Elements of the shortest row that travels as int8: its scale is an eighth of its bytes.
    private static let int8ColumnsMin = 32
    /// Elements of the smallest value that travels as int8: what smaller ones wait for is latency, not bytes.
    private static let int8ElementsMin = 1024

    /// True for values whose parts pay for their scales: bf16, neither few nor in short rows.
    static func isWorthInt8(_ type: TensorType) -> Bool {
        type.dtype == .bf16 && type.sizes.last ?? 0 >= int8ColumnsMin && type.elementCount >= int8ElementsMin
    }

    /// True where a box in rows of `columns` elements has whole rows, or is made of whole blocks of rows that are.
    ///
    /// Bytes of a part of a message are then its share of the whole's, and a block's elements are the same ones wherever
    /// it is made.
    static func isInBlocks(_ box: Box, columns: Int) -> Bool {
        guard let range = box.ranges.last, !box.isEmpty, range != 0..<columns else { return true }
        return [columns, range.lowerBound, range.upperBound].allSatisfy { $0 % blockElementCount == 0 }
    }
}

extension Moves {
    /// True where something travels in whole blocks of rows of `columns` elements, out of boxes that are `held` by the
    /// devices, and is not much less than what stays: that is rounded, too, and halos would round nearly all for a few rows'
    /// sake.
    func canTravelAsInt8(columns: Int, held: [Box]) -> Bool {
        func isInBlocks(_ part: Box, _ box: Box) -> Bool {
            WireFormat.isInBlocks(part, columns: columns)
                && (part.ranges.last == 0..<columns || WireFormat.isInBlocks(box, columns: columns))
        }
        guard !isLocal else { return false }
        var kept = 0
        for (side, box) in zip(sides, held) {
            guard side.sends.allSatisfy({ isInBlocks($0.box, box) }),
                side.copies.allSatisfy({ isInBlocks($0.from, box) })
            else { return false }
            if side.reduction == nil { kept += side.copies.reduce(0) { $0 + $1.from.elementCount } }
        }
        return 2 * sentTotal >= kept
    }
}
