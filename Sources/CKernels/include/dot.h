#pragma once
#include <stddef.h>
#include <stdint.h>

#include "isa.h"

/// Element type of a buffer.
typedef enum { TK_F32 = 0, TK_BF16 = 1 } tk_dtype;

// y[m][n] = sum over k of x[m][k] * w[n][k], bf16 operands, f32 accumulation.
//
// k is cut into leaves of `segment` elements (the last may be short). Inside a leaf the order of the sum is fixed;
// leaves combine in the reduction tree (aligned blocks of 2^L leaves, left operand first), in f32. So the bits of
// y[m][n] depend only on row m of x, row n of w, k, segment and the level: not on how rows and columns are split over
// calls or threads. TK_PORTABLE, TK_AVX2 and TK_AVX512 add the products of a leaf in ascending order of k, each
// product exact and each sum rounded, and agree bit for bit. One call covers the k range of one node of a tree.

/// Bytes of the packed form of n x k weights, as the level's kernel reads it.
size_t tk_dot_packed_bytes(tk_isa isa, size_t n, size_t k, size_t segment);

/// Packs rows [n0, n1) of bf16 weights [n][k]; n0 is a multiple of the column block, n1 likewise or n. w points to row
/// n0, rows are `ldw` elements apart; packed is that of all rows and should be 64-byte aligned (speed only).
void tk_dot_pack(tk_isa isa, const uint16_t *w, size_t ldw, size_t n0, size_t n1, size_t n, size_t k, size_t segment,
                 void *packed);

/// Bytes of scratch that a thread needs for `tk_dot_bf16` on at most m rows and n columns.
size_t tk_dot_scratch_bytes(tk_isa isa, size_t m, size_t n, size_t k, size_t segment);

/// Columns can be split between calls at multiples of this.
size_t tk_dot_column_block(tk_isa isa);

/// Computes rows [m0, m1) and columns [n0, n1) of the product. n0 is a multiple of the column block, n1 likewise or n.
/// x and out point to row 0, column 0 of the whole; ldx and ldo are the elements between rows; n is the packed matrix's
/// column count. out is f32 or bf16 (rounded once, to nearest even). scratch should be 64-byte aligned (speed only).
void tk_dot_bf16(tk_isa isa, size_t m0, size_t m1, size_t n0, size_t n1, size_t n, size_t k, size_t segment,
                 const uint16_t *x, size_t ldx, const void *packed, void *out, size_t ldo, tk_dtype out_dtype,
                 void *scratch);

/// Combines partial sums: `count` nodes of a reduction tree over `leaf_count` leaves, in leaf order, which together
/// cover one node (usually the root). nodes[i] points to `elements` f32 values of the node of level levels[i] whose
/// first leaf is firsts[i]. Adds in f32 and rounds once to out_dtype. out may be nodes[0] where out_dtype is f32.
void tk_tree_combine(const float *const *nodes, const uint8_t *levels, const size_t *firsts, size_t count,
                     size_t leaf_count, size_t elements, void *out, tk_dtype out_dtype);
