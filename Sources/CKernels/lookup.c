#include "include/lookup.h"

#include "numeric.h"

TK_CLONES static void copy_row(void *out, tk_dtype out_dtype, size_t out_offset, const void *in, tk_dtype in_dtype,
                               size_t in_offset, size_t count) {
    float v[TK_CHUNK];
    for (size_t i = 0; i < count; i += TK_CHUNK) {
        const size_t n = tk_least(TK_CHUNK, count - i);
        if (in) tk_load(v, in, in_dtype, in_offset + i, n);
        else memset(v, 0, n * sizeof(float));
        tk_store(out, out_dtype, out_offset + i, v, n);
    }
}

void tk_gather_rows(void *out, tk_dtype out_dtype, const void *table, tk_dtype table_dtype, int64_t lower, size_t rows,
                    const int32_t *ids, size_t begin, size_t end, size_t count) {
    for (size_t r = begin; r < end; r++) {
        const int64_t row = (int64_t)ids[r] - lower;
        const int here = row >= 0 && row < (int64_t)rows;
        copy_row(out, out_dtype, r * count, here ? table : NULL, table_dtype, here ? (size_t)row * count : 0, count);
    }
}

void tk_take_rows(void *out, tk_dtype out_dtype, const void *x, tk_dtype x_dtype, int64_t lower, size_t rows,
                  const int32_t *index, size_t begin, size_t end, size_t count) {
    for (size_t r = begin; r < end; r++) {
        const int64_t row = (int64_t)index[r] - lower;
        const int here = row >= 0 && row < (int64_t)rows;
        copy_row(out, out_dtype, r * count, here ? x : NULL, x_dtype, here ? (r * rows + (size_t)row) * count : 0,
                 count);
    }
}

TK_CLONES void tk_nearest_code(float *out, const void *z, tk_dtype z_dtype, const void *codebook,
                               tk_dtype codebook_dtype, size_t lower, size_t codes, size_t begin, size_t end,
                               size_t count) {
    float v[TK_CHUNK], u[TK_CHUNK];
    for (size_t r = begin; r < end; r++) {
        float best = -INFINITY, index = 16777216.0f;
        for (size_t k = 0; k < codes; k++) {
            tk_lanes sums = {{0}};
            for (size_t i = 0; i < count; i += TK_CHUNK) {
                const size_t n = tk_least(TK_CHUNK, count - i);
                tk_load(v, z, z_dtype, r * count + i, n);
                tk_load(u, codebook, codebook_dtype, k * count + i, n);
                for (size_t j = 0; j < n; j++) v[j] = (v[j] - u[j]) * (v[j] - u[j]);
                tk_lanes_add(&sums, v, n);
            }
            const float score = -tk_lanes_total(&sums);
            if (score > best) best = score, index = (float)(lower + k);
        }
        out[3 * r] = best, out[3 * r + 1] = index, out[3 * r + 2] = 0.0f;
    }
}
