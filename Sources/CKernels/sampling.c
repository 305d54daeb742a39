#include "include/sampling.h"

#include "numeric.h"

#define LANES 16 // Philox blocks that are computed side by side

/// Ten rounds on LANES blocks; x[w][l] is word w of block l.
TK_INLINE void rounds(uint32_t key0, uint32_t key1, uint32_t x[4][LANES]) {
    for (int round = 0; round < 10; round++) {
        for (int l = 0; l < LANES; l++) {
            const uint64_t a = (uint64_t)0xD2511F53u * x[0][l];
            const uint64_t b = (uint64_t)0xCD9E8D57u * x[2][l];
            const uint32_t x1 = x[1][l], x3 = x[3][l];
            x[0][l] = (uint32_t)(b >> 32) ^ x1 ^ key0;
            x[1][l] = (uint32_t)b;
            x[2][l] = (uint32_t)(a >> 32) ^ x3 ^ key1;
            x[3][l] = (uint32_t)a;
        }
        key0 += 0x9E3779B9u;
        key1 += 0xBB67AE85u;
    }
}

void tk_philox(const uint32_t key[2], const uint32_t counter[4], uint32_t out[4]) {
    uint32_t x[4][LANES] = {{0}};
    for (int w = 0; w < 4; w++) x[w][0] = counter[w];
    rounds(key[0], key[1], x);
    for (int w = 0; w < 4; w++) out[w] = x[w][0];
}

/// ln x for a normal positive x, relative error below 1e-11: x = 2^e m, ln m = 2 artanh((m - 1) / (m + 1)).
///
/// In double precision, since u close to 1 leaves few bits of 1 - u in an f32.
TK_INLINE double log_double(double x) {
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    const uint64_t moved = bits - 0x3FE6A09E667F3BCDu; // the cut between binades at sqrt(1/2)
    const double e = (double)(int32_t)((int64_t)moved >> 52);
    const uint64_t mantissa = (moved & 0x000FFFFFFFFFFFFFu) + 0x3FE6A09E667F3BCDu;
    double m;
    memcpy(&m, &mantissa, sizeof m);
    const double s = (m - 1.0) / (m + 1.0), q = s * s;
    double p = 1.0 / 13.0;
    p = p * q + 1.0 / 11.0;
    p = p * q + 1.0 / 9.0;
    p = p * q + 1.0 / 7.0;
    p = p * q + 1.0 / 5.0;
    p = p * q + 1.0 / 3.0;
    return e * 0.69314718055994531 + 2.0 * (s + s * q * p);
}

/// -log(((r >> 8) + 0.5) 2^-24), rounded once.
TK_INLINE float exponential(uint32_t r) {
    return (float)-log_double(((double)(int32_t)(r >> 8) + 0.5) * 5.9604644775390625e-8);
}

/// Writes words of LANES blocks in order, of which the first has index `index`; out holds [first, last).
TK_INLINE void spread(float *restrict out, const float values[4][LANES], uint64_t index, uint64_t first,
                      uint64_t last) {
    if (index >= first && index + 4 * LANES <= last) {
        float *restrict to = out + (index - first);
        for (size_t l = 0; l < LANES; l++)
            for (size_t w = 0; w < 4; w++) to[l * 4 + w] = values[w][l];
        return;
    }
    for (uint64_t l = 0; l < LANES; l++)
        for (uint64_t w = 0; w < 4; w++) {
            const uint64_t place = index + l * 4 + w;
            if (place >= first && place < last) out[place - first] = values[w][l];
        }
}

TK_CLONES void tk_exponential_noise(float *out, const int32_t rng[4], uint32_t position, size_t first, size_t count) {
    const size_t last = first + count;
    for (size_t block = first / 4; block * 4 < last; block += LANES) {
        uint32_t x[4][LANES];
        for (uint32_t l = 0; l < LANES; l++) {
            x[0][l] = (uint32_t)rng[2];
            x[1][l] = (uint32_t)rng[3];
            x[2][l] = position;
            x[3][l] = (uint32_t)block + l;
        }
        rounds((uint32_t)rng[0], (uint32_t)rng[1], x);
        float q[4][LANES];
        for (int w = 0; w < 4; w++)
            for (int l = 0; l < LANES; l++) q[w][l] = exponential(x[w][l]);
        spread(out, q, block * 4, first, last);
    }
}

