import Tensor

extension ShapeQuestion {
    /// Dimensions with the granules of the attribute `granules`, where that is given.
    func granulated(_ dims: [Dim]) throws -> [Dim] {
        guard case .ints(let granules)? = attributes.values["granules"] else { return dims }
        try need(granules.count == dims.count, "granules has an entry a dimension of the result")
        return zip(dims, granules).map { Dim($0.size, granule: $1) }
    }

    /// The i32 scalars from operand `first` on: one a dimension of operand 0.
    func needIndices(from first: Int) throws {
        try need(
            operands.count == first + operands[0].rank
                && operands[first...].allSatisfy { $0.dtype == .i32 && $0.rank == 0 },
            "there is an i32 scalar a dimension")
    }
}

extension Dim {
    /// True where no granule of this dimension is smaller than the whole.
    var isNeverSplit: Bool { granuleCount <= 1 && granule > 1 }

    /// Another size with the same granule; a dimension that is never split stays so.
    func resized(_ size: Int) -> Dim { isNeverSplit ? Dim(size) : Dim(size, granule: granule) }
}

extension ShapeRule {
    static func movement(_ question: ShapeQuestion) throws -> [Dim] {
        let (x, attributes) = (question.operands[0], question.attributes)
        switch question.opcode {
        case .concat: return try concat(question)
        case .broadcast: return try broadcast(question)
        case .transpose:
            let permutation = attributes.ints("permutation")
            try question.need(permutation.sorted() == Array(x.dims.indices), "permutation names every dimension once")
            return permutation.map { x.dims[$0] }
        case .reshape:
            let sizes = attributes.ints("sizes")
            let count = sizes.reduce(1 as Int?) { product, size in
                guard let (value, isTooLarge) = product?.multipliedReportingOverflow(by: size), !isTooLarge else {
                    return nil
                }
                return value
            }
            try question.need(count == x.elementCount, "sizes have as many elements as the operand")
            return try question.granulated(ReshapeGroups(from: x.dims, to: sizes).dims)
        case .slice: return try slice(question)
        case .pad:
            let (low, high) = (attributes.ints("low"), attributes.ints("high"))
            try question.need(low.count == x.rank && high.count == x.rank, "low and high have an entry a dimension")
            return try question.granulated(x.dims.indices.map { x.dims[$0].resized(low[$0] + x.sizes[$0] + high[$0]) })
        case .reverse:
            let dims = attributes.ints("dims")
            try question.need(dims.allSatisfy(x.dims.indices.contains), "reversed dimensions exist")
            return x.dims
        case .dynamicSlice:
            try question.needIndices(from: 1)
            let sizes = attributes.ints("sizes")
            try question.need(
                sizes.count == x.rank && zip(sizes, x.sizes).allSatisfy { $0 <= $1 }, "sizes fit into the operand")
            return try question.granulated(zip(x.dims, sizes).map { $0.resized($1) })
        default:
            try question.needIndices(from: 2)
            let update = question.operands[1]
            try question.need(
                update.dtype == x.dtype && update.rank == x.rank && zip(update.sizes, x.sizes).allSatisfy { $0 <= $1 },
                "the update fits into the operand and has its element type")
            return x.dims
        }
    }

    /// Element type of a concatenation: that of integers; real operands give what the program wants.
    static func concatenated(_ question: ShapeQuestion) throws -> DType? {
        let types = Set(question.operands.map(\.dtype))
        if types.isSubset(of: [.f32, .bf16]) { return nil }
        try question.need(types.count == 1, "operands that are no real numbers have one element type")
        return types.first
    }

    private static func concat(_ question: ShapeQuestion) throws -> [Dim] {
        let first = question.operands[0]
        try question.need(first.rank > 0, "operands have dimensions")
        let isOpen = question.attributes.values["dim"] != nil
        let dim = question.attributes.int("dim", default: first.rank - 1)
        try question.need(dim < first.rank, "dim is a dimension of the operands")
        try question.need(
            question.operands.allSatisfy { operand in
                operand.rank == first.rank
                    && first.dims.indices.allSatisfy { $0 == dim || operand.sizes[$0] == first.sizes[$0] }
            }, "operands agree in all dimensions but one")
        let joined = question.operands.map { $0.dims[dim] }
        let total = joined.reduce(0) { $0 + $1.size }
        let isSplit = isOpen && !joined.contains(where: \.isNeverSplit)
        var dims = first.dims
        dims[dim] = isSplit ? Dim(total, granule: joined.reduce(0) { greatestDivisor($0, $1.granule) }) : Dim(total)
        return try question.granulated(dims)
    }

    private static func broadcast(_ question: ShapeQuestion) throws -> [Dim] {
        let x = question.operands[0]
        let (sizes, dims) = (question.attributes.ints("sizes"), question.attributes.ints("dims"))
        try question.need(
            dims.count == x.rank && dims == dims.sorted() && dims.allSatisfy(sizes.indices.contains),
            "dims names a dimension of the result for each of the operand's, ascending")
        try question.need(
            zip(x.sizes, dims).allSatisfy { $0 == sizes[$1] || $0 == 1 },
            "operand dimensions have the result's size or 1")
        var result = sizes.map { Dim($0, granule: 1) }
        for (from, to) in zip(x.dims, dims) where from.size == sizes[to] { result[to] = from }
        return try question.granulated(result)
    }

    private static func slice(_ question: ShapeQuestion) throws -> [Dim] {
        let x = question.operands[0]
        let (start, limit) = (question.attributes.ints("start"), question.attributes.ints("limit"))
        let strides = question.attributes.ints("strides", default: Array(repeating: 1, count: x.rank))
        try question.need(
            start.count == x.rank && limit.count == x.rank && strides.count == x.rank,
            "start, limit and strides have an entry a dimension")
        try question.need(
            x.dims.indices.allSatisfy { start[$0] <= limit[$0] && limit[$0] <= x.sizes[$0] },
            "start and limit lie inside the operand")
        return try question.granulated(
            x.dims.indices.map { index in
                let (dim, stride) = (x.dims[index], strides[index])
                let size = (limit[index] - start[index] + stride - 1) / stride
                if dim.isNeverSplit { return Dim(size) }
                return Dim(size, granule: dim.granule % stride == 0 ? dim.granule / stride : dim.granule)
            })
    }

    static func greatestDivisor(_ a: Int, _ b: Int) -> Int { b == 0 ? a : greatestDivisor(b, a % b) }
}
