// The loops around a level's micro kernel: packing, staging of x, cache blocks and the reduction tree.
//
// For each block of rows, x is staged once in the order in which tiles read it. Then, for each block of columns, for
// each block of k (a part of a leaf, a leaf, or an aligned group of 2^L leaves): each panel of weights meets all
// rows. Where k takes more than one block, each tile keeps a stack of the tree's pending nodes, a binary counter over
// the blocks; a second such stack, one tile wide and always in the first-level cache, serves the leaves inside a
// group.
#include "dot_plan.h"

// MARK: Staging
//
// Blocks of k; in a block rows of tiles; in those steps; in a step the tile's rows, 64 bytes each.

/// Copies `elements` of a row into steps `stride` bytes apart, zero-filled to whole steps.
static void stage_row(const uint16_t *x, size_t elements, bool widen, char *out, size_t stride) {
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

/// Stages rows of x; those that pad to the row quantum are zero.
static void stage(const tk_dot_kernel *kernel, const plan *p, const uint16_t *x, size_t ldx, size_t rows, char *out) {
    const cut *c = &p->cut;
    const size_t tile_rows = divide_up(rows, kernel->rows), stride = kernel->rows * 64;
    const size_t height = tile_height(kernel, rows);
    for (size_t index = 0; index < p->blocks; index++) {
        const block b = tk_dot_block(kernel, p, index);
        for (size_t row = 0; row < round_up(rows, kernel->row_quantum); row++) {
            char *to = out + staged_offset(kernel, &b, tile_rows, row / height) + row % height * 64;
            if (row >= rows) {
                for (size_t s = 0; s < b.steps; s++) memset(to + s * stride, 0, 64);
                continue;
            }
            for (size_t leaf = b.leaf0; leaf < b.leaf1 && b.steps; leaf++, to += c->leaf_steps * stride) {
                const size_t first = leaf * c->segment + b.part;
                const size_t length = at_most(b.length_max, leaf_length(c, leaf) - b.part);
                stage_row(x + row * ldx + first, length, kernel->staged == 4, to, stride);
            }
        }
    }
}

// MARK: Product

/// One tile of the result in one block.
typedef struct {
    const char *x, *w;         // its staged rows and packed columns
    size_t rows, columns;      // that the tile has
    size_t width;              // columns as packed
    float *slots;              // its pending nodes
    size_t slot_stride;        // floats between them
    float *local;              // the second stack; the finished tile lies last
    const float *row_scales;   // of an int8 product: for each leaf those of the tile's rows
    const int32_t *row_starts;
    const float *column_scales; // of leaf 0
    size_t column_stride;       // from leaf to leaf
    const char *prefetch;
    size_t prefetch_lines;     // for each step
} place;

/// Pending nodes to add when leaf `index` of `count` ends: all at the last one, else as a binary counter carries.
static size_t merges_at(size_t index, size_t count) {
    return index + 1 == count ? bits_set(index) : (size_t)__builtin_ctzll(~(unsigned long long)index);
}

/// Runs the leaves of a block on one tile. Returns true where the tile is finished.
static bool run_block(const tk_dot_kernel *kernel, const plan *p, const block *b, const place *at) {
    const cut *c = &p->cut;
    const size_t groups = divide_up(c->leaves, p->group), group = b->leaf0 / p->group;
    const size_t depth = bits_set(group), carried = b->ends ? merges_at(group, groups) : 0;
    const bool finished = b->ends && group + 1 == groups;
    float *result = at->local + (local_tiles(p) - 1) * p->tile_floats;
    float *target = finished ? result : at->slots + (depth - carried) * at->slot_stride;
    const float *merge[128];
    tk_tile t = {.x = at->x, .w = at->w, .merge = merge};
    t.init = b->part ? at->slots + depth * at->slot_stride : NULL;
    t.prefetch = at->prefetch;
    t.prefetch_lines = at->prefetch_lines;
    const size_t leaves = b->leaf1 - b->leaf0;
    const bool is_int8 = kernel->unit == 4;
    for (size_t l = 0; l < leaves; l++) {
        const size_t local_depth = bits_set(l), local_merges = merges_at(l, leaves);
        t.k = at_most(b->length_max, leaf_length(c, b->leaf0 + l) - b->part);
        t.merges = 0;
        for (size_t i = 1; i <= local_merges; i++) {
            merge[t.merges++] = at->local + (local_depth - i) * p->tile_floats;
        }
        if (l + 1 == leaves) {
            for (size_t i = 1; i <= carried; i++) merge[t.merges++] = at->slots + (depth - i) * at->slot_stride;
            t.store = target;
        } else {
            t.store = at->local + (local_depth - local_merges) * p->tile_floats;
        }
        if (is_int8) {
            const size_t leaf = b->leaf0 + l;
            t.row_starts = at->row_starts + leaf * kernel->rows;
            t.row_scales = b->ends ? at->row_scales + leaf * kernel->rows : NULL;
            t.column_scales = at->column_scales + leaf * at->column_stride;
        }
        kernel->tile(&t, at->rows, at->columns);
        t.x += c->leaf_steps * kernel->rows * 64;
        t.w += c->leaf_units * at->width * 4;
        t.prefetch += c->leaf_steps * at->prefetch_lines * 64;
    }
    return finished;
}

/// A call, its plan and the parts of its scratch.
typedef struct {
    const tk_dot_call *call;
    const plan *plan;
    float *local, *slots;
    float *row_scales;
    int32_t *row_starts;
} product;

/// The packed weights of a panel in a block.
static const char *panel_block(const product *d, const block *b, size_t n0) {
    const size_t width = panel_columns(d->call->kernel, d->call->n, n0);
    return d->call->packed + (n0 * d->plan->cut.total_units + b->first_unit * width) * 4;
}

/// One panel of weights in one block, times `rows` staged rows from row m0 of the result.
static void run_panel(const product *d, const block *b, size_t m0, size_t rows, size_t n0, size_t n1, float *slots,
                      size_t slot_stride, const char *next) {
    const tk_dot_call *call = d->call;
    const tk_dot_kernel *kernel = call->kernel;
    const plan *p = d->plan;
    const size_t tile_rows = divide_up(rows, kernel->rows), height = tile_height(kernel, rows);
    const size_t element = call->dtype == TK_F32 ? 4 : 2;
    place at = {.w = panel_block(d, b, n0), .columns = at_most(kernel->columns, n1 - n0), .local = d->local};
    at.width = panel_columns(kernel, call->n, n0);
    at.slot_stride = slot_stride;
    at.prefetch_lines = next ? divide_up(b->units * at.width * 4, tile_rows * b->steps * 64) : 0;
    at.prefetch = next ? next : at.w;
    at.column_stride = round_up(call->n, kernel->lane);
    if (call->column_scales) at.column_scales = call->column_scales + n0;
    for (size_t tile_row = 0; tile_row < tile_rows; tile_row++) {
        const size_t first = tile_row * height;
        at.x = call->scratch + staged_offset(kernel, b, tile_rows, tile_row);
        at.rows = at_most(height, rows - first);
        at.slots = slots + tile_row * p->tile_floats;
        at.row_scales = d->row_scales + tile_row * p->cut.leaves * kernel->rows;
        at.row_starts = d->row_starts + tile_row * p->cut.leaves * kernel->rows;
        if (run_block(kernel, p, b, &at)) {
            kernel->emit(d->local + (local_tiles(p) - 1) * p->tile_floats, at.rows, at.columns,
                         call->out + ((m0 + first) * call->ldo + n0) * element, call->ldo, call->dtype);
        }
        at.prefetch += b->steps * at.prefetch_lines * 64;
    }
}

/// All blocks of k for the panels of one block of columns.
static void run_columns(const product *d, size_t m0, size_t rows, size_t n0, size_t n1, size_t n_end) {
    const tk_dot_kernel *kernel = d->call->kernel;
    const plan *p = d->plan;
    const size_t tiles = divide_up(rows, kernel->rows) * p->tile_floats;
    const size_t panels = divide_up(n1 - n0, kernel->columns);
    for (size_t index = 0; index < p->blocks; index++) {
        const block b = tk_dot_block(kernel, p, index);
        if (!b.steps) continue;
        const block after = index + 1 < p->blocks ? tk_dot_block(kernel, p, index + 1) : tk_dot_block(kernel, p, 0);
        const size_t after_n0 = index + 1 < p->blocks ? n0 : n1;
        for (size_t panel = 0; panel < panels; panel++) {
            const size_t first = n0 + panel * kernel->columns;
            const char *next = NULL;
            if (panel + 1 < panels) next = panel_block(d, &b, first + kernel->columns);
            else if (after_n0 < n_end) next = panel_block(d, &after, after_n0);
            run_panel(d, &b, m0, rows, first, n1, d->slots + panel * tiles, panels * tiles, next);
        }
    }
}

void tk_dot_product(const tk_dot_call *call, size_t m0, size_t m1, size_t n0, size_t n1, size_t k, size_t segment) {
    if (m0 >= m1 || n0 >= n1) return;
    const size_t element = call->dtype == TK_F32 ? 4 : 2, ldo = call->ldo;
    if (k == 0) {
        for (size_t m = m0; m < m1; m++) memset(call->out + (m * ldo + n0) * element, 0, (n1 - n0) * element);
        return;
    }
    const tk_dot_kernel *kernel = call->kernel;
    const plan p = tk_dot_plan(kernel, m1 - m0, k, segment);
    const size_t most = at_most(m1 - m0, p.block_m), scales = row_scale_bytes(kernel, &p, most);
    product d = {.call = call, .plan = &p};
    char *const after = call->scratch + staged_bytes(kernel, &p, most);
    d.row_scales = (float *)after;
    d.row_starts = (int32_t *)(after + scales);
    d.local = (float *)(after + 2 * scales);
    d.slots = d.local + local_tiles(&p) * p.tile_floats;
    if (kernel->begin) kernel->begin();
    for (size_t m = m0; m < m1; m += p.block_m) {
        const size_t rows = at_most(p.block_m, m1 - m);
        const uint16_t *x = call->x + m * call->ldx;
        if (kernel->unit == 4) {
            tk_dot_s8_stage(kernel, &p, x, call->ldx, rows, call->scratch, d.row_scales, d.row_starts);
        } else {
            stage(kernel, &p, x, call->ldx, rows, call->scratch);
        }
        for (size_t c = n0; c < n1; c += kernel->block_n) {
            run_columns(&d, m, rows, c, at_most(n1, c + kernel->block_n), n1);
        }
    }
    if (kernel->end) kernel->end();
}

void tk_dot_bf16(tk_isa isa, size_t m0, size_t m1, size_t n0, size_t n1, size_t n, size_t k, size_t segment,
                 const uint16_t *x, size_t ldx, const void *packed, void *out, size_t ldo, tk_dtype out_dtype,
                 void *scratch) {
    const tk_dot_call call = {.kernel = tk_dot_kernel_of(isa), .n = n, .x = x, .ldx = ldx, .packed = packed,
                              .out = out, .ldo = ldo, .dtype = out_dtype, .scratch = scratch};
    tk_dot_product(&call, m0, m1, n0, n1, k, segment);
}
