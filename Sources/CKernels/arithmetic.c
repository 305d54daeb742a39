#include "include/arithmetic.h"

#include "numeric.h"

/// tanh within 2 units in the last place: Cephes' polynomial near 0, else 1 - 2 / (e^2|x| + 1).
TK_INLINE float tk_tanhf(float x) {
    const float z = x * x;
    float p = -5.70498872745e-3f;
    p = p * z + 2.06390887954e-2f;
    p = p * z - 5.37397155531e-2f;
    p = p * z + 1.33314422036e-1f;
    p = p * z - 3.33332819422e-1f;
    const float near = p * z * x + x;
    const float far = 1.0f - 2.0f / (tk_expf(2.0f * fabsf(x)) + 1.0f);
    return fabsf(x) < 0.625f ? near : (x < 0.0f ? -far : far);
}

#define EACH(EXPRESSION)                                                                                               \
    for (size_t j = 0; j < n; j++) x[j] = EXPRESSION;                                                                  \
    break

TK_INLINE void unary(tk_unary_kind kind, float *restrict x, size_t n) {
    switch (kind) {
    case TK_EXP: EACH(tk_expf(x[j]));
    case TK_LOG: EACH(tk_logf(x[j]));
    case TK_TANH: EACH(tk_tanhf(x[j]));
    case TK_LOGISTIC: EACH(tk_sigmoid(x[j]));
    case TK_RSQRT: EACH(1.0f / sqrtf(x[j]));
    case TK_SQRT: EACH(sqrtf(x[j]));
    case TK_NEGATE: EACH(-x[j]);
    case TK_ABS: EACH(fabsf(x[j]));
    }
}

TK_CLONES void tk_unary(tk_unary_kind kind, void *out, tk_dtype out_dtype, const void *in, tk_dtype in_dtype,
                        size_t begin, size_t end) {
    float x[TK_CHUNK];
    for (size_t i = begin; i < end; i += TK_CHUNK) {
        const size_t n = tk_least(TK_CHUNK, end - i);
        tk_load(x, in, in_dtype, i, n);
        unary(kind, x, n);
        tk_store(out, out_dtype, i, x, n);
    }
}

TK_INLINE void binary(tk_binary_kind kind, float *restrict x, const float *restrict y, size_t n) {
    switch (kind) {
    case TK_PLUS: EACH(x[j] + y[j]);
    case TK_MINUS: EACH(x[j] - y[j]);
    case TK_TIMES: EACH(x[j] * y[j]);
    case TK_OVER: EACH(x[j] / y[j]);
    case TK_MAXIMUM: EACH(x[j] > y[j] || x[j] != x[j] ? x[j] : y[j]);
    case TK_MINIMUM: EACH(x[j] < y[j] || x[j] != x[j] ? x[j] : y[j]);
    }
}

TK_CLONES void tk_binary_real(tk_binary_kind kind, void *out, tk_dtype out_dtype, const void *a, tk_dtype a_dtype,
                              const void *b, tk_dtype b_dtype, size_t begin, size_t end) {
    float x[TK_CHUNK], y[TK_CHUNK];
    for (size_t i = begin; i < end; i += TK_CHUNK) {
        const size_t n = tk_least(TK_CHUNK, end - i);
        tk_load(x, a, a_dtype, i, n);
        tk_load(y, b, b_dtype, i, n);
        binary(kind, x, y, n);
        tk_store(out, out_dtype, i, x, n);
    }
}

TK_INLINE int32_t quotient(int32_t a, int32_t b) {
    if (b == 0) return 0;
    return b == -1 ? (int32_t)(0u - (uint32_t)a) : a / b;
}

TK_CLONES void tk_binary_i32(tk_binary_kind kind, int32_t *out, const int32_t *a, const int32_t *b, size_t begin,
                             size_t end) {
    for (size_t i = begin; i < end; i++) {
        const int32_t x = a[i], y = b[i];
        switch (kind) {
        case TK_PLUS: out[i] = (int32_t)((uint32_t)x + (uint32_t)y); break;
        case TK_MINUS: out[i] = (int32_t)((uint32_t)x - (uint32_t)y); break;
        case TK_TIMES: out[i] = (int32_t)((uint32_t)x * (uint32_t)y); break;
        case TK_OVER: out[i] = quotient(x, y); break;
        case TK_MAXIMUM: out[i] = x > y ? x : y; break;
        case TK_MINIMUM: out[i] = x < y ? x : y; break;
        }
    }
}

#define COMPARED(OPERATOR)                                                                                             \
    for (size_t j = 0; j < n; j++) out[j] = x[j] OPERATOR y[j];                                                        \
    break

