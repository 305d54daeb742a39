/// The operations.
///
/// Each has a shape rule (``ShapeRule``), a sharding rule (`Sharding`) and a kernel (`Runtime`).
///
/// Written as `name(operands) {attributes} -> result`. Dimensions in capitals; `…` stands for any number of leading
/// dimensions; pictures and feature maps are channels-last (`…, Y, X, C`). Unless said otherwise every operation reads
/// f32 or the activation type (f32 or bf16), computes in f32 and rounds its result once, to the result's type.
public enum Opcode: String, Sendable, Hashable, CaseIterable {
    // MARK: Sources

    /// `() {name} -> [...]`: a weight (see ``ParameterSpec``).
    case parameter
    /// `() {name} -> [...]`: given by the caller, or resident from an earlier program of the request.
    case input
    /// `() {value: number} -> [...]`, declared dimensions and element type: every element is the value. Costs nothing in
    /// any sharding.
    case constant
    /// `() {dim} -> [...]`, declared dimensions and element type (f32, bf16 or i32): the index along a dimension.
    case iota

    // MARK: Contractions and lookups

    /// `(x[…, K…], w[N…, K…]) {contract: number of trailing K dimensions, precision: int8 optional} -> […, N…]`: sum of
    /// products over K. Segments along the first K dimension; K is contiguous in both operands. With `precision` int8,
    /// of bf16 operands: every row of either operand is quantised segment by segment, symmetrically to -127 ... 127 by
    /// its greatest magnitude there; a segment's products are summed exactly, times both scales in f32. A parameter
    /// is quantised when it is loaded and kept as int8 (``StoredWeight``).
    case dot
    /// `(a, b) {lhsBatch, rhsBatch, lhsContract, rhsContract: lists of dimensions, which pair up} -> [batch…, a's other
    /// dimensions…, b's other dimensions…]`: sum of products over the contracted dimensions. Segments along the first
    /// entry of lhsContract; batch dimensions are in the order of lhsBatch. Contracting nothing is the outer product.
    case dotGeneral
    /// `(table[V, D…], ids[…] i32) -> […, D…]`: rows of a table. V is a reduction (sum) factor: a device that does not
    /// hold an id contributes zeros.
    case gather
    /// `(x[A…, S, D], index[A…] i32) -> [A…, D]`: one row of each sequence.
    case takeRow

    // MARK: Element-wise

    /// `(a, b) -> a.dims`: b broadcasts from the right (its dims equal a's trailing dims, or are 1).
    case add
    /// `(a, b) -> a.dims`: as ``add``.
    case multiply
    /// `(x) {kind: silu | gelu | geluTanh | quickGelu} -> x.dims`. gelu is x·Φ(x) by erf; quickGelu x·σ(1.702x).
    case activation
    /// `(x[…, 2, F]) -> […, F]`: GEGLU, `x[…,0,:] * gelu(x[…,1,:])` (value first, then gate).
    case gatedGelu
    /// `(x[A…, B…, C], s[A…, 2, C]) -> x.dims`: `x * (1 + s[…,0,:]) + s[…,1,:]`; B broadcasts. Adaptive norm (FiLM).
    case modulate
    /// `(x) -> x.dims`: change of element type only (f32, bf16, i32, u8). To an integer: toward zero, out of range to the
    /// nearest end, NaN to 0.
    case cast
    /// `(x) {kind: exp | log | tanh | logistic | rsqrt | sqrt | negate | abs} -> x.dims`; logistic is 1 / (1 + e^-x).
    case unary
    /// `(a, b) {kind: add | subtract | multiply | divide | maximum | minimum} -> a.dims`: equal shapes. Two i32 operands
    /// give i32 (wrapping; division toward zero, by zero 0), all others are real.
    case binary
    /// `(a, b) {direction: eq | ne | lt | le | gt | ge} -> u8`: 1 or 0; equal shapes; both real, both i32 or both u8.
    case compare
    /// `(pred u8, a, b) -> a.dims`: a where pred is not 0, else b; equal shapes and, in a and b, element types.
    case select
    /// `(x) -> x`: nothing, but carries logical axes: a sharding constraint on a value.
    case annotate

    // MARK: Movement
    //
    // The result has the operand's element type. Where dimensions change size an optional attribute `granules` gives the
    // granule of each of the result's dimensions; without it they follow from the operand's as said. "Never split" stays
    // so.

