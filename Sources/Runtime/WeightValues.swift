public import Program
public import Tensor

/// Whole weights outside of programs, for saving them.
public enum WeightValues {
    /// All values of a weight as a file holds them: dense, row-major in ``ParameterSpec/fileDims``.
    ///
    /// - Parameter dtype: f32 or bf16, to which values are rounded.
    /// - Throws: ``WeightError``.
    public static func fileBytes(
        of spec: ParameterSpec, as dtype: DType, from source: ParameterSource
    ) throws(WeightError) -> [UInt8] {
        var whole = spec
        whole.view = spec.fileDims
        whole.permutation = Array(spec.fileDims.indices)
        let reader = try WeightReader(
            slice: ParameterSlice(spec: whole, dtype: dtype, box: Box(covering: spec.fileDims)), channelsLast: false)
        var bytes = [UInt8](repeating: 0, count: reader.byteCount)
        do {
            try bytes.withUnsafeMutableBytes { buffer in
                guard let base = buffer.baseAddress else { return }
                try reader.read(source, into: base)
            }
        } catch let error as WeightError {
            throw error
        } catch {
            preconditionFailure("reading a weight throws weight errors only")
        }
        return bytes
    }
}
