// The int8 product: which kernel, and the quantisation of rows into its staged form. The loops are those of dot.c.
#include "dot_int8.h"

#include "dot_int8_quantise.h"
#include "dot_plan.h"

/// The micro kernel of a level. All give the same bits, so a level may use the one of another.
static const tk_dot_kernel *kernel_of(tk_isa isa) {
    if (isa == TK_AMX_EMULATED) return &tk_dot_s8_amx_emulated;
#if defined(__x86_64__)
    const unsigned features = tk_int8_features();
    if (isa >= TK_AMX && features & TK_INT8_AMX) return &tk_dot_s8_amx;
    if (isa >= TK_AVX512 && features & TK_INT8_VNNI) return &tk_dot_s8_avx512_vnni;
    if (isa >= TK_AVX2) return &tk_dot_s8_avx2;
#endif
    return &tk_dot_s8_portable;
}

/// Quantises elements of a row into steps `stride` bytes apart; returns their sum.
static int32_t quantise(const tk_dot_kernel *kernel, const uint16_t *x, size_t count, float inverse, char *out,
                        size_t stride) {
    if (inverse == 0) {
        for (size_t i = 0; i < count; i += step_elements(kernel), out += stride) memset(out, 0, 64);
        return 0;
    }
    return kernel->staged == 1 ? tk_quantise_s8(x, count, inverse, (int8_t *)out, stride)
                               : tk_quantise_s16(x, count, inverse, (int16_t *)out, stride);
}

/// Stages one leaf of a row: all its parts, each in its block.
static void stage_leaf(const tk_dot_kernel *kernel, const plan *p, const uint16_t *x, size_t leaf, size_t tile_rows,
                       size_t tile_row, char *out, float *scale, int32_t *start) {
    const cut *c = &p->cut;
    const size_t length = leaf_length(c, leaf), stride = kernel->rows * 64;
    const uint16_t *from = x + leaf * c->segment;
    const tk_quantum quantum = tk_quantum_of(from, length);
    int32_t sum = 0;
    for (size_t part = 0; part < p->parts; part++) {
        const block b = tk_dot_block(kernel, p, leaf / p->group * p->parts + part);
        if (!b.steps) continue;
        char *to = out + staged_offset(kernel, &b, tile_rows, tile_row) + (leaf - b.leaf0) * c->leaf_steps * stride;
        sum += quantise(kernel, from + b.part, at_most(b.length_max, length - b.part), quantum.inverse, to, stride);
    }
    *scale = quantum.scale;
    *start = kernel->biased ? -128 * sum : 0;
}

/// Zeros for one leaf of a row that pads to the row quantum.
static void stage_nothing(const tk_dot_kernel *kernel, const plan *p, size_t tile_rows, size_t tile_row, char *out) {
    for (size_t index = 0; index < p->blocks; index++) {
        const block b = tk_dot_block(kernel, p, index);
        char *to = out + staged_offset(kernel, &b, tile_rows, tile_row);
        for (size_t s = 0; s < b.steps; s++) memset(to + s * kernel->rows * 64, 0, 64);
    }
}

void tk_dot_s8_stage(const tk_dot_kernel *kernel, const plan *p, const uint16_t *x, size_t ldx, size_t rows, char *out,
                     float *scales, int32_t *starts) {
    const size_t leaves = p->cut.leaves, tile_rows = divide_up(rows, kernel->rows), height = tile_height(kernel, rows);
    for (size_t row = 0; row < round_up(rows, kernel->row_quantum); row++) {
        const size_t tile_row = row / height, place = row % height;
        char *to = out + place * 64;
        const size_t first = tile_row * leaves * kernel->rows + place;
        if (row >= rows) stage_nothing(kernel, p, tile_rows, tile_row, to);
        for (size_t leaf = 0; leaf < leaves; leaf++) {
            float *scale = scales + first + leaf * kernel->rows;
            int32_t *start = starts + first + leaf * kernel->rows;
            if (row < rows) {
                stage_leaf(kernel, p, x + row * ldx, leaf, tile_rows, tile_row, to, scale, start);
            } else {
                *scale = 0;
                *start = 0;
            }
        }
    }
}

// MARK: Packing
//
// As of bf16, then for each leaf the scales of the packed columns.

/// Bytes of packed weights before the scales.
static size_t weight_bytes(const tk_dot_kernel *kernel, const cut *c, size_t n) {
    return round_up(round_up(n, kernel->lane) * c->total_units * 4, 64);
}

