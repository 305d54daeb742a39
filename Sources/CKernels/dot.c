// The loops around a level's micro kernel: cache blocks and the reduction tree.
//
// For each block of rows, x is staged once in the order in which tiles read it. Then, for each block of columns, for
// each block of k (a part of a leaf, a leaf, or an aligned group of 2^L leaves): each panel of weights meets all
// rows. The block of x stays in the second-level cache over all panels, since that is how many rows a block has
// (`resident` of the kernel); the block of a panel stays there or in the first level over the rows; weights come from
// memory once for each block of rows, prefetched while the panel before them is multiplied. With 128 rows of bf16
// that is one byte for 128 flops, 4 GB/s a core at 500 GFLOP/s, so that several passes over the weights cost less than
// one over x from the third level for each panel would.
//
// Where k takes more than one block, each tile keeps a stack of the tree's pending nodes, a binary counter over the
// blocks; a second such stack, one tile wide and always in the first-level cache, serves the leaves inside a group.
//
// One row of tiles takes all of k at once: weights then pass as one stream, prefetched a fixed distance ahead.
#include "dot_plan.h"

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
            // Those of the next leaf, or of the next panel, lie where no stream comes by.
            const float *next = l + 1 < leaves ? t.column_scales + at->column_stride
                                               : at->column_scales + b->leaf0 * at->column_stride + at->width;
            for (size_t line = 0; line < at->width; line += 16) __builtin_prefetch(next + line, 0, 3);
        }
        kernel->tile(&t, at->rows, at->columns);
        t.x += c->leaf_steps * kernel->rows * 64;
        t.w += c->leaf_units * at->width * 4;
        t.prefetch += c->leaf_steps * at->prefetch_lines * 64;
    }
    return finished;
}

/// A call, its plan, its staged rows and the parts of its scratch.
typedef struct {
    const tk_dot_call *call;
    const plan *plan;
    const char *staged;
    staged_parts scales;
    float *local, *slots;
} product;

/// The packed weights of a panel in a block.
static const char *panel_block(const product *d, const block *b, size_t n0) {
    const size_t width = panel_columns(d->call->kernel, d->call->n, n0);
    return d->call->packed + (n0 * d->plan->cut.total_units + b->first_unit * width) * 4;
}

/// From what is read of a stream of weights to what is prefetched. Measured: up to five rows the processor follows the
/// stream by itself and prefetches far ahead disturb it (Zen 4, of what it reads: 100 to 88 % with 256 bytes, 78 to 66 %
/// with 6 KiB). From six rows on its reads come too slowly to run ahead: 6 KiB or more, growing with the work on a byte;
/// half or twice of it costs up to a tenth, 256 bytes a fifth to a half.
static size_t bytes_ahead(size_t rows) { return rows <= 5 ? 256 : rows <= 6 ? 6144 : rows * 1024; }

/// One panel of weights in one block, times all staged rows.
static void run_panel(const product *d, const block *b, size_t n0, size_t n1, float *slots, size_t slot_stride,
                      const char *next) {
    const tk_dot_call *call = d->call;
    const tk_dot_kernel *kernel = call->kernel;
    const plan *p = d->plan;
    const size_t tile_rows = divide_up(p->rows, kernel->rows), height = tile_height(kernel, p->rows);
    const size_t element = call->dtype == TK_F32 ? 4 : 2;
    place at = {.w = panel_block(d, b, n0), .columns = at_most(kernel->columns, n1 - n0), .local = d->local};
    at.width = panel_columns(kernel, call->n, n0);
    at.slot_stride = slot_stride;
    at.prefetch_lines = next ? divide_up(b->units * at.width * 4, tile_rows * b->steps * 64) : 0;
    at.prefetch = tile_rows == 1 ? at.w + bytes_ahead(p->rows) : next ? next : at.w;
    at.column_stride = round_up(call->n, kernel->lane);
    if (call->column_scales) at.column_scales = call->column_scales + n0;
    for (size_t tile_row = 0; tile_row < tile_rows; tile_row++) {
        const size_t first = tile_row * height, scales = tile_row * p->cut.leaves * kernel->rows;
        at.x = d->staged + staged_offset(kernel, b, tile_rows, tile_row);
        at.rows = at_most(height, p->rows - first);
        at.slots = slots + tile_row * p->tile_floats;
        at.row_scales = d->scales.row_scales + scales;
        at.row_starts = d->scales.row_starts + scales;
        if (run_block(kernel, p, b, &at)) {
            kernel->emit(d->local + (local_tiles(p) - 1) * p->tile_floats, at.rows, at.columns,
                         call->out + (first * call->ldo + n0) * element, call->ldo, call->dtype);
        }
        at.prefetch += b->steps * at.prefetch_lines * 64;
    }
}

/// All blocks of k for the panels of one block of columns.
static void run_columns(const product *d, size_t n0, size_t n1, size_t n_end) {
    const tk_dot_kernel *kernel = d->call->kernel;
    const plan *p = d->plan;
    const size_t tiles = divide_up(p->rows, kernel->rows) * p->tile_floats;
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
            run_panel(d, &b, first, n1, d->slots + panel * tiles, panels * tiles, next);
        }
    }
}

void tk_dot_block_product(const tk_dot_call *call, const plan *p, const char *staged, size_t n0, size_t n1) {
    product d = {.call = call, .plan = p, .staged = staged, .local = call->scratch};
    d.scales = staged_parts_of(call->kernel, p, staged);
    d.slots = d.local + local_tiles(p) * p->tile_floats;
    if (call->kernel->begin) call->kernel->begin();
    for (size_t c = n0; c < n1; c += p->block_n) run_columns(&d, c, at_most(n1, c + p->block_n), n1);
    if (call->kernel->end) call->kernel->end();
}

void tk_dot_zero(const tk_dot_call *call, size_t rows, size_t n0, size_t n1) {
    const size_t element = call->dtype == TK_F32 ? 4 : 2;
    for (size_t m = 0; m < rows; m++) memset(call->out + (m * call->ldo + n0) * element, 0, (n1 - n0) * element);
}

void tk_dot_product(const tk_dot_call *whole, size_t m0, size_t m1, size_t n0, size_t n1, const uint16_t *x,
                    size_t ldx) {
    const size_t k = whole->k, segment = whole->segment, element = whole->dtype == TK_F32 ? 4 : 2;
    const tk_dot_kernel *kernel = whole->kernel;
    if (m0 >= m1 || n0 >= n1) return;
    const size_t most = tk_dot_block_rows(kernel, m1 - m0, k, segment);
    // What tiles take varies with the rows; the staged rows lie behind the most.
    char *staged = (char *)whole->scratch + tk_dot_tile_bytes(kernel, m1 - m0, n1 - n0, k, segment);
    for (size_t m = m0; m < m1; m += most) {
        tk_dot_call call = *whole;
        call.out += m * call.ldo * element;
        const size_t rows = at_most(most, m1 - m);
        if (k == 0) {
            tk_dot_zero(&call, rows, n0, n1);
            continue;
        }
        const plan p = tk_dot_plan(kernel, rows, k, segment);
        tk_dot_stage_rows(kernel, &p, 0, rows, x + m * ldx, ldx, staged);
        tk_dot_block_product(&call, &p, staged, n0, n1);
    }
}