float tk_confidence_noise(const int32_t rng[4], uint32_t position) {
    const uint32_t key[2] = {(uint32_t)rng[0], (uint32_t)rng[1]};
    const uint32_t counter[4] = {(uint32_t)rng[2], (uint32_t)rng[3], position, 0x80000000u};
    uint32_t r[4];
    tk_philox(key, counter, r);
    return -tk_logf(exponential(r[0]));
}

TK_CLONES void tk_guide(void *out, tk_dtype out_dtype, const void *l0, const void *l1, tk_dtype dtype, size_t begin,
                        size_t end, float scale) {
    float a[TK_CHUNK], b[TK_CHUNK];
    for (size_t i = begin; i < end; i += TK_CHUNK) {
        const size_t n = tk_least(TK_CHUNK, end - i);
        tk_load(a, l0, dtype, i, n);
        if (l1) {
            tk_load(b, l1, dtype, i, n);
            for (size_t j = 0; j < n; j++) a[j] = a[j] + scale * (b[j] - a[j]);
        }
        tk_store(out, out_dtype, i, a, n);
    }
}

TK_CLONES static void scores(float *restrict score, const float *restrict logit, const float *restrict q, size_t n) {
    for (size_t j = 0; j < n; j++) score[j] = logit[j] - tk_logf(q[j]);
}

void tk_choose(float out[3], const void *logits, tk_dtype dtype, size_t offset, size_t first, size_t count,
               tk_noise noise, const void *given, tk_dtype given_dtype, const int32_t *rng, uint32_t position) {
    float logit[TK_CHUNK], score[TK_CHUNK], q[TK_CHUNK];
    out[0] = -INFINITY, out[1] = 16777216.0f, out[2] = 0.0f;
    for (size_t i = 0; i < count; i += TK_CHUNK) {
        const size_t n = tk_least(TK_CHUNK, count - i);
        tk_load(logit, logits, dtype, offset + i, n);
        if (noise == TK_NOISE_NONE) {
            memcpy(score, logit, n * sizeof(float));
        } else {
            if (noise == TK_NOISE_GIVEN) tk_load(q, given, given_dtype, offset + i, n);
            else tk_exponential_noise(q, rng, position, first + i, n);
            scores(score, logit, q, n);
        }
        for (size_t j = 0; j < n; j++)
            if (score[j] > out[0]) out[0] = score[j], out[1] = (float)(first + i + j), out[2] = logit[j];
    }
}

void tk_choice_index(int32_t *out, const float *choice, size_t count) {
    for (size_t i = 0; i < count; i++) out[i] = (int32_t)choice[3 * i + 1];
}

void tk_accept_tokens(int32_t *out, const int32_t *tokens, const float *choice, size_t count, int32_t mask) {
    for (size_t i = 0; i < count; i++) out[i] = tokens[i] == mask ? (int32_t)choice[3 * i + 1] : tokens[i];
}

float tk_confidence(int masked, float logit, float max, float sum, float temperature, float gumbel) {
    float p = masked ? tk_expf(logit - max) / sum : 3.4028235e38f;
    p = p > 1e-20f ? p : 1e-20f;
    return tk_logf(p) + temperature * gumbel;
}

/// Moves value `i` of a heap of `count` values down to its place; the largest is at the top.
static void sift(float *heap, size_t i, size_t count) {
    for (size_t child = 2 * i + 1; child < count; i = child, child = 2 * i + 1) {
        if (child + 1 < count && heap[child] < heap[child + 1]) child++;
        if (!(heap[i] < heap[child])) return;
        const float value = heap[i];
        heap[i] = heap[child], heap[child] = value;
    }
}

/// Heap sort, ascending: the C library's sort takes heap memory.
static void sort(float *values, size_t count) {
    for (size_t i = count / 2; i-- > 0;) sift(values, i, count);
    for (size_t end = count; end-- > 1;) {
        const float value = values[0];
        values[0] = values[end], values[end] = value;
        sift(values, 0, end);
    }
}

void tk_remask(int32_t *out, const int32_t *sampled, const void *confidence, tk_dtype dtype, size_t offset,
               size_t count, int32_t mask_count, int32_t mask, float *scratch) {
    memcpy(out, sampled, count * sizeof(int32_t));
    if (mask_count < 0 || count == 0) return;
    for (size_t i = 0; i < count; i++) scratch[i] = tk_read(confidence, dtype, offset + i);
    sort(scratch, count);
    const float cut = scratch[tk_least((size_t)mask_count, count - 1)];
    for (size_t i = 0; i < count; i++)
        if (tk_read(confidence, dtype, offset + i) < cut) out[i] = mask;
}
