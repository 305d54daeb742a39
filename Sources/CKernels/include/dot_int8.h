#pragma once
#include <stddef.h>
#include <stdint.h>

#include "dot.h"
#include "isa.h"

// The int8 sibling of dot.h: y[m][n] = sum over k of x[m][k] * w[n][k], bf16 operands, multiplied as int8.
//
// k is cut into leaves of `segment` elements. In every leaf each row of w (once, when packed) and each row of x (at
// every call) is quantised by itself, symmetrically: with `a` the greatest magnitude in the leaf, scale = a / 127 and
// q = round(v * (127 / a)), ties to even. A leaf's sum of products is an exact integer; it becomes the f32 number
// (float)sum * (row scale * column scale), and leaves combine in the reduction tree as in dot.h. So bits depend on row
// m of x, row n of w, k and segment alone, and all levels agree bit for bit.
//
// A leaf whose greatest magnitude is below 2^-100 counts as zero; one with an infinity or a NaN makes its results NaN.

/// The longest leaf whose sums cannot leave int32: 2^17 elements (2^17 * 127 * 127 < 2^31).
#define TK_DOT_S8_SEGMENT_MAX 131072

/// Bytes of the packed form of n x k weights: about one byte a weight, and four for each row's scale in each leaf.
size_t tk_dot_s8_packed_bytes(tk_isa isa, size_t n, size_t k, size_t segment);

/// Quantises and packs rows [n0, n1) of bf16 weights [n][k]; arguments as of `tk_dot_pack`.
void tk_dot_s8_pack(tk_isa isa, const uint16_t *w, size_t ldw, size_t n0, size_t n1, size_t n, size_t k, size_t segment,
                    void *packed);

/// Bytes of scratch that a thread needs for `tk_dot_s8` on at most m rows and n columns.
size_t tk_dot_s8_scratch_bytes(tk_isa isa, size_t m, size_t n, size_t k, size_t segment);

/// Columns can be split between calls at multiples of this.
size_t tk_dot_s8_column_block(tk_isa isa);

/// Computes rows [m0, m1) and columns [n0, n1) of the product; arguments as of `tk_dot_bf16`.
void tk_dot_s8(tk_isa isa, size_t m0, size_t m1, size_t n0, size_t n1, size_t n, size_t k, size_t segment,
               const uint16_t *x, size_t ldx, const void *packed, void *out, size_t ldo, tk_dtype out_dtype,
               void *scratch);
