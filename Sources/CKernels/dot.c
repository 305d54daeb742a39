// The loops around a level's micro kernel: packing, staging of x, cache blocks and the reduction tree.
//
// For each block of rows, x is staged once in the order in which tiles read it. Then, for each block of columns, for each
// block of k (a part of a leaf, a leaf, or an aligned group of 2^L leaves): each panel of weights meets all rows. Where k
// takes more than one block, each tile keeps a stack of the tree's pending nodes, a binary counter over the blocks; a
// second such stack, one tile wide and always in the first-level cache, serves the leaves inside a group.
#include "dot.h"

#include "dot_kernel.h"

static const tk_dot_kernel *kernel_of(tk_isa isa) {
    switch (isa) {
#if defined(__x86_64__)
        case TK_AVX2: return &tk_dot_avx2;
        case TK_AVX512: return &tk_dot_avx512;
        case TK_AVX512_BF16: return &tk_dot_avx512_bf16;
        case TK_AMX: return &tk_dot_amx;
#endif
        case TK_AMX_EMULATED: return &tk_dot_amx_emulated;
        default: return &tk_dot_portable;
    }
}

// MARK: Sizes

static size_t at_most(size_t a, size_t b) { return a < b ? a : b; }
static size_t divide_up(size_t a, size_t b) { return (a + b - 1) / b; }
static size_t round_up(size_t a, size_t b) { return divide_up(a, b) * b; }

/// Bits needed to write x; the depth that a stack over x + 1 leaves reaches.
static size_t bit_length(size_t x) {
    size_t bits = 0;
    for (; x; x >>= 1) bits++;
    return bits;
}

static size_t bits_set(size_t x) { return (size_t)__builtin_popcountll(x); }

/// How k is cut: into leaves, and those into staged steps and packed pairs.
typedef struct {
    size_t k, segment, leaves;
    size_t step;        // elements of k in a step
    size_t leaf_steps;  // of a full leaf
    size_t total_steps;
    size_t leaf_pairs;  // packed, of a full leaf
    size_t total_pairs;
} cut;

static size_t packed_pairs(const tk_dot_kernel *kernel, size_t elements) {
    return kernel->pad_steps ? round_up(elements, 32) / 2 : divide_up(elements, 2);
}

static cut make_cut(const tk_dot_kernel *kernel, size_t k, size_t segment) {
    cut c = {.k = k, .segment = segment && segment < k ? segment : (k ? k : 1), .step = kernel->widen ? 16 : 32};
    c.leaves = divide_up(k, c.segment);
    c.leaf_steps = divide_up(c.segment, c.step);
    c.leaf_pairs = packed_pairs(kernel, c.segment);
    if (c.leaves) {
        const size_t last = k - (c.leaves - 1) * c.segment;
        c.total_steps = (c.leaves - 1) * c.leaf_steps + divide_up(last, c.step);
        c.total_pairs = (c.leaves - 1) * c.leaf_pairs + packed_pairs(kernel, last);
    }
    return c;
}

/// Elements of a leaf.
static size_t leaf_length(const cut *c, size_t leaf) { return at_most(c->segment, c->k - leaf * c->segment); }

/// Columns of the panel that starts at column n0, as packed.
static size_t panel_columns(const tk_dot_kernel *kernel, size_t n, size_t n0) {
    return at_most(kernel->columns, round_up(n - n0, kernel->lane));
}

// MARK: Packed weights
//
// Panels of `columns` columns; in a panel leaves; in a leaf pairs of k; in a pair the columns; two elements.

size_t tk_dot_column_block(tk_isa isa) { return kernel_of(isa)->columns; }

size_t tk_dot_packed_bytes(tk_isa isa, size_t n, size_t k, size_t segment) {
    const tk_dot_kernel *kernel = kernel_of(isa);
    return round_up(n, kernel->lane) * make_cut(kernel, k, segment).total_pairs * 4;
}