size_t tk_dot_s8_packed_bytes(tk_isa isa, size_t n, size_t k, size_t segment) {
    const tk_dot_kernel *kernel = kernel_of(isa);
    const cut c = tk_dot_cut(kernel, k, segment);
    return weight_bytes(kernel, &c, n) + round_up(n, kernel->lane) * c.leaves * sizeof(float);
}

/// Writes `count` quantised elements of column c, from the first of a unit on.
static void place(const tk_dot_kernel *kernel, const int8_t *q, size_t count, size_t width, size_t c, char *out) {
    const size_t units = divide_up(count, 4);
    const int32_t bias = kernel->biased ? (int32_t)0x80808080 : 0;
    for (size_t u = 0; u < units; u++) {
        const int32_t unit = tk_load32(q + u * 4) ^ bias;
        if (kernel->paired) {
            char *to = out + u * width * 4 + c / 8 * 32 + c % 8 * 2;
            memcpy(to, &unit, 2);
            memcpy(to + 16, (const char *)&unit + 2, 2);
        } else {
            memcpy(out + (u * width + c) * 4, &unit, 4);
        }
    }
}

/// Packs one leaf of a panel.
static void pack_leaf(const tk_dot_kernel *kernel, const uint16_t *w, size_t ldw, size_t live, size_t width,
                      size_t length, size_t units, char *out, float *scales) {
    enum { BLOCK = 256 }; // elements; their packed form fits the first-level cache
    float inverses[64];
    for (size_t c = 0; c < width; c++) {
        const tk_quantum quantum = c < live ? tk_quantum_of(w + c * ldw, length) : (tk_quantum){0, 0};
        scales[c] = quantum.scale;
        inverses[c] = quantum.inverse;
    }
    for (size_t first = 0; first < units * 4; first += BLOCK) {
        const size_t end = at_most(units * 4, first + BLOCK);
        for (size_t c = 0; c < width; c++) {
            int8_t q[BLOCK] = {0};
            if (c < live && first < length && inverses[c] != 0) {
                tk_quantise_s8(w + c * ldw + first, at_most(end, length) - first, inverses[c], q, 64);
            }
            place(kernel, q, end - first, width, c, out + first * width);
        }
    }
}

void tk_dot_s8_pack(tk_isa isa, const uint16_t *w, size_t ldw, size_t n, size_t k, size_t segment, void *packed) {
    const tk_dot_kernel *kernel = kernel_of(isa);
    const cut c = tk_dot_cut(kernel, k, segment);
    char *out = packed;
    float *scales = (float *)(out + weight_bytes(kernel, &c, n));
    for (size_t n0 = 0; n0 < n; n0 += kernel->columns) {
        const size_t width = panel_columns(kernel, n, n0), live = at_most(kernel->columns, n - n0);
        for (size_t leaf = 0; leaf < c.leaves; leaf++) {
            const size_t length = leaf_length(&c, leaf), units = packed_units(kernel, length);
            pack_leaf(kernel, w + n0 * ldw + leaf * c.segment, ldw, live, width, length, units, out,
                      scales + leaf * round_up(n, kernel->lane) + n0);
            out += units * width * 4;
        }
    }
}

// MARK: Product

size_t tk_dot_s8_scratch_bytes(tk_isa isa, size_t m, size_t n, size_t k, size_t segment) {
    return tk_dot_scratch_of(kernel_of(isa), m, n, k, segment);
}

size_t tk_dot_s8_column_block(tk_isa isa) { return kernel_of(isa)->columns; }

void tk_dot_s8(tk_isa isa, size_t m0, size_t m1, size_t n0, size_t n1, size_t n, size_t k, size_t segment,
               const uint16_t *x, size_t ldx, const void *packed, void *out, size_t ldo, tk_dtype out_dtype,
               void *scratch) {
    const tk_dot_kernel *kernel = kernel_of(isa);
    const cut c = tk_dot_cut(kernel, k, segment);
    const tk_dot_call call = {.kernel = kernel, .n = n, .x = x, .ldx = ldx, .packed = packed,
                              .column_scales = (const float *)((const char *)packed + weight_bytes(kernel, &c, n)),
                              .out = out, .ldo = ldo, .dtype = out_dtype, .scratch = scratch};
    tk_dot_product(&call, m0, m1, n0, n1, k, segment);
}