#define TK_COMPARED(T, NAME)                                                                                           \
    TK_INLINE void compare_##NAME(tk_direction direction, uint8_t *restrict out, const T *restrict x,                  \
                                  const T *restrict y, size_t n) {                                                     \
        switch (direction) {                                                                                           \
        case TK_EQ: COMPARED(==);                                                                                      \
        case TK_NE: COMPARED(!=);                                                                                      \
        case TK_LT: COMPARED(<);                                                                                       \
        case TK_LE: COMPARED(<=);                                                                                      \
        case TK_GT: COMPARED(>);                                                                                       \
        case TK_GE: COMPARED(>=);                                                                                      \
        }                                                                                                              \
    }

TK_COMPARED(float, real)
TK_COMPARED(int32_t, i32)
TK_COMPARED(uint8_t, u8)

TK_CLONES void tk_compare(tk_direction direction, uint8_t *out, const void *a, tk_element a_element, const void *b,
                          tk_element b_element, size_t begin, size_t end) {
    if (a_element == TK_ELEMENT_I32) {
        compare_i32(direction, out + begin, (const int32_t *)a + begin, (const int32_t *)b + begin, end - begin);
    } else if (a_element == TK_ELEMENT_U8) {
        compare_u8(direction, out + begin, (const uint8_t *)a + begin, (const uint8_t *)b + begin, end - begin);
    } else {
        float x[TK_CHUNK], y[TK_CHUNK];
        for (size_t i = begin; i < end; i += TK_CHUNK) {
            const size_t n = tk_least(TK_CHUNK, end - i);
            tk_load(x, a, (tk_dtype)a_element, i, n);
            tk_load(y, b, (tk_dtype)b_element, i, n);
            compare_real(direction, out + i, x, y, n);
        }
    }
}

TK_CLONES void tk_select(void *out, size_t size, const uint8_t *pred, const void *a, const void *b, size_t begin,
                         size_t end) {
    if (size == 4)
        for (size_t i = begin; i < end; i++)
            ((uint32_t *)out)[i] = pred[i] ? ((const uint32_t *)a)[i] : ((const uint32_t *)b)[i];
    else if (size == 2)
        for (size_t i = begin; i < end; i++)
            ((uint16_t *)out)[i] = pred[i] ? ((const uint16_t *)a)[i] : ((const uint16_t *)b)[i];
    else
        for (size_t i = begin; i < end; i++)
            ((uint8_t *)out)[i] = pred[i] ? ((const uint8_t *)a)[i] : ((const uint8_t *)b)[i];
}

/// A float as an integer of a range whose ends are floats; the upper end itself is cut off by the caller's type.
TK_INLINE int32_t whole(float x, float low, float high) {
    if (x != x) return 0;
    if (x <= low) return (int32_t)low;
    return x >= high ? (high >= 2147483648.0f ? INT32_MAX : (int32_t)high) : (int32_t)x;
}

TK_CLONES void tk_cast(void *out, tk_element out_element, const void *in, tk_element in_element, size_t begin,
                       size_t end) {
    const int to_integer = out_element == TK_ELEMENT_I32 || out_element == TK_ELEMENT_U8;
    if (in_element == TK_ELEMENT_I32 && to_integer) {
        const int32_t *x = in;
        for (size_t i = begin; i < end; i++) {
            if (out_element == TK_ELEMENT_I32) ((int32_t *)out)[i] = x[i];
            else ((uint8_t *)out)[i] = (uint8_t)(x[i] < 0 ? 0 : x[i] > 255 ? 255 : x[i]);
        }
        return;
    }
    float v[TK_CHUNK];
    for (size_t i = begin; i < end; i += TK_CHUNK) {
        const size_t n = tk_least(TK_CHUNK, end - i);
        if (in_element == TK_ELEMENT_I32)
            for (size_t j = 0; j < n; j++) v[j] = (float)((const int32_t *)in)[i + j];
        else if (in_element == TK_ELEMENT_U8)
            for (size_t j = 0; j < n; j++) v[j] = (float)((const uint8_t *)in)[i + j];
        else tk_load(v, in, (tk_dtype)in_element, i, n);
        if (out_element == TK_ELEMENT_I32)
            for (size_t j = 0; j < n; j++) ((int32_t *)out)[i + j] = whole(v[j], -2147483648.0f, 2147483648.0f);
        else if (out_element == TK_ELEMENT_U8)
            for (size_t j = 0; j < n; j++) ((uint8_t *)out)[i + j] = (uint8_t)whole(v[j], 0.0f, 255.0f);
        else tk_store(out, (tk_dtype)out_element, i, v, n);
    }
}
