import CKernels

/// Takes a closure apart into its function and its context (`tk_loop_take` in C, by Swift's calling convention).
@_silgen_name("tk_loop_take")
func takeLoopBody(_ body: (_ index: Int, _ thread: Int) -> Void, _ out: UnsafeMutablePointer<tk_loop_body>)