    /// `(a[…], b[…], …) {dim optional: the last} -> …`: the operands one after the other along a dimension. Without dim
    /// that dimension is never split; with it, its granule is the greatest common divisor of the operands'.
    case concat
    /// `(x) {sizes, dims: dims[i] is the result's dimension of operand dimension i, ascending, granules} -> sizes`:
    /// operand dimensions have the result's size or 1; granules of the former are kept, others are 1.
    case broadcast
    /// `(x) {permutation} -> …`: result dimension i is operand dimension permutation[i].
    case transpose
    /// `(x) {sizes, granules} -> sizes`: the same elements in row-major order. Default granules: the finest at which cuts
    /// of the operand and of the result are the same elements.
    case reshape
    /// `(x) {start, limit, strides optional, granules} -> ceil((limit - start) / strides)`. Default granules: the
    /// operand's, divided by the stride where it divides.
    case slice
    /// `(x) {low, high, granules} -> low + size + high`: zeros around. Default granules: the operand's.
    case pad
    /// `(x) {dims} -> x.dims`: index i becomes size - 1 - i.
    case reverse
    /// `(x, i0, i1, … i32 scalars) {sizes, granules} -> sizes`: a part whose start is known at run time only, one index a
    /// dimension, clamped to `0...(size - sizes)`. Default granules: the operand's. Dimensions that are cut are whole in
    /// the operand.
    case dynamicSlice
    /// `(x, update, i0, i1, … i32 scalars) -> x.dims`: x with a part replaced, indices as in ``dynamicSlice``.
    /// Dimensions in which the update is smaller than x are whole in the update.
    case dynamicUpdate
    /// `(x) {dim} -> x.dims`: ascending along a dimension; NaN last. Real or i32.
    case sort
    /// `(v[…, N]) {width: even, maxPeriod} -> […, N*width]`: per number v: cos(v·f_i) for i < width/2, then sin(v·f_i),
    /// `f_i = maxPeriod^(-i/(width/2))` ("Attention Is All You Need" §3.5, cosine first).
    case sinusoid

    // MARK: Normalisation

    /// `(x[…, C], w[C]) {eps} -> x.dims`: `x / sqrt(mean(x²) + eps) * w`.
    case rmsNorm
    /// `(x[…, C], w[C], b[C] optional) {eps} -> x.dims`: layer normalisation over C.
    case layerNorm
    /// `(x) {dims: reduced dimensions, kind: sum | sumSquares | sumSqrt | max | min} -> remaining dims, f32`. Segments
    /// along the first (lowest) reduced dimension. sumSqrt adds square roots of the elements. A maximum of nothing is -∞,
    /// a minimum ∞.
    case reduce
    /// `(x[…, Y, X, C]) {groups} -> […, groups] f32`: sum over Y, X and the channels of a group. Segments along Y.
    case groupSum
    /// `(x[…, Y, X, C], sum[…, groups]) {groups, count} -> […, groups] f32`: sum of squared distances from the mean
    /// `sum / count`; count is the number of elements in a group of the whole picture. Segments along Y.
    case groupSquares
    /// `(x[…, Y, X, C], sum[…, groups], squares[…, groups], w[C], b[C]) {groups, count, eps, activation: none | silu}`
    /// `-> x.dims`: group normalisation ("Group Normalization", eq. 1 to 7), then the activation.
    case groupNormalize
    /// `(x[A…, Y, X, C], squares[A…, C] f32, norms[A…] f32, gamma[C], beta[C]) {channels, eps} -> x.dims`: global
    /// response normalisation (ConvNeXt V2, alg. 1): `n = sqrt(squares) / (norms / channels + eps)`,
    /// `gamma * x * n + beta + x`.
    case globalResponseNorm

    // MARK: Attention

    /// `(q[A…, Q…, H, D], k[A…, K…, H, D], v[A…, K…, H, D]) {queryDims, keyDims, causal: 0 | 1, scale} -> q.dims`:
    /// softmax(scale · q kᵀ) v over all positions of K… (row-major), per head. queryDims and keyDims are the numbers of
    /// dimensions in Q… and K…. Where all three are bf16, exponentials are rounded to bf16 before they multiply v, and
    /// summed up as rounded.
    case attention

    // MARK: Pictures

