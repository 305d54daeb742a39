#pragma once
#include <stddef.h>
#include <stdint.h>

#include "dot.h"

/// Tells the processor that this thread spins.
static inline void tk_spin_hint(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/// Copies runs of `run` bytes; `rank` loops around them, outermost first, with strides in bytes.
void tk_copy_box(void *out, const void *in, size_t run, size_t rank, const ptrdiff_t *extents,
                 const ptrdiff_t *in_strides, const ptrdiff_t *out_strides);

/// Copies `count` values, converting between f32 and bf16 (to nearest even).
void tk_convert(void *out, tk_dtype out_dtype, const void *in, tk_dtype in_dtype, size_t count);

/// out[i] = the greater of out[i] and in[i].
void tk_max_combine(float *out, const float *in, size_t count);

/// Arg-max triples (score, index, payload): keeps the greater score, on ties the lower index.
void tk_argmax_combine(float *out, const float *in, size_t triples);

/// Adds `count` leaves of `elements` values each, `stride` floats apart, in the reduction tree of `count` leaves whose
/// first is the left-most of an aligned block. Destroys the leaves; the sum is left in leaf 0.
void tk_tree_fold(float *leaves, size_t count, size_t stride, size_t elements);
