#pragma once
#include <stddef.h>
#include <stdint.h>

#include "dot.h"

/// Element types of weight files.
typedef enum { TK_FILE_F32 = 0, TK_FILE_BF16 = 1, TK_FILE_F16 = 2 } tk_file_dtype;

/// out[i * step] = element i of the file data, converted to f32 or bf16 (to nearest even); step in elements.
/// The file data need not be aligned.
void tk_read_weights(void *out, tk_dtype out_dtype, size_t step, const void *in, tk_file_dtype in_dtype, size_t count);

/// Random values of elements [begin, begin + count) of the weight with this hash: out[(i - begin) * step], f32 or bf16.
///
/// Element i is drawn from half i % 2 (the low one first) of word i / 32 % 4 of the Philox 4x32-10 block (key: seed;
/// counter: block, hash) with the number 16 (i / 128) + i % 32 / 2. With s the sum of the half's two bytes, the value is
/// mean + (scale * 9.5683923e-3) * (s - 255), every operation rounded to f32, then to out_dtype (to nearest even): a
/// triangular distribution with the standard deviation `scale`, no value further than 2.44 of it from the mean.
void tk_generate_weights(void *out, tk_dtype out_dtype, size_t step, uint64_t seed, uint64_t hash, uint64_t begin,
                         size_t count, float mean, float scale);
