#pragma once
#include <stddef.h>
#include <stdint.h>

#include "dot.h"

/// Element types of weight files.
typedef enum { TK_FILE_F32 = 0, TK_FILE_BF16 = 1, TK_FILE_F16 = 2 } tk_file_dtype;

/// out[i * step] = element i of the file data, converted to f32 or bf16 (to nearest even); step in elements.
/// The file data need not be aligned.
void tk_read_weights(void *out, tk_dtype out_dtype, size_t step, const void *in, tk_file_dtype in_dtype, size_t count);

/// out[i * step] = values[i], converted.
void tk_place_weights(void *out, tk_dtype out_dtype, size_t step, const float *values, size_t count);
