import CKernels

/// The instruction-set level that kernels are chosen by.
public enum InstructionSet {
    /// Name of the level of this process: what processor and system offer, lowered by `TESSERA_ISA`.
    public static var current: String { String(cString: tk_isa_name(tk_best_isa())) }
}
