#pragma once
#include <stddef.h>
#include <stdint.h>

#include "dot.h"
#include "isa.h"

// The f32 sibling of dot.h: y[m][n] = sum over k of x[m][k] * w[n][k]. Leaves of `segment` elements, each summed in
// ascending order of k with fused multiply-add (TK_AVX2 and above; they agree bit for bit) or with separate rounding
// (TK_PORTABLE), combined in the reduction tree. An element's bits depend on its own row and column only.

/// Columns of a panel; columns can be split between calls at multiples of it.
#define TK_DOT_F32_COLUMNS 32

/// Bytes of the packed form of n x k weights. It serves any segment and any range of k.
size_t tk_dot_f32_packed_bytes(size_t n, size_t k);

/// Packs rows [n0, n1) of w[n][k], rows `ldw` elements apart (f32 or bf16); w points to row n0. n0 is a multiple of
/// TK_DOT_F32_COLUMNS, n1 likewise or n. Rows beyond n are zero.
void tk_dot_f32_pack(const void *w, tk_dtype dtype, size_t ldw, size_t n0, size_t n1, size_t n, size_t k,
                     float *packed);

/// Computes rows [m0, m1) and columns [n0, n1) over elements [k0, k1) of k (of a packed matrix of depth k), which are
/// one node of a reduction tree. n0 is a multiple of TK_DOT_F32_COLUMNS, n1 likewise or n. x and out point to row 0,
/// x to element k0 of it.
void tk_dot_f32(tk_isa isa, size_t m0, size_t m1, size_t n0, size_t n1, size_t k, size_t k0, size_t k1, size_t segment,
                const float *x, size_t ldx, const float *packed, void *out, size_t ldo, tk_dtype out_dtype);
