#pragma once
#include <stddef.h>
#include <stdint.h>

// Data movement: blocks of elements with any strides.

/// Copies runs of `run` bytes; `rank` loops around them, outermost first, with strides in bytes, of which the source's
/// may be 0 (the same run again) or negative. Runs of 1, 2, 4, 8 and 16 bytes and matrices of them that are transposed
/// have loops of their own. Source and destination do not overlap.
void tk_move(void *out, const void *in, size_t run, size_t rank, const ptrdiff_t *extents,
             const ptrdiff_t *in_strides, const ptrdiff_t *out_strides);

/// `count` times the element of `size` bytes (1, 2 or 4) at `element`.
void tk_fill(void *out, const void *element, size_t size, size_t count);

/// Numbers first, first + 1 … each `inner` times, as elements of a type.
void tk_count_up(void *out, int element, size_t first, size_t count, size_t inner);

/// One row of an enlarged picture: result column first + i has the `pixel` bytes of operand column
/// (first + i) / factor - lower.
void tk_enlarge_row(void *out, const void *in, size_t pixel, size_t first, size_t count, size_t factor, size_t lower);
