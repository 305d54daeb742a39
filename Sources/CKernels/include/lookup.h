#pragma once
#include <stddef.h>
#include <stdint.h>

#include "dot.h"

/// Rows [begin, end) of a table look-up: row ids[r] - lower of a table of `rows` rows of `count` values, or zeros where
/// the id lies elsewhere.
void tk_gather_rows(void *out, tk_dtype out_dtype, const void *table, tk_dtype table_dtype, int64_t lower, size_t rows,
                    const int32_t *ids, size_t begin, size_t end, size_t count);

/// Rows [begin, end): row index[r] - lower of sequence r (of `rows` rows), or zeros where it lies elsewhere.
void tk_take_rows(void *out, tk_dtype out_dtype, const void *x, tk_dtype x_dtype, int64_t lower, size_t rows,
                  const int32_t *index, size_t begin, size_t end, size_t count);

/// Arg-max triples (-distance^2, index, 0) of rows [begin, end) of z against `codes` codes, the first of index `lower`;
/// (-infinity, 2^24, 0) where there are none.
void tk_nearest_code(float *out, const void *z, tk_dtype z_dtype, const void *codebook, tk_dtype codebook_dtype,
                     size_t lower, size_t codes, size_t begin, size_t end, size_t count);
