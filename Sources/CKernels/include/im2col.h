#pragma once
#include <stddef.h>

/// A convolution's window over a channels-last picture [height, width, channels], zero padded and first enlarged by
/// `upsample` (nearest).
typedef struct {
    size_t height;       // rows of the whole picture, before enlarging
    size_t width;
    size_t channels;
    size_t kernel_height;
    size_t kernel_width;
    size_t stride;       // both directions
    size_t pad_low;      // rows above and columns left
    size_t pad_high;     // rows below and columns right
    size_t upsample;     // 1 or 2
    size_t element_size; // bytes: 2 or 4
} tk_window;

/// Rows of the convolution's result: (height * upsample + pad_low + pad_high - kernel_height) / stride + 1.
size_t tk_window_rows(const tk_window *window);

/// Columns of the convolution's result.
size_t tk_window_columns(const tk_window *window);

/// Writes the matrix [x1 - x0, kernel_height * kernel_width * channels] of columns [x0, x1) of result row `y` (a row of
/// the whole result), elements ordered (ky, kx, c), matrix rows `out_stride` elements apart. `rows` holds the picture rows
/// [lower, lower + count) only; they must include every row inside the picture that the window touches (others read as
/// zero).
void tk_im2col(const tk_window *window, size_t y, size_t x0, size_t x1, const void *rows, size_t lower, size_t count,
               void *out, size_t out_stride);
