#pragma once
#include <stddef.h>
#include <stdint.h>

#include "dot.h"

// Rows of f32 or bf16 as int8 on their way between devices. A row of `columns` values is an f32 scale for each TK_WIRE_BLOCK
// of them, and for the rest, and then a byte a value: value = about scale * byte. Rows follow each other without gaps, and
// nothing is aligned. The scale of a block is its greatest magnitude / 127; 0 where that is below 2^-100, NaN where a
// value is not finite, and then the whole block arrives as NaN.

enum { TK_WIRE_BLOCK = 128 };

/// Bytes of a row.
size_t tk_wire_row_bytes(size_t columns);

/// Encodes rows [begin, end).
void tk_wire_encode(void *out, const void *in, tk_dtype dtype, size_t columns, size_t begin, size_t end);

/// Decodes rows [begin, end), rounded to nearest even.
void tk_wire_decode(void *out, tk_dtype dtype, const void *in, size_t columns, size_t begin, size_t end);

/// Makes of rows [begin, end) what they are after `tk_wire_encode` and `tk_wire_decode`.
void tk_wire_round(void *values, tk_dtype dtype, size_t columns, size_t begin, size_t end);
