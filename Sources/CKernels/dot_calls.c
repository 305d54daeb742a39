// The products' calls: each is a kernel, a plan and the loops of dot.c.
#include "dot_plan.h"
#include "dot_int8.h"
#include "dot_staged.h"

/// A call of either kind, without its result.
static tk_dot_call call_of(const tk_dot_shape *shape, const void *packed, void *scratch) {
    const size_t n = shape->n, k = shape->k, segment = shape->segment;
    tk_dot_call call = {.n = n, .k = k, .segment = segment, .packed = packed, .scratch = scratch};
    call.kernel = shape->is_int8 ? tk_dot_s8_kernel_of(shape->isa) : tk_dot_kernel_of(shape->isa);
    if (shape->is_int8) call.column_scales = tk_dot_s8_column_scales(call.kernel, packed, n, k, segment);
    return call;
}

static const tk_dot_kernel *kernel_of(const tk_dot_shape *shape) {
    return shape->is_int8 ? tk_dot_s8_kernel_of(shape->isa) : tk_dot_kernel_of(shape->isa);
}

// MARK: One step

size_t tk_dot_column_block(tk_isa isa) { return tk_dot_kernel_of(isa)->columns; }

size_t tk_dot_s8_column_block(tk_isa isa) { return tk_dot_s8_kernel_of(isa)->columns; }

size_t tk_dot_scratch_bytes(tk_isa isa, size_t m, size_t n, size_t k, size_t segment) {
    return tk_dot_product_scratch(tk_dot_kernel_of(isa), m, n, k, segment);
}

size_t tk_dot_s8_scratch_bytes(tk_isa isa, size_t m, size_t n, size_t k, size_t segment) {
    return tk_dot_product_scratch(tk_dot_s8_kernel_of(isa), m, n, k, segment);
}

void tk_dot_bf16(tk_isa isa, size_t m0, size_t m1, size_t n0, size_t n1, size_t n, size_t k, size_t segment,
                 const uint16_t *x, size_t ldx, const void *packed, void *out, size_t ldo, tk_dtype out_dtype,
                 void *scratch) {
    const tk_dot_shape shape = {.isa = isa, .n = n, .k = k, .segment = segment};
    tk_dot_call call = call_of(&shape, packed, scratch);
    call.out = out, call.ldo = ldo, call.dtype = out_dtype;
    tk_dot_product(&call, m0, m1, n0, n1, x, ldx);
}

void tk_dot_s8(tk_isa isa, size_t m0, size_t m1, size_t n0, size_t n1, size_t n, size_t k, size_t segment,
               const uint16_t *x, size_t ldx, const void *packed, void *out, size_t ldo, tk_dtype out_dtype,
               void *scratch) {
    const tk_dot_shape shape = {.isa = isa, .is_int8 = true, .n = n, .k = k, .segment = segment};
    tk_dot_call call = call_of(&shape, packed, scratch);
    call.out = out, call.ldo = ldo, call.dtype = out_dtype;
    tk_dot_product(&call, m0, m1, n0, n1, x, ldx);
}

// MARK: Two steps

size_t tk_dot_row_block(const tk_dot_shape *shape, size_t m) {
    return tk_dot_block_rows(kernel_of(shape), m, shape->k, shape->segment);
}

size_t tk_dot_staged_bytes(const tk_dot_shape *shape, size_t rows) {
    return tk_dot_staged_size(kernel_of(shape), rows, shape->k, shape->segment);
}

void tk_dot_stage(const tk_dot_shape *shape, size_t rows, size_t r0, size_t r1, const uint16_t *x, size_t ldx,
                  void *staged) {
    if (r0 >= r1 || shape->k == 0) return;
    const tk_dot_kernel *kernel = kernel_of(shape);
    const plan p = tk_dot_plan(kernel, rows, shape->k, shape->segment);
    tk_dot_stage_rows(kernel, &p, r0, r1, x, ldx, staged);
}

size_t tk_dot_staged_scratch_bytes(const tk_dot_shape *shape, size_t m, size_t columns) {
    return tk_dot_tile_bytes(kernel_of(shape), m, columns, shape->k, shape->segment);
}

void tk_dot_staged(const tk_dot_shape *shape, size_t rows, size_t n0, size_t n1, const void *staged, const void *packed,
                   void *out, size_t ldo, tk_dtype out_dtype, void *scratch) {
    if (rows == 0 || n0 >= n1) return;
    tk_dot_call call = call_of(shape, packed, scratch);
    call.out = out, call.ldo = ldo, call.dtype = out_dtype;
    if (shape->k == 0) {
        tk_dot_zero(&call, rows, n0, n1);
        return;
    }
    const plan p = tk_dot_plan(call.kernel, rows, shape->k, shape->segment);
    tk_dot_block_product(&call, &p, staged, n0, n1);
}
