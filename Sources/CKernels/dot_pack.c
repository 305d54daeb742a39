// Packed weights: panels of the kernel's columns; in a panel leaves; in a leaf units of k; in a unit the columns, two
// elements each. Limit: one read and one write of memory; 64 instructions transpose 512 elements.
#include "dot_plan.h"
#include "numeric.h"

size_t tk_dot_packed_bytes(tk_isa isa, size_t n, size_t k, size_t segment) {
    const tk_dot_kernel *kernel = tk_dot_kernel_of(isa);
    return round_up(n, kernel->lane) * tk_dot_cut(kernel, k, segment).total_units * 4;
}

/// Sixteen pairs of sixteen columns, transposed in registers: four rounds of swapping.
typedef uint32_t pairs16 __attribute__((vector_size(64)));

#define SWAP(step, ...)                                                                                  \
    UNROLLED for (int i = 0; i < 16; i++) {                                                              \
        if (i & (step)) continue;                                                                        \
        const pairs16 a = m[i], b = m[i + (step)];                                                       \
        m[i] = __builtin_shufflevector(a, b, __VA_ARGS__);                                               \
        m[i + (step)] = __builtin_shufflevector(a, b, SECOND##step);                                     \
    }
#define FIRST1 0, 16, 2, 18, 4, 20, 6, 22, 8, 24, 10, 26, 12, 28, 14, 30
#define SECOND1 1, 17, 3, 19, 5, 21, 7, 23, 9, 25, 11, 27, 13, 29, 15, 31
#define FIRST2 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29
#define SECOND2 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31
#define FIRST4 0, 1, 2, 3, 16, 17, 18, 19, 8, 9, 10, 11, 24, 25, 26, 27
#define SECOND4 4, 5, 6, 7, 20, 21, 22, 23, 12, 13, 14, 15, 28, 29, 30, 31
#define FIRST8 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23
#define SECOND8 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31

/// Packs `pairs` pairs, a multiple of 16, of 16 columns.
TK_CLONES static void pack_block(const uint16_t *w, size_t ldw, size_t width, size_t pairs, char *out) {
    for (size_t p = 0; p < pairs; p += 16) {
        pairs16 m[16];
        UNROLLED for (int i = 0; i < 16; i++) memcpy(&m[i], w + (size_t)i * ldw + p * 2, 64);
        SWAP(1, FIRST1) SWAP(2, FIRST2) SWAP(4, FIRST4) SWAP(8, FIRST8)
        UNROLLED for (int i = 0; i < 16; i++) memcpy(out + (p + (size_t)i) * width * 4, &m[i], 64);
    }
}

/// Packs one leaf of a panel: `length` elements of `live` rows of w.
static void pack_leaf(const uint16_t *w, size_t ldw, size_t live, size_t width, size_t length, size_t pairs,
                      char *out) {
    enum { BLOCK = 64 }; // pairs; their packed form fits the first-level cache
    for (size_t first = 0; first < pairs; first += BLOCK) {
        const size_t end = at_most(pairs, first + BLOCK), whole = at_most(end, length / 2);
        for (size_t c = 0; c < width; c++) {
            size_t p = first;
            if (c < live) {
                const uint16_t *row = w + c * ldw;
                // So many rows are more streams than the processor follows by itself.
                for (size_t line = 0; line < BLOCK / 16; line++) __builtin_prefetch(row + (end + line * 16) * 2, 0, 2);
                // Whole blocks: with the first of their columns.
                const size_t blocks = c / 16 * 16 + 16 <= live ? (whole - at_most(first, whole)) / 16 * 16 : 0;
                if (c % 16 == 0 && blocks) pack_block(row + p * 2, ldw, width, blocks, out + (p * width + c) * 4);
                p += blocks;
                for (; p < whole; p++) memcpy(out + (p * width + c) * 4, row + p * 2, 4);
                if (p < end && p * 2 < length) {
                    const uint16_t pair[2] = {row[p * 2], 0};
                    memcpy(out + (p++ * width + c) * 4, pair, 4);
                }
            }
            for (; p < end; p++) memset(out + (p * width + c) * 4, 0, 4);
        }
    }
}

void tk_dot_pack(tk_isa isa, const uint16_t *w, size_t ldw, size_t n0, size_t n1, size_t n, size_t k, size_t segment,
                 void *packed) {
    const tk_dot_kernel *kernel = tk_dot_kernel_of(isa);
    const cut c = tk_dot_cut(kernel, k, segment);
    char *out = (char *)packed + n0 * c.total_units * 4;
    for (size_t first = n0; first < n1; first += kernel->columns) {
        const size_t width = panel_columns(kernel, n, first), live = at_most(kernel->columns, n - first);
        for (size_t leaf = 0; leaf < c.leaves; leaf++) {
            const size_t length = leaf_length(&c, leaf), pairs = packed_units(kernel, length);
            pack_leaf(w + (first - n0) * ldw + leaf * c.segment, ldw, live, width, length, pairs, out);
            out += pairs * width * 4;
        }
    }
}
