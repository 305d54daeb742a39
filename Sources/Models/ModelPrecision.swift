public import Tensor

/// What a model computes in.
public enum ModelPrecision: String, Sendable, Hashable, CaseIterable {
    /// bf16 weights and activations, f32 sums.
    case bf16
    /// As bf16, but products with weights are of int8: a scale for each row of weights, and one for each row of
    /// activations at every call. The picture tokenizer stays bf16.
    case int8
    /// f32 throughout: the reference.
    case f32

    /// Element type of activations, and of weights as programs see them.
    public var activation: DType { self == .f32 ? .f32 : .bf16 }
}
