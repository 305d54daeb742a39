#pragma once
#include "dot_kernel.h"

// How a product is cut into leaves, blocks and tiles; shared by packing and product.

/// The micro kernel of a level.
const tk_dot_kernel *tk_dot_kernel_of(tk_isa isa);

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

/// How k is cut: into leaves, and those into staged steps and packed pairs.
typedef struct {
    size_t k, segment, leaves;
    size_t step;        // elements of k in a step
    size_t leaf_steps;  // of a full leaf
    size_t total_steps;
    size_t leaf_pairs;  // packed, of a full leaf
    size_t total_pairs;
} cut;

/// Pairs that so many elements of a leaf take as packed.
static inline size_t packed_pairs(const tk_dot_kernel *kernel, size_t elements) {
    return kernel->pad_steps ? round_up(elements, 32) / 2 : divide_up(elements, 2);
}

/// Cuts k into leaves.
cut tk_dot_cut(const tk_dot_kernel *kernel, size_t k, size_t segment);

/// Elements of a leaf.
static inline size_t leaf_length(const cut *c, size_t leaf) { return at_most(c->segment, c->k - leaf * c->segment); }

/// Columns of the panel that starts at column n0, as packed.
static inline size_t panel_columns(const tk_dot_kernel *kernel, size_t n, size_t n0) {
    return at_most(kernel->columns, round_up(n - n0, kernel->lane));
}

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

/// Plans a call on m rows.
plan tk_dot_plan(const tk_dot_kernel *kernel, size_t m, size_t k, size_t segment);

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
block tk_dot_block(const tk_dot_kernel *kernel, const plan *p, size_t index);

/// Tiles of the second stack: the depth inside a group, and the finished tile.
static inline size_t local_tiles(const plan *p) { return bit_length(p->cut.leaves) + 2; }

static inline size_t staged_bytes(const tk_dot_kernel *kernel, const plan *p, size_t rows) {
    return round_up(rows, kernel->rows) * p->cut.total_steps * 64;
}
