#pragma once
#include <stddef.h>
#include <stdint.h>

#include "dot.h"

/// A picture's part that is here, and the window that slides over the whole of it. [0] rows, [1] columns.
typedef struct {
    /// Sizes of the part, and the index of its first row and column in the whole picture.
    ptrdiff_t held[2], first[2];
    /// Channels of the part.
    size_t channels;
    ptrdiff_t kernel[2], strides[2], pad_low[2];
    /// Rows and columns apart that neighbours stand, with zeros between.
    ptrdiff_t dilation[2];
} tk_sliding;

/// The f32 patches of result pixels [column, column + count) of row `row` (in the whole result), `channels` channels
/// from `channel` on: out[pixel][leaf][ky][kx][channel of the leaf], leaves of `granule` channels. What is not held is 0.
void tk_patches(const tk_sliding *window, float *out, const void *x, tk_dtype dtype, ptrdiff_t row, ptrdiff_t column,
                size_t count, size_t channel, size_t channels, size_t granule);

/// Weights [taps][channels][columns], columns [begin, end), as rows in the order of a patch.
void tk_patch_weights(float *out, const void *w, tk_dtype dtype, size_t taps, size_t channels, size_t columns,
                      size_t granule, size_t begin, size_t end);

/// One row of a depthwise convolution with f32 weights [ky][kx][channel].
void tk_depthwise(const tk_sliding *window, void *out, tk_dtype out_dtype, size_t out_offset, const void *x,
                  tk_dtype dtype, const float *w, ptrdiff_t row, ptrdiff_t column, size_t count);

/// One row of the maxima of windows; what is not held does not take part.
void tk_max_pool(const tk_sliding *window, void *out, tk_dtype out_dtype, size_t out_offset, const void *x,
                 tk_dtype dtype, ptrdiff_t row, ptrdiff_t column, size_t count);
