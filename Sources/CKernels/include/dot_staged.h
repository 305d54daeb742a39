#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dot.h"
#include "isa.h"

// The products of dot.h and dot_int8.h in two steps, for threads that split the columns among them: each row of x is
// brought into the kernel's form once, by any thread; then every thread reads that form. Same bits as in one step.

/// What both steps agree on.
typedef struct {
    tk_isa isa;
    bool is_int8;
    size_t n; // columns of the packed matrix
    size_t k, segment;
} tk_dot_shape;

/// Rows that are staged at a time of m: a product is computed in blocks of so many, the last one with fewer.
size_t tk_dot_row_block(const tk_dot_shape *shape, size_t m);

/// Bytes of the staged form of a block of `rows` rows.
size_t tk_dot_staged_bytes(const tk_dot_shape *shape, size_t rows);

/// Stages rows [r0, r1) of a block of `rows`; x points to the block's first row, its rows are `ldx` elements apart.
/// `staged` should be 64-byte aligned (speed only).
void tk_dot_stage(const tk_dot_shape *shape, size_t rows, size_t r0, size_t r1, const uint16_t *x, size_t ldx,
                  void *staged);

/// Bytes of scratch that a thread needs for `tk_dot_staged` on at most m rows and `columns` columns.
size_t tk_dot_staged_scratch_bytes(const tk_dot_shape *shape, size_t m, size_t columns);

/// Computes columns [n0, n1) of a block of `rows` staged rows; out points to row 0 of the block, column 0 of the whole.
/// The other arguments are those of `tk_dot_bf16`.
void tk_dot_staged(const tk_dot_shape *shape, size_t rows, size_t n0, size_t n1, const void *staged, const void *packed,
                   void *out, size_t ldo, tk_dtype out_dtype, void *scratch);
