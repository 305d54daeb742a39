import Tensor

extension ShapeRule {
    static func dotGeneral(_ question: ShapeQuestion) throws -> [Dim] {
        let (a, b) = (question.operands[0], question.operands[1])
        let axes = DotAxes(question.attributes, lhsRank: a.rank, rhsRank: b.rank)
        guard let axes else {
            throw ProgramError(
                "dotGeneral: batch and contracted dimensions are different ones of each operand, in pairs")
        }
        try question.need(
            zip(axes.lhsBatch + axes.lhsContract, axes.rhsBatch + axes.rhsContract).allSatisfy {
                a.sizes[$0] == b.sizes[$1]
            }, "dimensions that pair up have one size")
        if let left = axes.lhsContract.first, let right = axes.rhsContract.first {
            try question.need(
                a.dims[left].granuleCount == b.dims[right].granuleCount,
                "the first contracted dimensions agree in their granule count")
        }
        return axes.lhsBatch.map { a.dims[$0] } + axes.lhsFree.map { a.dims[$0] } + axes.rhsFree.map { b.dims[$0] }
    }

    static func pictureGeneral(_ question: ShapeQuestion) throws -> [Dim] {
        let (x, attributes) = (question.operands[0], question.attributes)
        try question.need(x.rank >= 3, "the operand is a picture […, Y, X, C]")
        let first = x.rank - 3
        if question.opcode == .resize {
            let factor = attributes.int("factor")
            var dims = x.dims
            for index in first..<(first + 2) {
                let dim = dims[index]
                dims[index] =
                    dim.isNeverSplit ? Dim(dim.size * factor) : Dim(dim.size * factor, granule: dim.granule * factor)
            }
            return try question.granulated(dims)
        }
        let isPool = question.opcode == .maxPool
        var channels = x.dims[first + 2]
        var window = [1, 1]
        if isPool {
            window = attributes.ints("window")
        } else {
            let w = question.operands[1]
            let groups = attributes.int("groups")
            try question.need(w.rank == 4, "weights are [kh, kw, Ci / groups, Co]")
            try question.need(
                channels.size % groups == 0 && w.sizes[2] == channels.size / groups && w.sizes[3] % groups == 0,
                "groups divide the channels, and the weights have a group's input channels")
            if groups == 1 {
                try question.need(
                    channels.granuleCount == w.dims[2].granuleCount, "input channels agree in their granule count")
            }
            window = Array(w.sizes.prefix(2))
            channels = w.dims[3]
        }
        let lists = ["strides", "padLow", "padHigh"].map { attributes.ints($0) }
        let dilation = attributes.ints("dilation", default: [1, 1])
        try question.need(
            (lists + [dilation, window]).allSatisfy { $0.count == 2 }, "window attributes have two entries")
        var dims = Array(x.dims.prefix(first))
        for index in 0..<2 {
            let dim = x.dims[first + index]
            let spread = dim.size == 0 ? 0 : (dim.size - 1) * dilation[index] + 1
            let span = spread + lists[1][index] + lists[2][index] - window[index]
            try question.need(span >= 0 && window[index] > 0, "the window fits into the padded picture")
            let size = span / lists[0][index] + 1
            let scaled = dim.granule * dilation[index]
            let isWhole = scaled % lists[0][index] == 0
            dims.append(
                dim.isNeverSplit ? Dim(size) : Dim(size, granule: isWhole ? scaled / lists[0][index] : dim.granule))
        }
        return try question.granulated(dims + [channels])
    }
}

/// The dimensions of a general product by what becomes of them.
public struct DotAxes: Sendable, Hashable {
    /// Batch dimensions of the first operand, in the result's order.
    public let lhsBatch: [Int]
    /// Batch dimensions of the second operand, paired with the first's.
    public let rhsBatch: [Int]
    /// Contracted dimensions of the first operand; segments run along the first.
    public let lhsContract: [Int]
    /// Contracted dimensions of the second operand, paired with the first's.
    public let rhsContract: [Int]
    /// What is left of the first operand, ascending.
    public let lhsFree: [Int]
    /// What is left of the second operand, ascending.
    public let rhsFree: [Int]

    /// Reads the attributes of ``Opcode/dotGeneral``; nil where they do not name dimensions in pairs.
    public init?(_ attributes: Attributes, lhsRank: Int, rhsRank: Int) {
        lhsBatch = attributes.ints("lhsBatch")
        rhsBatch = attributes.ints("rhsBatch")
        lhsContract = attributes.ints("lhsContract")
        rhsContract = attributes.ints("rhsContract")
        let (left, right) = (lhsBatch + lhsContract, rhsBatch + rhsContract)
        guard lhsBatch.count == rhsBatch.count, lhsContract.count == rhsContract.count,
            Set(left).count == left.count, Set(right).count == right.count,
            left.allSatisfy((0..<lhsRank).contains), right.allSatisfy((0..<rhsRank).contains)
        else { return nil }
        lhsFree = (0..<lhsRank).filter { !left.contains($0) }
        rhsFree = (0..<rhsRank).filter { !right.contains($0) }
    }
}
