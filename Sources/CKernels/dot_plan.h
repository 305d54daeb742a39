#pragma once
#include "dot_kernel.h"

// How a product is cut into leaves, blocks and tiles; shared by packing and product.

/// The micro kernels of a level. All int8 ones give the same bits, so a level may use the one of another.
const tk_dot_kernel *tk_dot_kernel_of(tk_isa isa);
const tk_dot_kernel *tk_dot_s8_kernel_of(tk_isa isa);

static inline size_t at_most(size_t a, size_t b) { return a < b ? a : b; }
static inline size_t divide_up(size_t a, size_t b) { return (a + b - 1) / b; }
static inline size_t round_up(size_t a, size_t b) { return divide_up(a, b) * b; }

/// Bits needed to write x; the depth that a stack over x + 1 leaves reaches.
static inline size_t bit_length(size_t x) {
    size_t bits = 0;
    for (; x; x >>= 1) bits++;
    return bits;
}

static inline size_t bits_set(size_t x) { return (size_t)__builtin_popcountll(x); }

/// How k is cut: into leaves, and those into staged steps and packed units.
typedef struct {
    size_t k, segment, leaves;
    size_t step;        // elements of k in a step
    size_t leaf_steps;  // of a full leaf
    size_t total_steps;
    size_t leaf_units;  // packed, of a full leaf
    size_t total_units;
} cut;

/// Elements of k in a step.
static inline size_t step_elements(const tk_dot_kernel *kernel) { return 64 / kernel->staged; }

/// Units that so many elements of a leaf take as packed.
static inline size_t packed_units(const tk_dot_kernel *kernel, size_t elements) {
    return divide_up(kernel->pad_steps ? round_up(elements, step_elements(kernel)) : elements, kernel->unit);
}

/// Cuts k into leaves.
cut tk_dot_cut(const tk_dot_kernel *kernel, size_t k, size_t segment);

/// Elements of a leaf.
static inline size_t leaf_length(const cut *c, size_t leaf) { return at_most(c->segment, c->k - leaf * c->segment); }

/// Columns of the panel that starts at column n0, as packed.
static inline size_t panel_columns(const tk_dot_kernel *kernel, size_t n, size_t n0) {
    return at_most(kernel->columns, round_up(n - n0, kernel->lane));
}

/// How a block of rows is computed, and what its scratch holds.
typedef struct {
    cut cut;
    size_t rows;
    size_t group;       // leaves in a block
    size_t part_steps;  // steps in a block, where a leaf takes several; else those of the whole group
    size_t parts;       // blocks in a leaf; above 1 only where group is 1
    size_t blocks;
    size_t block_n;     // columns whose tiles are live at a time
    size_t tile_floats;
    size_t slots;       // pending nodes kept for each tile between blocks
} plan;

/// Plans a block of rows.
plan tk_dot_plan(const tk_dot_kernel *kernel, size_t rows, size_t k, size_t segment);

/// Rows in each block of m but the last: as many as the kernel and the staged form's size allow, the blocks even.
size_t tk_dot_block_rows(const tk_dot_kernel *kernel, size_t m, size_t k, size_t segment);

/// One block of k.
typedef struct {
    size_t leaf0, leaf1;
    size_t part;       // first element inside leaf0
    size_t length_max; // elements of each leaf from there; leaves may be shorter
    size_t first_step, steps;
    size_t first_unit, units;
    bool ends; // completes its leaves
} block;

/// The block of an index, or one without steps where the last leaf has fewer parts than the others.
block tk_dot_block(const tk_dot_kernel *kernel, const plan *p, size_t index);

/// Tiles of the second stack: the depth inside a group, and the finished tile.
static inline size_t local_tiles(const plan *p) { return bit_length(p->cut.leaves) + 2; }

/// Rows of each tile but the last: as even as the row quantum lets them be, so that no tile has few accumulators.
static inline size_t tile_height(const tk_dot_kernel *kernel, size_t rows) {
    const size_t even = round_up(divide_up(rows, divide_up(rows, kernel->rows)), kernel->row_quantum);
    return at_most(even, kernel->rows);
}

/// Where a row of tiles starts in a staged block.
static inline size_t staged_offset(const tk_dot_kernel *kernel, const block *b, size_t tile_rows, size_t tile_row) {
    return (b->first_step * tile_rows + tile_row * b->steps) * kernel->rows * 64;
}

/// Bytes of the staged values of some rows, and of an int8 product's scales of these rows.
static inline size_t staged_value_bytes(const tk_dot_kernel *kernel, const cut *c, size_t rows) {
    return round_up(rows, kernel->rows) * c->total_steps * 64;
}
static inline size_t row_scale_bytes(const tk_dot_kernel *kernel, const cut *c, size_t rows) {
    return kernel->unit == 4 ? round_up(round_up(rows, kernel->rows) * c->leaves * sizeof(float), 64) : 0;
}

/// What follows the values in the staged form of an int8 product: for each row of tiles, leaf by leaf, one a row.
typedef struct {
    float *row_scales;
    int32_t *row_starts; // what a row's sums start from
} staged_parts;

static inline staged_parts staged_parts_of(const tk_dot_kernel *kernel, const plan *p, const char *staged) {
    const char *scales = staged + staged_value_bytes(kernel, &p->cut, p->rows);
    return (staged_parts){(float *)scales, (int32_t *)(scales + row_scale_bytes(kernel, &p->cut, p->rows))};
}

/// Bytes of the staged form of some rows.
size_t tk_dot_staged_size(const tk_dot_kernel *kernel, size_t rows, size_t k, size_t segment);

/// Stages rows [r0, r1) of a planned block; with its last row those that pad to the row quantum, as zeros.
void tk_dot_stage_rows(const tk_dot_kernel *kernel, const plan *p, size_t r0, size_t r1, const uint16_t *x, size_t ldx,
                       char *staged);

/// A product's operands and its scratch.
typedef struct {
    const tk_dot_kernel *kernel;
    size_t n; // of the packed matrix
    size_t k, segment;
    const char *packed;
    const float *column_scales; // of an int8 product: one a packed column, leaf by leaf
    char *out;                  // row 0 and column 0 of the whole
    size_t ldo;
    tk_dtype dtype;
    float *scratch;
} tk_dot_call;

/// Bytes of scratch of a call on at most m rows and n columns, whose rows are staged.
size_t tk_dot_tile_bytes(const tk_dot_kernel *kernel, size_t m, size_t n, size_t k, size_t segment);

/// Computes columns [n0, n1) of a planned block of rows.
void tk_dot_block_product(const tk_dot_call *call, const plan *p, const char *staged, size_t n0, size_t n1);

/// Zeros in columns [n0, n1) of some rows: the product of nothing.
void tk_dot_zero(const tk_dot_call *call, size_t rows, size_t n0, size_t n1);

/// Computes rows [m0, m1) and columns [n0, n1) of a product, rows staged on the way, in the scratch after the tiles.
void tk_dot_product(const tk_dot_call *call, size_t m0, size_t m1, size_t n0, size_t n1, const uint16_t *x, size_t ldx);
size_t tk_dot_product_scratch(const tk_dot_kernel *kernel, size_t m, size_t n, size_t k, size_t segment);

/// An int8 product's column scales, which follow its packed weights.
const float *tk_dot_s8_column_scales(const tk_dot_kernel *kernel, const void *packed, size_t n, size_t k,
                                     size_t segment);
