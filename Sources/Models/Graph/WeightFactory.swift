import Program
import Tensor

/// Makes the weights of one part of a model, each always in the same view.
///
/// Vectors (norms and biases) are kept in f32, everything else in the activation type. `fileDims` is the shape in the
/// checkpoint; the view and the granules are what the graphs need to shard heads, MLP widths and vocabularies.
struct WeightFactory {
    /// Name of the part.
    let part: String

    /// A bias or a norm's weight `[size]`, f32.
    ///
    /// `fileDims` where the file has another shape of as many elements.
    func vector(
        _ graph: inout ProgramBuilder, _ tensor: String, _ size: Int, mean: Double = 0, scale: Double = 0.1,
        fileDims: [Int]? = nil, axis: String? = nil
    ) -> Program.ValueID {
        let spec = ParameterSpec(
            name: "\(part).\(tensor)", part: part, tensor: tensor, fileDims: fileDims ?? [size], view: [size],
            generatedScale: scale, generatedMean: mean)
        return graph.parameter(spec, granules: [granule(size, axis)], axes: axes([axis]), dtype: .f32)
    }

    /// A bias over heads: `[H·Dh]` seen as `[H, Dh]`, f32.
    func headVector(
        _ graph: inout ProgramBuilder, _ tensor: String, _ heads: Int, _ headSize: Int
    ) -> Program.ValueID {
        let spec = ParameterSpec(
            name: "\(part).\(tensor)", part: part, tensor: tensor, fileDims: [heads * headSize],
            view: [heads, headSize], generatedScale: 0.1)
        return graph.parameter(spec, granules: [1, nil], axes: [GraphAxis.heads, nil], dtype: .f32)
    }

    /// A matrix `[rows, columns]`, annotated where axes are given.
    ///
    /// `isConv`: the file has a 1x1 convolution's shape.
    func matrix(
        _ graph: inout ProgramBuilder, _ tensor: String, _ rows: Int, _ columns: Int, rowAxis: String? = nil,
        columnAxis: String? = nil, isConv: Bool = false, gain: Double = 1
    ) -> Program.ValueID {
        let spec = ParameterSpec(
            name: "\(part).\(tensor)", part: part, tensor: tensor,
            fileDims: isConv ? [rows, columns, 1, 1] : [rows, columns], view: [rows, columns],
            generatedScale: gain / Double(columns).squareRoot())
        return graph.parameter(
            spec, granules: [granule(rows, rowAxis), granule(columns, columnAxis)], axes: axes([rowAxis, columnAxis]))
    }

    /// Two matrices in one, `[2·rows, columns]` seen as `[2, rows, columns]`.
    func pair(
        _ graph: inout ProgramBuilder, _ tensor: String, _ rows: Int, _ columns: Int, rowAxis: String? = nil,
        columnAxis: String? = nil, gain: Double = 1
    ) -> Program.ValueID {
        let spec = ParameterSpec(
            name: "\(part).\(tensor)", part: part, tensor: tensor, fileDims: [2 * rows, columns],
            view: [2, rows, columns], generatedScale: gain / Double(columns).squareRoot())
        return graph.parameter(
            spec, granules: [nil, granule(rows, rowAxis), granule(columns, columnAxis)],
            axes: axes([nil, rowAxis, columnAxis]))
    }

    /// A projection to heads: `[H·Dh, columns]` seen as `[H, Dh, columns]`.
    func toHeads(
        _ graph: inout ProgramBuilder, _ tensor: String, _ heads: Int, _ headSize: Int, _ columns: Int,
        gain: Double = 1
    ) -> Program.ValueID {
        let spec = ParameterSpec(
            name: "\(part).\(tensor)", part: part, tensor: tensor, fileDims: [heads * headSize, columns],
            view: [heads, headSize, columns], generatedScale: gain / Double(columns).squareRoot())
        return graph.parameter(spec, granules: [1, nil, nil], axes: [GraphAxis.heads, nil, nil])
    }

    /// A projection from heads: `[rows, H·Dh]` seen as `[rows, H, Dh]`.
    func fromHeads(
        _ graph: inout ProgramBuilder, _ tensor: String, _ rows: Int, _ heads: Int, _ headSize: Int
    ) -> Program.ValueID {
        let spec = ParameterSpec(
            name: "\(part).\(tensor)", part: part, tensor: tensor, fileDims: [rows, heads * headSize],
            view: [rows, heads, headSize], generatedScale: 1 / Double(heads * headSize).squareRoot())
        return graph.parameter(spec, granules: [nil, 1, nil], axes: [nil, GraphAxis.heads, nil])
    }

    /// Any other weight; `fanIn` sets the spread of generated values.
    func tensor(
        _ graph: inout ProgramBuilder, _ tensor: String, fileDims: [Int], view: [Int]? = nil,
        permutation: [Int]? = nil, fanIn: Int, axes names: [String?] = [], gain: Double = 1, dtype: DType? = nil
    ) -> Program.ValueID {
        let spec = ParameterSpec(
            name: "\(part).\(tensor)", part: part, tensor: tensor, fileDims: fileDims, view: view,
            permutation: permutation, generatedScale: gain / Double(fanIn).squareRoot())
        let granules = zip(spec.dims, names).map { granule($0, $1) }
        return graph.parameter(spec, granules: granules, axes: axes(names), dtype: dtype)
    }

    private func granule(_ size: Int, _ axis: String?) -> Int? { axis.map { _ in GraphAxis.sixteenth(size) } }

    private func axes(_ names: [String?]) -> [String?] { names.contains { $0 != nil } ? names : [] }
}

extension ProgramBuilder {
    /// `dot` over one dimension.
    mutating func linear(_ x: Program.ValueID, _ weight: Program.ValueID, dtype: DType? = nil) -> Program.ValueID {
        add(.dot, [x, weight], ["contract": .int(1)], dtype: dtype)
    }

    /// `dot` over heads and their elements.
    mutating func merge(_ x: Program.ValueID, _ weight: Program.ValueID) -> Program.ValueID {
        add(.dot, [x, weight], ["contract": .int(2)])
    }

    /// The value in the activation type.
    mutating func toActivation(_ x: Program.ValueID) -> Program.ValueID {
        type(of: x).dtype == activation ? x : add(.cast, [x])
    }

    /// A point-wise function.
    mutating func activate(_ x: Program.ValueID, _ kind: String) -> Program.ValueID {
        add(.activation, [x], ["kind": .text(kind)])
    }

    /// Scaled dot-product attention with heads next to last and their elements last.
    mutating func attend(
        _ query: Program.ValueID, _ key: Program.ValueID, _ value: Program.ValueID, queryDims: Int, keyDims: Int,
        isCausal: Bool = false
    ) -> Program.ValueID {
        let headSize = type(of: query).sizes.last ?? 1
        return add(
            .attention, [query, key, value],
            [
                "queryDims": .int(queryDims), "keyDims": .int(keyDims), "causal": .int(isCausal ? 1 : 0),
                "scale": .float(1 / Double(headSize).squareRoot()),
            ])
    }

    /// An input with the dimensions of `sizes`; those with an axis name are split at `granules`, by default 1.
    mutating func input(
        _ name: String, _ dtype: DType, _ sizes: [Int], axes: [String?], granules: [Int?] = [], isResident: Bool = false
    ) -> Program.ValueID {
        let dims = sizes.enumerated().map { index, size in
            let granule = granules.indices.contains(index) ? granules[index] : nil
            return axes[index] == nil ? Dim(size) : Dim(size, granule: granule ?? 1)
        }
        return input(name, TensorType(dtype, dims), axes: axes, isResident: isResident)
    }
}
