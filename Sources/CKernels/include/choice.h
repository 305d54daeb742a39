#pragma once
#include <stddef.h>
#include <stdint.h>

#include "arithmetic.h"

// The greatest, the k greatest, and all in order. NaN counts as -infinity where something is chosen.

/// Index of an arg-max triple, or of a pair, that nothing was chosen for: 2^24.
#define TK_NO_INDEX 16777216.0f

/// Arg-max triples (value, index, 0) of `inner` columns of `count` rows; row r has index first + r. x points to the
/// first row, rows are `inner` elements apart. The lower index on ties.
void tk_arg_max(float *out, const void *x, tk_dtype dtype, size_t offset, size_t count, size_t inner, size_t first);

/// The k greatest of `count` values from element `offset` as pairs (value, index), descending, lower index first on
/// ties; value i has index first + i. Too few are filled with (-infinity, TK_NO_INDEX).
void tk_top_k(float *out, size_t k, const void *x, tk_dtype dtype, size_t offset, size_t count, size_t first);

/// The k best of `count` pairs, in the same order.
void tk_merge_top_k(float *out, size_t k, const float *pairs, size_t count);

/// Sorts one line of `count` elements (f32, bf16 or i32) `stride` elements apart, ascending, NaN last. scratch:
/// 2 * count words.
void tk_sort_line(void *out, const void *in, tk_element element, size_t count, size_t stride, uint32_t *scratch);
