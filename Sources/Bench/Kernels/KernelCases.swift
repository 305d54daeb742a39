public import Runtime
public import Tensor

/// A matrix product `[rows, depth] x [depth, columns]` to measure.
public struct ProductCase: Sendable, Hashable, CustomStringConvertible {
    /// What it is computed in; int8 is bf16 multiplied as int8.
    public var arithmetic: MachineLimit.Arithmetic
    /// Rows of the left side.
    public var rows: Int
    /// Columns of the left side.
    public var depth: Int
    /// Columns of the result.
    public var columns: Int

    /// Makes a case.
    public init(_ arithmetic: MachineLimit.Arithmetic, rows: Int, depth: Int, columns: Int) {
        precondition(rows >= 1 && depth >= 1 && columns >= 1, "a product has rows and columns")
        self.arithmetic = arithmetic
        self.rows = rows
        self.depth = depth
        self.columns = columns
    }

    /// Operations; a multiply-add counts as two.
    public var operations: Int { 2 * rows * depth * columns }

    /// Bytes of the weights, as they are kept (scales of int8 left out).
    public var weightBytes: Int {
        switch arithmetic {
        case .f32: 4 * depth * columns
        case .bf16: 2 * depth * columns
        case .int8: depth * columns
        }
    }

    /// `bf16 512 x 2048 x 8192`: rows, depth, columns.
    public var description: String { "\(arithmetic.rawValue) \(rows) x \(depth) x \(columns)" }
}

/// Fused attention of all heads to measure.
public struct AttentionCase: Sendable, Hashable, CustomStringConvertible {
    /// Element type of queries, keys and values.
    public var dtype: DType
    /// Positions that ask.
    public var queries: Int
    /// Positions asked.
    public var keys: Int
    /// Heads.
    public var heads: Int
    /// Elements of a head.
    public var headSize: Int

    /// Makes a case.
    public init(_ dtype: DType, queries: Int, keys: Int, heads: Int, headSize: Int) {
        precondition(queries >= 1 && keys >= 1 && heads >= 1 && headSize >= 1, "attention has positions and heads")
        self.dtype = dtype
        self.queries = queries
        self.keys = keys
        self.heads = heads
        self.headSize = headSize
    }

    /// Operations of both products; a multiply-add counts as two.
    public var operations: Int { 4 * queries * keys * heads * headSize }

    /// `bf16 256 x 256, 16 heads of 128`.
    public var description: String { "\(dtype.rawValue) \(queries) x \(keys), \(heads) heads of \(headSize)" }
}
