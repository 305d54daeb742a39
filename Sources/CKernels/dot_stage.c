// Staging: rows of x in the order in which tiles read them. Blocks of k; in a block rows of tiles; in those steps; in a
// step the tile's rows, 64 bytes each. Of an int8 product the quantised values, then for each row of tiles, leaf by
// leaf, the scales of the tile's rows, then likewise what their sums start from.
//
// Limit: x is read once from memory and its staged form written, 2 + staged bytes an element; an int8 leaf is read a
// second time, from the first-level cache. For one row of tiles a leaf is written as one stretch, so that the cache
// sees a stream. The product of n columns spends n / 128 cycles a value on it (bf16 n / 64), staging about one: a few
// per cent where n is 2048, which is why threads share it.
#include "dot_plan.h"
#include "dot_int8_quantise.h"

/// Copies `elements` of a row into steps `stride` bytes apart, zero-filled to whole steps.
static void copy_row(const uint16_t *x, size_t elements, bool widen, char *out, size_t stride) {
    const size_t step = widen ? 16 : 32;
    for (; elements; out += stride) {
        const size_t count = at_most(step, elements);
        uint16_t tail[32] = {0};
        const uint16_t *from = x;
        if (count < step) {
            memcpy(tail, x, count * 2);
            from = tail;
        }
        if (widen) {
            uint32_t wide[16];
            for (int i = 0; i < 16; i++) wide[i] = (uint32_t)from[i] << 16;
            memcpy(out, wide, 64);
        } else {
            memcpy(out, from, 64);
        }
        x += count;
        elements -= count;
    }
}

static void zero_row(size_t elements, size_t step, char *out, size_t stride) {
    for (size_t i = 0; i < elements; i += step, out += stride) memset(out, 0, 64);
}

/// Rows of one row of tiles in one leaf.
typedef struct {
    const uint16_t *x; // row 0 of the tile, element 0 of the leaf
    size_t ldx;
    size_t first, last; // rows that have values
    size_t end;         // rows from `last` on are zero
    tk_quantum quanta[64];
    int32_t sums[64];
} leaf_rows;

/// Stages the part of a leaf that lies in one block.
static void stage_part(const tk_dot_kernel *kernel, leaf_rows *rows, size_t part, size_t length, char *out) {
    const size_t stride = kernel->rows * 64, step = step_elements(kernel);
    for (size_t r = rows->first; r < rows->end; r++) {
        const uint16_t *from = rows->x + r * rows->ldx + part;
        char *to = out + r * 64;
        if (r >= rows->last) {
            zero_row(length, step, to, stride);
        } else if (kernel->unit == 2) {
            copy_row(from, length, kernel->staged == 4, to, stride);
        } else if (rows->quanta[r].inverse == 0) {
            zero_row(length, step, to, stride);
        } else if (kernel->staged == 1) {
            rows->sums[r] += tk_quantise_s8(from, length, rows->quanta[r].inverse, (int8_t *)to, stride);
        } else {
            rows->sums[r] += tk_quantise_s16(from, length, rows->quanta[r].inverse, (int16_t *)to, stride);
        }
    }
}

void tk_dot_stage_rows(const tk_dot_kernel *kernel, const plan *p, size_t r0, size_t r1, const uint16_t *x, size_t ldx,
                       char *staged) {
    const cut *c = &p->cut;
    const size_t stride = kernel->rows * 64, height = tile_height(kernel, p->rows);
    const size_t tile_rows = divide_up(p->rows, kernel->rows), all = round_up(p->rows, kernel->row_quantum);
    const bool is_int8 = kernel->unit == 4;
    const staged_parts parts = staged_parts_of(kernel, p, staged);
    for (size_t tile_row = r0 / height; tile_row * height < r1; tile_row++) {
        const size_t base = tile_row * height;
        leaf_rows rows = {.ldx = ldx, .first = r0 > base ? r0 - base : 0, .last = at_most(r1 - base, height)};
        rows.end = r1 == p->rows ? at_most(all - base, height) : rows.last;
        for (size_t leaf = 0; leaf < c->leaves; leaf++) {
            const size_t length = leaf_length(c, leaf);
            rows.x = x + base * ldx + leaf * c->segment;
            for (size_t r = rows.first; is_int8 && r < rows.end; r++) {
                rows.quanta[r] = r < rows.last ? tk_quantum_of(rows.x + r * ldx, length) : (tk_quantum){0, 0};
                rows.sums[r] = 0;
            }
            for (size_t part = 0; part < p->parts; part++) {
                const block b = tk_dot_block(kernel, p, leaf / p->group * p->parts + part);
                if (!b.steps) continue;
                char *to = staged + staged_offset(kernel, &b, tile_rows, tile_row)
                           + (leaf - b.leaf0) * c->leaf_steps * stride;
                stage_part(kernel, &rows, b.part, at_most(b.length_max, length - b.part), to);
            }
            const size_t place = (tile_row * c->leaves + leaf) * kernel->rows;
            for (size_t r = rows.first; is_int8 && r < rows.end; r++) {
                parts.row_scales[place + r] = rows.quanta[r].scale;
                parts.row_starts[place + r] = kernel->biased ? -128 * rows.sums[r] : 0;
            }
        }
    }
}
