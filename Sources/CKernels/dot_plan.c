// How a product is cut: the numbers that packing, scratch and product agree on.
#include "dot_plan.h"

const tk_dot_kernel *tk_dot_kernel_of(tk_isa isa) {
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

cut tk_dot_cut(const tk_dot_kernel *kernel, size_t k, size_t segment) {
    cut c = {.k = k, .segment = segment && segment < k ? segment : (k ? k : 1), .step = step_elements(kernel)};
    c.leaves = divide_up(k, c.segment);
    c.leaf_steps = divide_up(c.segment, c.step);
    c.leaf_units = packed_units(kernel, c.segment);
    if (c.leaves) {
        const size_t last = k - (c.leaves - 1) * c.segment;
        c.total_steps = (c.leaves - 1) * c.leaf_steps + divide_up(last, c.step);
        c.total_units = (c.leaves - 1) * c.leaf_units + packed_units(kernel, last);
    }
    return c;
}

/// The most rows of a block: so many that their staged block of k fits what the kernel gives it of the cache.
static size_t rows_max(const tk_dot_kernel *kernel, size_t k, size_t segment) {
    enum { STAGED_BYTES_MAX = 8 << 20 };
    const cut c = tk_dot_cut(kernel, k, segment);
    const size_t block_bytes = at_most(c.total_steps, kernel->block_k / c.step) * 64 + 1;
    const size_t resident = kernel->resident ? kernel->resident / block_bytes : kernel->block_m;
    const size_t fitting = at_most(resident, STAGED_BYTES_MAX / (c.total_steps * 64 + 1)) / kernel->rows * kernel->rows;
    return at_most(kernel->block_m, fitting > kernel->rows * 4 ? fitting : kernel->rows * 4);
}

size_t tk_dot_block_rows(const tk_dot_kernel *kernel, size_t m, size_t k, size_t segment) {
    const size_t most = rows_max(kernel, k, segment);
    return m <= most ? m : round_up(divide_up(m, divide_up(m, most)), kernel->rows);
}

plan tk_dot_plan(const tk_dot_kernel *kernel, size_t rows, size_t k, size_t segment) {
    plan p = {.cut = tk_dot_cut(kernel, k, segment), .rows = rows, .group = 1, .parts = 1};
    const cut *c = &p.cut;
    // With one row of tiles nothing would be gained from a panel that stays in cache.
    const size_t block_steps = rows <= kernel->rows ? c->total_steps + 1 : kernel->block_k / c->step;
    while (p.group < c->leaves && p.group * 2 * c->leaf_steps <= block_steps) p.group *= 2;
    p.part_steps = p.group * c->leaf_steps;
    if (c->leaf_steps > block_steps) {
        p.part_steps = block_steps;
        p.parts = divide_up(c->leaf_steps, block_steps);
    }
    p.blocks = divide_up(c->leaves, p.group) * p.parts;
    const bool resident = staged_value_bytes(kernel, c, rows) <= kernel->resident;
    p.block_n = p.blocks == 1 || resident ? kernel->columns : kernel->block_n;
    p.tile_floats = kernel->rows * kernel->columns;
    p.slots = p.blocks > 1 ? bit_length(divide_up(c->leaves, p.group) - 1) + (p.parts > 1) : 0;
    return p;
}

block tk_dot_block(const tk_dot_kernel *kernel, const plan *p, size_t index) {
    const cut *c = &p->cut;
    block b = {.leaf0 = index / p->parts * p->group, .length_max = c->segment, .ends = true};
    b.leaf1 = at_most(c->leaves, b.leaf0 + p->group);
    b.first_step = b.leaf0 * c->leaf_steps + index % p->parts * p->part_steps;
    b.part = index % p->parts * p->part_steps * c->step;
    b.first_unit = b.leaf0 * c->leaf_units + b.part / kernel->unit;
    if (p->parts > 1) {
        const size_t length = leaf_length(c, b.leaf0);
        if (b.part >= length) return b;
        b.length_max = at_most(p->part_steps * c->step, length - b.part);
        b.ends = b.part + b.length_max == length;
        b.steps = divide_up(b.length_max, c->step);
        b.units = packed_units(kernel, b.length_max);
    } else {
        b.steps = (b.leaf1 == c->leaves ? c->total_steps : b.leaf1 * c->leaf_steps) - b.first_step;
        b.units = (b.leaf1 == c->leaves ? c->total_units : b.leaf1 * c->leaf_units) - b.first_unit;
    }
    return b;
}

size_t tk_dot_staged_size(const tk_dot_kernel *kernel, size_t rows, size_t k, size_t segment) {
    const cut c = tk_dot_cut(kernel, k, segment);
    return round_up(staged_value_bytes(kernel, &c, rows) + 2 * row_scale_bytes(kernel, &c, rows), 64);
}

// Scratch is that of the largest block that m rows allow, so that fewer rows never take more.

size_t tk_dot_tile_bytes(const tk_dot_kernel *kernel, size_t m, size_t n, size_t k, size_t segment) {
    const plan p = tk_dot_plan(kernel, at_most(m, rows_max(kernel, k, segment)), k, segment);
    const size_t panels = divide_up(at_most(n, p.block_n), kernel->columns);
    const size_t tiles = local_tiles(&p) + p.slots * panels * divide_up(p.rows, kernel->rows);
    return tiles * p.tile_floats * sizeof(float);
}

size_t tk_dot_product_scratch(const tk_dot_kernel *kernel, size_t m, size_t n, size_t k, size_t segment) {
    return tk_dot_tile_bytes(kernel, m, n, k, segment)
           + tk_dot_staged_size(kernel, at_most(m, rows_max(kernel, k, segment)), k, segment);
}
