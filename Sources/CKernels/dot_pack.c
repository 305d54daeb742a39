// Packed weights: panels of the kernel's columns; in a panel leaves; in a leaf units of k; in a unit the columns, two
// elements each. Limit: one read and one write of memory.
#include "dot_plan.h"

size_t tk_dot_packed_bytes(tk_isa isa, size_t n, size_t k, size_t segment) {
    const tk_dot_kernel *kernel = tk_dot_kernel_of(isa);
    return round_up(n, kernel->lane) * tk_dot_cut(kernel, k, segment).total_units * 4;
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

void tk_dot_pack(tk_isa isa, const uint16_t *w, size_t ldw, size_t n, size_t k, size_t segment, void *packed) {
    const tk_dot_kernel *kernel = tk_dot_kernel_of(isa);
    const cut c = tk_dot_cut(kernel, k, segment);
    char *out = packed;
    for (size_t n0 = 0; n0 < n; n0 += kernel->columns) {
        const size_t width = panel_columns(kernel, n, n0), live = at_most(kernel->columns, n - n0);
        for (size_t leaf = 0; leaf < c.leaves; leaf++) {
            const size_t length = leaf_length(&c, leaf), pairs = packed_units(kernel, length);
            pack_leaf(w + n0 * ldw + leaf * c.segment, ldw, live, width, length, pairs, out);
            out += pairs * width * 4;
        }
    }
}
