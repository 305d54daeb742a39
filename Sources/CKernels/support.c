#include "include/support.h"

#include "numeric.h"

void tk_copy_box(void *out, const void *in, size_t run, size_t rank, const ptrdiff_t *extents,
                 const ptrdiff_t *in_strides, const ptrdiff_t *out_strides) {
    if (rank == 0) {
        memcpy(out, in, run);
        return;
    }
    for (ptrdiff_t i = 0; i < extents[0]; i++)
        tk_copy_box((char *)out + i * out_strides[0], (const char *)in + i * in_strides[0], run, rank - 1, extents + 1,
                    in_strides + 1, out_strides + 1);
}

TK_CLONES void tk_convert(void *out, tk_dtype out_dtype, const void *in, tk_dtype in_dtype, size_t count) {
    if (out_dtype == in_dtype) {
        memcpy(out, in, count * (in_dtype == TK_F32 ? 4 : 2));
        return;
    }
    float values[TK_CHUNK];
    for (size_t i = 0; i < count; i += TK_CHUNK) {
        const size_t n = tk_least(TK_CHUNK, count - i);
        tk_load(values, in, in_dtype, i, n);
        tk_store(out, out_dtype, i, values, n);
    }
}

TK_CLONES void tk_max_combine(float *out, const float *in, size_t count) {
    for (size_t i = 0; i < count; i++) out[i] = in[i] > out[i] ? in[i] : out[i];
}

void tk_argmax_combine(float *out, const float *in, size_t triples) {
    for (size_t i = 0; i < triples; i++, out += 3, in += 3)
        if (in[0] > out[0] || (in[0] == out[0] && in[1] < out[1])) memcpy(out, in, 3 * sizeof(float));
}

TK_CLONES void tk_tree_fold(float *leaves, size_t count, size_t stride, size_t elements) {
    for (size_t width = 1; width < count; width *= 2)
        for (size_t i = 0; i + width < count; i += 2 * width) {
            float *restrict left = leaves + i * stride;
            const float *restrict right = leaves + (i + width) * stride;
            for (size_t e = 0; e < elements; e++) left[e] += right[e];
        }
}
