import Program
import Tensor
import TestSupport

/// A small whole tensor with its values as doubles, already rounded to its element type.
struct Sample {
    let type: TensorType
    let values: [Double]
    /// Notes what is read, where that is asked for.
    var reads: Reads?

    /// The box around everything that was read.
    final class Reads {
        var box: Box?
        func note(_ index: [Int]) {
            let point = Box(index.map { $0..<($0 + 1) })
            box =
                box.map { held in
                    Box(
                        zip(held.ranges, point.ranges).map {
                            min($0.lowerBound, $1.lowerBound)..<max($0.upperBound, $1.upperBound)
                        })
                } ?? point
        }
    }

    init(_ dtype: DType, _ dims: [Dim], _ values: [Double]) {
        precondition(values.count == dims.reduce(1) { $0 * $1.size }, "a sample has a value for each element")
        type = TensorType(dtype, dims)
        self.values = values.map { value in
            switch dtype {
            case .f32: Double(Float(value))
            case .bf16: Double(BFloat16(Float(value)).float)
            default: value
            }
        }
    }

    /// Uniform values in a range, from a seed.
    static func random(
        _ dtype: DType, _ dims: [Dim], seed: UInt64, _ range: ClosedRange<Double> = -1...1
    ) -> Sample {
        var generator = SeededGenerator(seed: seed &* 0x9E37_79B9_7F4A_7C15 &+ 1)
        let count = dims.reduce(1) { $0 * $1.size }
        return Sample(dtype, dims, (0..<count).map { _ in Double.random(in: range, using: &generator) })
    }

    /// Whole numbers below a bound.
    static func integers(_ dims: [Dim], below: Int, seed: UInt64) -> Sample {
        var generator = SeededGenerator(seed: seed &* 0x9E37_79B9_7F4A_7C15 &+ 7)
        let count = dims.reduce(1) { $0 * $1.size }
        return Sample(.i32, dims, (0..<count).map { _ in Double(Int.random(in: 0..<below, using: &generator)) })
    }

    /// Whole numbers of a small range, as any element type: sums of their products are exact in f32.
    static func small(_ dtype: DType, _ dims: [Dim], seed: UInt64, _ range: ClosedRange<Int> = -4...4) -> Sample {
        var generator = SeededGenerator(seed: seed &* 0x9E37_79B9_7F4A_7C15 &+ 3)
        let count = dims.reduce(1) { $0 * $1.size }
        return Sample(dtype, dims, (0..<count).map { _ in Double(Int.random(in: range, using: &generator)) })
    }

    var sizes: [Int] { type.sizes }

    /// The same values as stored bytes.
    var host: HostTensor {
        var bytes: [UInt8] = []
        for value in values {
            switch type.dtype {
            case .f32: withUnsafeBytes(of: Float(value)) { bytes.append(contentsOf: $0) }
            case .bf16: withUnsafeBytes(of: BFloat16(Float(value)).bitPattern) { bytes.append(contentsOf: $0) }
            case .i32: withUnsafeBytes(of: Int32(value)) { bytes.append(contentsOf: $0) }
            case .u8: bytes.append(UInt8(value))
            case .f16: withUnsafeBytes(of: Float16(value).bitPattern) { bytes.append(contentsOf: $0) }
            }
        }
        return HostTensor(dtype: type.dtype, dims: sizes, bytes: bytes)
    }

    /// Element at an index of each dimension.
    func at(_ index: [Int]) -> Double {
        reads?.note(index)
        return values[offset(index)]
    }

    func offset(_ index: [Int]) -> Int { zip(index, sizes).reduce(0) { $0 * $1.1 + $1.0 } }
}

/// Every index of a shape, row-major.
func indices(_ sizes: [Int]) -> [[Int]] {
    sizes.reduce([[]]) { partial, size in partial.flatMap { index in (0..<size).map { index + [$0] } } }
}

/// The elements of a dense tensor that lie in a box.
func part<T>(_ values: [T], _ sizes: [Int], _ box: Box) -> [T] {
    indices(box.dims).map { index in
        let whole = zip(index, box.ranges).map { $0 + $1.lowerBound }
        return values[zip(whole, sizes).reduce(0) { $0 * $1.1 + $1.0 }]
    }
}
