#pragma once
#include <stddef.h>
#include <stdint.h>

#include "dot.h"

// General element-wise operations on elements [begin, end) of dense buffers. Real inputs are f32 or bf16; results are
// computed in f32 and rounded once.

/// Element types of values that need not be real.
typedef enum { TK_ELEMENT_F32 = 0, TK_ELEMENT_BF16 = 1, TK_ELEMENT_I32 = 2, TK_ELEMENT_U8 = 3 } tk_element;

typedef enum {
    TK_EXP = 0, TK_LOG = 1, TK_TANH = 2, TK_LOGISTIC = 3, TK_RSQRT = 4, TK_SQRT = 5, TK_NEGATE = 6, TK_ABS = 7
} tk_unary_kind;

typedef enum {
    TK_PLUS = 0, TK_MINUS = 1, TK_TIMES = 2, TK_OVER = 3, TK_MAXIMUM = 4, TK_MINIMUM = 5
} tk_binary_kind;

typedef enum { TK_EQ = 0, TK_NE = 1, TK_LT = 2, TK_LE = 3, TK_GT = 4, TK_GE = 5 } tk_direction;

/// out = kind(x).
void tk_unary(tk_unary_kind kind, void *out, tk_dtype out_dtype, const void *x, tk_dtype x_dtype, size_t begin,
              size_t end);

/// out = a kind b. A NaN on either side of a maximum or minimum is the result.
void tk_binary_real(tk_binary_kind kind, void *out, tk_dtype out_dtype, const void *a, tk_dtype a_dtype, const void *b,
                    tk_dtype b_dtype, size_t begin, size_t end);

/// out = a kind b, wrapping; division is toward zero, and 0 by zero.
void tk_binary_i32(tk_binary_kind kind, int32_t *out, const int32_t *a, const int32_t *b, size_t begin, size_t end);

/// out = a direction b as 1 or 0; both sides real, or both of one other type.
void tk_compare(tk_direction direction, uint8_t *out, const void *a, tk_element a_element, const void *b,
                tk_element b_element, size_t begin, size_t end);

/// out = pred ? a : b, elements of `size` bytes (1, 2 or 4).
void tk_select(void *out, size_t size, const uint8_t *pred, const void *a, const void *b, size_t begin, size_t end);

/// out = x in another element type. To integers: toward zero, out of range to the nearest end, NaN to 0.
void tk_cast(void *out, tk_element out_element, const void *x, tk_element x_element, size_t begin, size_t end);
