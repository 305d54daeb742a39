#pragma once
#include <stddef.h>
#include <stdint.h>

#include "dot.h"

// Element-wise operations. Every input is f32 or bf16 as its dtype says; results are computed in f32 and rounded once.

typedef enum { TK_ADD = 0, TK_MULTIPLY = 1 } tk_binary;
typedef enum { TK_SILU = 0, TK_GELU = 1, TK_GELU_TANH = 2, TK_QUICK_GELU = 3, TK_NO_ACTIVATION = 4 } tk_activation;

/// One row: out[i] = a[i] op b[i * b_step], b_step 0 or 1. Offsets in elements.
void tk_binary_row(tk_binary op, void *out, tk_dtype out_dtype, size_t out_offset, const void *a, tk_dtype a_dtype,
                   size_t a_offset, const void *b, tk_dtype b_dtype, size_t b_offset, size_t b_step, size_t count);

/// Elements [begin, end) of an activation function.
void tk_activate(tk_activation kind, void *out, tk_dtype out_dtype, const void *in, tk_dtype in_dtype, size_t begin,
                 size_t end);

/// Rows [begin, end) of GEGLU: out[r][i] = in[r][0][i] * gelu(in[r][1][i]).
void tk_gated_gelu(void *out, tk_dtype out_dtype, const void *in, tk_dtype in_dtype, size_t begin, size_t end,
                   size_t count);

/// Rows [begin, end) of out = x * (1 + s[0]) + s[1]; row r uses modulation row r / rows_per_modulation.
void tk_modulate(void *out, tk_dtype out_dtype, const void *x, tk_dtype x_dtype, const void *s, tk_dtype s_dtype,
                 size_t begin, size_t end, size_t count, size_t rows_per_modulation);

/// For `count` numbers: cos(v f_i), then sin(v f_i), f_i = max_period^(-i / (width / 2)).
void tk_sinusoid(void *out, tk_dtype out_dtype, const void *in, tk_dtype in_dtype, size_t count, size_t width,
                 double max_period);

/// Elements [begin, end) of round(clamp(x, 0, 1) * 255), ties to even; NaN gives 0.
void tk_pixels(uint8_t *out, const void *in, tk_dtype in_dtype, size_t begin, size_t end);
