import CKernels

/// Weights of bf16 and int8 products, made from bf16 and packed tree node by tree node.
enum WeightPacking {
    static func byteCount(_ geometry: DotGeometry, _ form: ProductForm, _ isa: tk_isa) -> Int {
        geometry.ranges.reduce(0) { $0 + nodeByteCount(geometry, form, $1, isa) }
    }

    static func nodeByteCount(_ geometry: DotGeometry, _ form: ProductForm, _ range: Range<Int>, _ isa: tk_isa) -> Int {
        let (columns, segment) = (geometry.columns, geometry.segment)
        return aligned(
            form == .int8
                ? tk_dot_s8_packed_bytes(isa, columns, range.count, segment)
                : tk_dot_packed_bytes(isa, columns, range.count, segment))
    }

    /// Byte offset of each node's packed form.
    static func offsets(_ geometry: DotGeometry, _ form: ProductForm, _ isa: tk_isa) -> [Int] {
        var offset = 0
        return geometry.ranges.map { range in
            defer { offset += nodeByteCount(geometry, form, range, isa) }
            return offset
        }
    }

    static func pack(
        _ geometry: DotGeometry, _ form: ProductForm, _ isa: tk_isa, _ plain: UnsafePointer<UInt16>,
        into destination: UnsafeMutableRawPointer
    ) {
        for (range, offset) in zip(geometry.ranges, offsets(geometry, form, isa)) where !range.isEmpty {
            pack(geometry, form, isa, plain, range, into: destination + offset)
        }
    }

    /// Packs a node: a range of the local depth.
    static func pack(
        _ geometry: DotGeometry, _ form: ProductForm, _ isa: tk_isa, _ plain: UnsafePointer<UInt16>,
        _ range: Range<Int>, into destination: UnsafeMutableRawPointer
    ) {
        guard geometry.columns > 0 else { return }
        let pack = form == .int8 ? tk_dot_s8_pack : tk_dot_pack
        pack(
            isa, plain + range.lowerBound, geometry.depth, geometry.columns, range.count, geometry.segment, destination)
    }
}