/// Packs one leaf of a panel: `length` elements of `live` rows of w.
static void pack_leaf(const uint16_t *w, size_t ldw, size_t live, size_t width, size_t length, size_t pairs, char *out) {
    enum { BLOCK = 64 }; // pairs; their packed form fits the first-level cache
    for (size_t first = 0; first < pairs; first += BLOCK) {
        const size_t end = at_most(pairs, first + BLOCK), whole = at_most(end, length / 2);
        for (size_t c = 0; c < width; c++) {
            size_t p = first;
            if (c < live) {
                const uint16_t *row = w + c * ldw;
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
    const tk_dot_kernel *kernel = kernel_of(isa);
    const cut c = make_cut(kernel, k, segment);
    char *out = packed;
    for (size_t n0 = 0; n0 < n; n0 += kernel->columns) {
        const size_t width = panel_columns(kernel, n, n0), live = at_most(kernel->columns, n - n0);
        for (size_t leaf = 0; leaf < c.leaves; leaf++) {
            const size_t length = leaf_length(&c, leaf), pairs = packed_pairs(kernel, length);
            pack_leaf(w + n0 * ldw + leaf * c.segment, ldw, live, width, length, pairs, out);
            out += pairs * width * 4;
        }
    }
}

// MARK: Plan of a call

/// The block sizes of a call, and what its scratch holds.
typedef struct {
    cut cut;
    size_t group;       // leaves in a block
    size_t part_steps;  // steps in a block, where a leaf takes several; else those of the whole group
    size_t parts;       // blocks in a leaf; above 1 only where group is 1
    size_t blocks;
    size_t block_m;
    size_t tile_floats;
    size_t slots;       // pending nodes kept for each tile between blocks
} plan;

static plan make_plan(const tk_dot_kernel *kernel, size_t m, size_t k, size_t segment) {
    enum { STAGED_BYTES_MAX = 8 << 20 };
    plan p = {.cut = make_cut(kernel, k, segment), .group = 1, .parts = 1};
    const cut *c = &p.cut;
    const size_t row_bytes = c->total_steps * 64 + 64;
    const size_t fitting = STAGED_BYTES_MAX / row_bytes / kernel->rows * kernel->rows;
    p.block_m = at_most(kernel->block_m, fitting > kernel->rows * 4 ? fitting : kernel->rows * 4);
    // With one row of tiles nothing would be gained from a panel that stays in cache.
    const size_t block_steps = m <= kernel->rows ? c->total_steps + 1 : kernel->block_k / c->step;
    while (p.group < c->leaves && p.group * 2 * c->leaf_steps <= block_steps) p.group *= 2;
    p.part_steps = p.group * c->leaf_steps;
    if (c->leaf_steps > block_steps) {
        p.part_steps = block_steps;
        p.parts = divide_up(c->leaf_steps, block_steps);
    }
    p.blocks = divide_up(c->leaves, p.group) * p.parts;
    p.tile_floats = kernel->rows * kernel->columns;
    p.slots = p.blocks > 1 ? bit_length(divide_up(c->leaves, p.group) - 1) + (p.parts > 1) : 0;
    return p;
}

/// One block of k.
typedef struct {
    size_t leaf0, leaf1;
    size_t part;       // first element inside leaf0
    size_t length_max; // elements of each leaf from there; leaves may be shorter
    size_t first_step, steps;
    size_t first_pair, pairs;
    bool ends; // completes its leaves
} block;

/// The block of an index, or one without steps where the last leaf has fewer parts than the others.
static block make_block(const tk_dot_kernel *kernel, const plan *p, size_t index) {
    const cut *c = &p->cut;
    block b = {.leaf0 = index / p->parts * p->group, .length_max = c->segment, .ends = true};
    b.leaf1 = at_most(c->leaves, b.leaf0 + p->group);
    b.first_step = b.leaf0 * c->leaf_steps + index % p->parts * p->part_steps;
    b.part = index % p->parts * p->part_steps * c->step;
    b.first_pair = b.leaf0 * c->leaf_pairs + b.part / 2;
    if (p->parts > 1) {
        const size_t length = leaf_length(c, b.leaf0);
        if (b.part >= length) return b;
        b.length_max = at_most(p->part_steps * c->step, length - b.part);
        b.ends = b.part + b.length_max == length;
        b.steps = divide_up(b.length_max, c->step);
        b.pairs = packed_pairs(kernel, b.length_max);
    } else {
        b.steps = (b.leaf1 == c->leaves ? c->total_steps : b.leaf1 * c->leaf_steps) - b.first_step;
        b.pairs = (b.leaf1 == c->leaves ? c->total_pairs : b.leaf1 * c->leaf_pairs) - b.first_pair;
    }
    return b;
}

/// Tiles of the second stack: the depth inside a group, and the finished tile.
static size_t local_tiles(const plan *p) { return bit_length(p->cut.leaves) + 2; }

static size_t staged_bytes(const tk_dot_kernel *kernel, const plan *p, size_t rows) {
    return round_up(rows, kernel->rows) * p->cut.total_steps * 64;
}

size_t tk_dot_scratch_bytes(tk_isa isa, size_t m, size_t n, size_t k, size_t segment) {
    const tk_dot_kernel *kernel = kernel_of(isa);
    const plan p = make_plan(kernel, m, k, segment);
    const size_t rows = at_most(m, p.block_m), panels = divide_up(at_most(n, kernel->block_n), kernel->columns);
    const size_t tiles = local_tiles(&p) + p.slots * panels * divide_up(rows, kernel->rows);
    return staged_bytes(kernel, &p, rows) + tiles * p.tile_floats * sizeof(float);
}

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

/// Where a row of tiles starts in a staged block.
static size_t staged_offset(const tk_dot_kernel *kernel, const block *b, size_t tile_rows, size_t tile_row) {
    return (b->first_step * tile_rows + tile_row * b->steps) * kernel->rows * 64;
}

/// Stages rows of x; those that pad to the row quantum are zero.
static void stage(const tk_dot_kernel *kernel, const plan *p, const uint16_t *x, size_t ldx, size_t rows, char *out) {
    const cut *c = &p->cut;
    const size_t tile_rows = divide_up(rows, kernel->rows), stride = kernel->rows * 64;
    for (size_t index = 0; index < p->blocks; index++) {
        const block b = make_block(kernel, p, index);
        for (size_t row = 0; row < round_up(rows, kernel->row_quantum); row++) {
            char *to = out + staged_offset(kernel, &b, tile_rows, row / kernel->rows) + row % kernel->rows * 64;
            if (row >= rows) {
                for (size_t s = 0; s < b.steps; s++) memset(to + s * stride, 0, 64);
                continue;
            }
            for (size_t leaf = b.leaf0; leaf < b.leaf1 && b.steps; leaf++, to += c->leaf_steps * stride) {
                const size_t first = leaf * c->segment + b.part;
                const size_t length = at_most(b.length_max, leaf_length(c, leaf) - b.part);
                stage_row(x + row * ldx + first, length, kernel->widen, to, stride);
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
        kernel->tile(&t, at->rows, at->columns);
        t.x += c->leaf_steps * kernel->rows * 64;
        t.w += c->leaf_pairs * at->width * 4;
        t.prefetch += c->leaf_steps * at->prefetch_lines * 64;
    }
    return finished;
}

/// A product's operands.
typedef struct {
    const tk_dot_kernel *kernel;
    const plan *plan;
    const char *packed;
    size_t n;
    char *out;
    size_t ldo;
    tk_dtype dtype;
    const char *staged;
    float *local, *slots;
} product;

/// The packed weights of a panel in a block.
static const char *panel_block(const product *d, const block *b, size_t n0) {
    const size_t width = panel_columns(d->kernel, d->n, n0);
    return d->packed + (n0 * d->plan->cut.total_pairs + b->first_pair * width) * 4;
}

/// One panel of weights in one block, times `rows` staged rows from row m0 of the result.
static void run_panel(const product *d, const block *b, size_t m0, size_t rows, size_t n0, size_t n1, float *slots,
                      size_t slot_stride, const char *next) {
    const tk_dot_kernel *kernel = d->kernel;
    const plan *p = d->plan;
    const size_t tile_rows = divide_up(rows, kernel->rows), element = d->dtype == TK_F32 ? 4 : 2;
    place at = {.w = panel_block(d, b, n0), .columns = at_most(kernel->columns, n1 - n0), .local = d->local};
    at.width = panel_columns(kernel, d->n, n0);
    at.slot_stride = slot_stride;
    at.prefetch_lines = next ? divide_up(b->pairs * at.width * 4, tile_rows * b->steps * 64) : 0;
    at.prefetch = next ? next : at.w;
    for (size_t tile_row = 0; tile_row < tile_rows; tile_row++) {
        const size_t first = tile_row * kernel->rows;
        at.x = d->staged + staged_offset(kernel, b, tile_rows, tile_row);
        at.rows = at_most(kernel->rows, rows - first);
        at.slots = slots + tile_row * p->tile_floats;
        if (run_block(kernel, p, b, &at)) {
            kernel->emit(d->local + (local_tiles(p) - 1) * p->tile_floats, at.rows, at.columns,
                         d->out + ((m0 + first) * d->ldo + n0) * element, d->ldo, d->dtype);
        }
        at.prefetch += b->steps * at.prefetch_lines * 64;
    }
}

/// All blocks of k for the panels of one block of columns.
static void run_columns(const product *d, size_t m0, size_t rows, size_t n0, size_t n1, size_t n_end) {
    const tk_dot_kernel *kernel = d->kernel;
    const plan *p = d->plan;
    const size_t tiles = divide_up(rows, kernel->rows) * p->tile_floats;
    const size_t panels = divide_up(n1 - n0, kernel->columns);
    for (size_t index = 0; index < p->blocks; index++) {
        const block b = make_block(kernel, p, index);
        if (!b.steps) continue;
        const block after = index + 1 < p->blocks ? make_block(kernel, p, index + 1) : make_block(kernel, p, 0);
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

void tk_dot_bf16(tk_isa isa, size_t m0, size_t m1, size_t n0, size_t n1, size_t n, size_t k, size_t segment,
                 const uint16_t *x, size_t ldx, const void *packed, void *out, size_t ldo, tk_dtype out_dtype,
                 void *scratch) {
    if (m0 >= m1 || n0 >= n1) return;
    const size_t element = out_dtype == TK_F32 ? 4 : 2;
    if (k == 0) {
        for (size_t m = m0; m < m1; m++) memset((char *)out + (m * ldo + n0) * element, 0, (n1 - n0) * element);
        return;
    }
    const tk_dot_kernel *kernel = kernel_of(isa);
    const plan p = make_plan(kernel, m1 - m0, k, segment);
    product d = {.kernel = kernel, .plan = &p, .packed = packed, .n = n, .out = out, .ldo = ldo, .dtype = out_dtype};
    d.staged = scratch;
    d.local = (float *)((char *)scratch + staged_bytes(kernel, &p, at_most(m1 - m0, p.block_m)));
    d.slots = d.local + local_tiles(&p) * p.tile_floats;
    if (kernel->begin) kernel->begin();
    for (size_t m = m0; m < m1; m += p.block_m) {
        const size_t rows = at_most(p.block_m, m1 - m);
        stage(kernel, &p, x + m * ldx, ldx, rows, scratch);
        for (size_t c = n0; c < n1; c += kernel->block_n) {
            run_columns(&d, m, rows, c, at_most(n1, c + kernel->block_n), n1);
        }
    }
    if (kernel->end) kernel->end();
}
