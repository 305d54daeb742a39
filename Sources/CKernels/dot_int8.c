// The int8 product: which kernel, and the quantisation and packing of weights. The loops are those of dot.c.
#include "dot_int8.h"

#include "dot_int8_quantise.h"
#include "dot_plan.h"

const tk_dot_kernel *tk_dot_s8_kernel_of(tk_isa isa) {
    if (isa == TK_AMX_EMULATED) return &tk_dot_s8_amx_emulated;
#if defined(__x86_64__)
    const unsigned features = tk_int8_features();
    if (isa >= TK_AMX && features & TK_INT8_AMX) return &tk_dot_s8_amx;
    if (isa >= TK_AVX512 && features & TK_INT8_VNNI) return &tk_dot_s8_avx512_vnni;
    if (isa >= TK_AVX2) return &tk_dot_s8_avx2;
#endif
    return &tk_dot_s8_portable;
}

// MARK: Packing
//
// As of bf16, then for each leaf the scales of the packed columns.

/// Bytes of packed weights before the scales.
static size_t weight_bytes(const tk_dot_kernel *kernel, const cut *c, size_t n) {
    return round_up(round_up(n, kernel->lane) * c->total_units * 4, 64);
}

size_t tk_dot_s8_packed_bytes(tk_isa isa, size_t n, size_t k, size_t segment) {
    const tk_dot_kernel *kernel = tk_dot_s8_kernel_of(isa);
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

void tk_dot_s8_pack(tk_isa isa, const uint16_t *w, size_t ldw, size_t n0, size_t n1, size_t n, size_t k, size_t segment,
                    void *packed) {
    const tk_dot_kernel *kernel = tk_dot_s8_kernel_of(isa);
    const cut c = tk_dot_cut(kernel, k, segment);
    char *out = (char *)packed + n0 * c.total_units * 4;
    float *scales = (float *)((char *)packed + weight_bytes(kernel, &c, n));
    for (size_t first = n0; first < n1; first += kernel->columns) {
        const size_t width = panel_columns(kernel, n, first), live = at_most(kernel->columns, n - first);
        for (size_t leaf = 0; leaf < c.leaves; leaf++) {
            const size_t length = leaf_length(&c, leaf), units = packed_units(kernel, length);
            pack_leaf(kernel, w + (first - n0) * ldw + leaf * c.segment, ldw, live, width, length, units, out,
                      scales + leaf * round_up(n, kernel->lane) + first);
            out += units * width * 4;
        }
    }
}

const float *tk_dot_s8_column_scales(const tk_dot_kernel *kernel, const void *packed, size_t n, size_t k,
                                     size_t segment) {
    const cut c = tk_dot_cut(kernel, k, segment);
    return (const float *)((const char *)packed + weight_bytes(kernel, &c, n));
}
