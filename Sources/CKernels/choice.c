#include "include/choice.h"

#include "numeric.h"

TK_INLINE float counted(float x) { return x == x ? x : -INFINITY; }

void tk_arg_max(float *out, const void *x, tk_dtype dtype, size_t offset, size_t count, size_t inner, size_t first) {
    for (size_t i = 0; i < inner; i++) {
        out[3 * i] = -INFINITY;
        out[3 * i + 1] = count ? (float)first : TK_NO_INDEX;
        out[3 * i + 2] = 0.0f;
    }
    float v[TK_CHUNK];
    if (inner == 1) {
        for (size_t r = 0; r < count; r += TK_CHUNK) {
            const size_t n = tk_least(TK_CHUNK, count - r);
            tk_load(v, x, dtype, offset + r, n);
            for (size_t j = 0; j < n; j++)
                if (v[j] > out[0]) out[0] = v[j], out[1] = (float)(first + r + j);
        }
        return;
    }
    for (size_t r = 0; r < count; r++)
        for (size_t i = 0; i < inner; i += TK_CHUNK) {
            const size_t n = tk_least(TK_CHUNK, inner - i);
            tk_load(v, x, dtype, offset + r * inner + i, n);
            for (size_t j = 0; j < n; j++)
                if (v[j] > out[3 * (i + j)]) out[3 * (i + j)] = v[j], out[3 * (i + j) + 1] = (float)(first + r);
        }
}

typedef struct { float value, index; } pair;

TK_INLINE int is_better(pair a, pair b) { return a.value > b.value || (a.value == b.value && a.index < b.index); }

/// Lets the pair at `i` of a heap sink; the worst pair is at the top.
static void sink(pair *heap, size_t i, size_t count) {
    const pair moved = heap[i];
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= count) break;
        if (child + 1 < count && is_better(heap[child], heap[child + 1])) child++;
        if (!is_better(moved, heap[child])) break;
        heap[i] = heap[child];
        i = child;
    }
    heap[i] = moved;
}

static void start(pair *heap, size_t k) {
    for (size_t i = 0; i < k; i++) heap[i] = (pair){-INFINITY, TK_NO_INDEX};
}

static void offer(pair *heap, size_t k, pair candidate) {
    if (!is_better(candidate, heap[0])) return;
    heap[0] = candidate;
    sink(heap, 0, k);
}

/// A heap into descending order.
static void finish(pair *heap, size_t k) {
    for (size_t left = k; left > 1; left--) {
        const pair worst = heap[0];
        heap[0] = heap[left - 1];
        heap[left - 1] = worst;
        sink(heap, 0, left - 1);
    }
}

void tk_top_k(float *out, size_t k, const void *x, tk_dtype dtype, size_t offset, size_t count, size_t first) {
    pair *heap = (pair *)out;
    start(heap, k);
    float v[TK_CHUNK];
    for (size_t i = 0; i < count; i += TK_CHUNK) {
        const size_t n = tk_least(TK_CHUNK, count - i);
        tk_load(v, x, dtype, offset + i, n);
        for (size_t j = 0; j < n; j++) offer(heap, k, (pair){counted(v[j]), (float)(first + i + j)});
    }
    finish(heap, k);
}

void tk_merge_top_k(float *out, size_t k, const float *pairs, size_t count) {
    pair *heap = (pair *)out;
    start(heap, k);
    for (size_t i = 0; i < count; i++) offer(heap, k, (pair){counted(pairs[2 * i]), pairs[2 * i + 1]});
    finish(heap, k);
}

/// A number whose order as an unsigned integer is the float's; every NaN is the greatest.
TK_INLINE uint32_t key_of(float x) {
    if (x != x) return UINT32_MAX;
    const uint32_t bits = (uint32_t)tk_float_bits(x);
    return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}

TK_INLINE float value_of(uint32_t key) {
    return tk_bits_float((int32_t)(key & 0x80000000u ? key & 0x7FFFFFFFu : ~key));
}

/// Least significant byte first; the result is in `keys` after four passes.
static void radix_sort(uint32_t *keys, uint32_t *other, size_t count) {
    for (int shift = 0; shift < 32; shift += 8) {
        size_t places[257] = {0};
        for (size_t i = 0; i < count; i++) places[((keys[i] >> shift) & 255) + 1]++;
        for (int i = 0; i < 256; i++) places[i + 1] += places[i];
        for (size_t i = 0; i < count; i++) other[places[(keys[i] >> shift) & 255]++] = keys[i];
        uint32_t *swap = keys;
        keys = other;
        other = swap;
    }
}

static void insertion_sort(uint32_t *keys, size_t count) {
    for (size_t i = 1; i < count; i++) {
        const uint32_t key = keys[i];
        size_t j = i;
        for (; j > 0 && keys[j - 1] > key; j--) keys[j] = keys[j - 1];
        keys[j] = key;
    }
}

void tk_sort_line(void *out, const void *in, tk_element element, size_t count, size_t stride, uint32_t *scratch) {
    uint32_t *keys = scratch;
    for (size_t i = 0; i < count; i++)
        keys[i] = element == TK_ELEMENT_I32 ? (uint32_t)((const int32_t *)in)[i * stride] ^ 0x80000000u
                                            : key_of(tk_read(in, (tk_dtype)element, i * stride));
    if (count <= 64) insertion_sort(keys, count);
    else radix_sort(keys, scratch + count, count);
    for (size_t i = 0; i < count; i++) {
        if (element == TK_ELEMENT_I32) ((int32_t *)out)[i * stride] = (int32_t)(keys[i] ^ 0x80000000u);
        else tk_write(out, (tk_dtype)element, i * stride, value_of(keys[i]));
    }
}