    /// `(x[…, Y, X, Ci], w[Co, Ci, kh, kw], b[Co]) {stride, padLow, padHigh, upsample: 1 | 2} -> […, Y', X', Co]`:
    /// cross-correlation with zero padding on a picture first enlarged by `upsample` (nearest).
    /// `Y' = (Y·upsample + padLow + padHigh - kh) / stride + 1`.
    case conv
    /// `(x[…, Y, X, Ci], w[kh, kw, Ci / groups, Co]) {strides[2], padLow[2], padHigh[2], groups, dilation[2], granules}`
    /// `-> […, Y', X', Co]`: cross-correlation with zero padding on a picture between whose rows and columns
    /// `dilation - 1` zeros stand (more than 1: a transposed convolution).
    /// `Y' = ((Y - 1)·dilation + 1 + padLow + padHigh - kh) / stride + 1`. Result channel c reads group
    /// `c / (Co / groups)`. With one group Ci is a reduction factor: segments along Ci, in each of which kh, kw and
    /// channels are summed. Default granules of rows and columns: granule · dilation / stride where that is whole and not
    /// 0, else the operand's.
    case convGeneral
    /// `(x[…, Y, X, C]) {window[2], strides[2], padLow[2], padHigh[2], granules} -> […, Y', X', C]`: maximum of a window;
    /// padding does not take part (-∞). Sizes and granules as in ``convGeneral``.
    case maxPool
    /// `(x[…, Y, X, C]) {factor, granules} -> […, Y·factor, X·factor, C]`: nearest. Default granules: times the factor.
    case resize
    /// `(x[…, Y, X, C], w[C, 3, 3]) -> x.dims`: depthwise 3x3 cross-correlation, zero padding of 1.
    case depthwiseConv
    /// `(x[…, Y, X, C]) -> […, Y/2, X/2, C, 2, 2]`: 2x2 blocks into channels (dy, dx last).
    case spaceToDepth
    /// `(x[…, Y, X, 2, 2, C]) -> […, 2Y, 2X, C]`: the inverse, with blocks (dy, dx) before the channels.
    case depthToSpace
    /// `(x[…]) -> u8`: `round(clamp(x, 0, 1) * 255)`, ties to even.
    case pixels
    /// `(z[…, C], codebook[V, C]) -> […, 3] f32`: nearest code by Euclidean distance as an arg-max triple
    /// (score = -distance², index, 0). V is a reduction (arg-max) factor; ties go to the lower index.
    case nearestCode

    // MARK: Sampling

    /// `(logits[2, B, …], scale[B] f32) -> [B, …] f32`: classifier-free guidance, `l0 + scale·(l1 - l0)`; row 0 is the
    /// unconditional half. With one row (guidance off) the row itself.
    case guide
    /// `(logits[…, V], max[…]) -> […] f32`: sum of exp(logit - max). Segments along V.
    case sumExp
    /// `(logits[B, Y, X, V] f32, noise) {noise: generated | given | none} -> [B, Y, X, 3] f32`: Gumbel arg-max triple
    /// (score, index, logit), `score = logit - log(q)`, q exponential noise. noise operand: generated: rng[B, 4] i32
    /// (seed low, seed high, image, step); given: q[B, Y, X, V] f32; none: absent, score = logit. V is a reduction
    /// (arg-max) factor; ties go to the lower index.
    case choose
    /// `(x) {dim} -> [remaining…, 3] f32`: arg-max triples (greatest value, its index, 0). dim is a reduction (arg-max)
    /// factor; ties go to the lower index.
    case argMax
    /// `(x[…, V]) {k} -> […, k, 2] f32`: the k greatest values with their indices, descending; ties: lower index first.
    /// V is no reduction factor, but a device's part of V gives its own candidates with whole-value indices: its result
    /// is the box `[…, i·k..<(i+1)·k, 2]` of `[…, n·k, 2]` for n parts, short ones filled with (-∞, 2²⁴); ``mergeTopK``
    /// makes the result of all parts.
    case topK
    /// `(candidates[…, N, 2] f32) {k} -> […, k, 2] f32`: the k best of N pairs (value, index), ordered as in ``topK``.
    case mergeTopK
    /// `(choice[…, 3]) -> […] i32`: the index of an arg-max triple.
    case choiceIndex
    /// `(tokens[…] i32, choice[…, 3]) {maskToken} -> […] i32`: the chosen index where the token was masked, else it.
    case acceptTokens
    /// `(tokens[B, Y, X] i32, choice[B, Y, X, 3], max[B, Y, X], sumExp[B, Y, X], temperature[B] f32, noise)`
    /// `{maskToken, noise: generated | given | none} -> [B, Y, X] f32`: `log(max(p, 1e-20)) + temperature · g`, p the
    /// softmax probability of the choice, g Gumbel noise (generated: rng[B, 4]; given: g[B, Y, X]; none: absent, 0);
    /// tokens that were not masked get the probability 3.4028235e38.
    case confidence
    /// `(sampled[B, Y, X] i32, confidence[B, Y, X], maskCount[B] i32) {maskToken} -> [B, Y, X] i32`: with the picture's
    /// confidences sorted ascending and `cut = sorted[maskCount]`, positions with `confidence < cut` become masked
    /// (MaskGIT, alg. in §3.2). A negative maskCount keeps everything (the last step).
    case remask
}
