#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "dot.h"

#define TK_INLINE static inline __attribute__((always_inline))
#define UNROLLED _Pragma("clang loop unroll(full)")

/// One call of a micro kernel: a part of one leaf for one tile of the result.
///
/// tile = init + sum over the part; then for each merge in order tile = merge + tile; then it is stored. Tiles in
/// memory are row-major f32 with the kernel's full column count between rows. In an int8 product the sum of a leaf is
/// scaled before the merges: (float)sum * (row scale * column scale).
typedef struct {
    const char *x;             // staged rows: per step, `rows` of the kernel times 64 bytes
    const char *w;             // packed columns: per unit of k, the panel's columns times four bytes
    size_t k;                  // elements in the part; a whole number of steps unless the leaf ends
    const float *init;         // NULL for zero
    const float *const *merge; // left operands of the tree, nearest first
    size_t merges;
    float *store;
    const char *prefetch;  // what the next tiles read, or NULL
    size_t prefetch_lines; // 64-byte lines to prefetch in each step
    // int8 only. A sum is an integer until its leaf ends; init and store are then tiles of int32.
    const int32_t *row_starts;  // what the sums of a row start from where there is no init
    const float *row_scales;    // one a row of the tile, for the leaf; NULL where the part does not end the leaf
    const float *column_scales; // one a column of the tile, for the leaf
} tk_tile;

/// A level's micro kernel and the sizes of the loops around it.
typedef struct {
    size_t rows;        // of a tile
    size_t columns;     // of a tile, and of a panel of packed weights
    size_t lane;        // a panel's columns are a multiple of this (the last panel may be narrower)
    size_t row_quantum; // staged rows are zero-filled to a multiple of this
    size_t staged;      // bytes of an element of x as staged: a step is 64 bytes of it
    size_t unit;        // elements of k in four bytes of packed weights: 2 of bf16, 4 of int8
    bool pad_steps;     // packed leaves are zero-filled to whole steps, else to whole units
    bool biased;        // int8 only: packed weights are unsigned, 128 greater; sums start at -128 times the row's sum
    bool paired;        // int8 only: of 8 columns the first two elements of a unit stand before the other two
    size_t block_m;     // rows for which x is staged at a time
    size_t block_n;     // columns whose tiles are live at a time where k is cut into blocks
    size_t block_k;     // elements of k before the next panel of weights
    size_t resident;    // bytes of staged x that stay in the second-level cache; 0: as many as block_m rows have
    void (*begin)(void);
    void (*end)(void);
    void (*tile)(const tk_tile *tile, size_t rows, size_t columns);
    void (*emit)(const float *tile, size_t rows, size_t columns, void *out, size_t ldo, tk_dtype dtype);
} tk_dot_kernel;

extern const tk_dot_kernel tk_dot_portable;
extern const tk_dot_kernel tk_dot_amx_emulated;
extern const tk_dot_kernel tk_dot_s8_portable;
extern const tk_dot_kernel tk_dot_s8_amx_emulated;
#if defined(__x86_64__)
extern const tk_dot_kernel tk_dot_avx2;
extern const tk_dot_kernel tk_dot_avx512;
extern const tk_dot_kernel tk_dot_avx512_bf16;
extern const tk_dot_kernel tk_dot_amx;
extern const tk_dot_kernel tk_dot_s8_avx2;
extern const tk_dot_kernel tk_dot_s8_avx512_vnni;
extern const tk_dot_kernel tk_dot_s8_amx;
#endif

/// The four bytes of a unit of k, or any others.
TK_INLINE int32_t tk_load32(const void *p) {
    int32_t value;
    memcpy(&value, p, sizeof value);
    return value;
}

/// Rounds to bf16, nearest even; a NaN stays a quiet NaN.
TK_INLINE uint16_t tk_round_bf16(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    const uint32_t rounded = (bits + 0x7FFF + (bits >> 16 & 1)) >> 16;
    const uint32_t quiet = bits >> 16 | 0x40;
    return (uint16_t)((bits & 0x7FFFFFFF) > 0x7F800000 ? quiet : rounded);
}

/// Writes a tile's rows to the result; written once, compiled for each level by its `emit`.
TK_INLINE void tk_emit_rows(const float *tile, size_t stride, size_t rows, size_t columns, void *out, size_t ldo,
                            tk_dtype dtype) {
    for (size_t r = 0; r < rows; r++, tile += stride) {
        if (dtype == TK_F32) {
            memcpy((float *)out + r * ldo, tile, columns * sizeof(float));
        } else {
            uint16_t *row = (uint16_t *)out + r * ldo;
            for (size_t c = 0; c < columns; c++) row[c] = tk_round_bf16(tile[c]);
        }
    }
}

/// Prefetches a step's share of what comes next into the second-level cache.
TK_INLINE const char *tk_prefetch(const char *p, size_t lines) {
#pragma clang loop unroll(disable)
    for (size_t i = 0; i < lines; i++) __builtin_prefetch(p + i * 64, 0, 2);
    return p + lines * 64;
}
