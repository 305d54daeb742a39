// im2col of a part of one result row. Memory-bound: kernel_height * kernel_width copies of each picture element, in runs of
// kernel_width * channels where the window lies inside the picture and needs no enlarging.
#include "im2col.h"

#include <string.h>

size_t tk_window_rows(const tk_window *window) {
    return (window->height * window->upsample + window->pad_low + window->pad_high - window->kernel_height) /
               window->stride + 1;
}

size_t tk_window_columns(const tk_window *window) {
    return (window->width * window->upsample + window->pad_low + window->pad_high - window->kernel_width) /
               window->stride + 1;
}

/// One window row: kernel_width pixels from enlarged column `left`, which may lie outside of the picture.
static void copy_run(const tk_window *window, const char *row, ptrdiff_t left, char *out) {
    const size_t pixel = window->channels * window->element_size;
    const ptrdiff_t width = (ptrdiff_t)(window->width * window->upsample), count = (ptrdiff_t)window->kernel_width;
    if (window->upsample == 1 && left >= 0 && left + count <= width) {
        memcpy(out, row + (size_t)left * pixel, (size_t)count * pixel);
        return;
    }
    for (ptrdiff_t x = left; x < left + count; x++, out += pixel) {
        if (x < 0 || x >= width) memset(out, 0, pixel);
        else memcpy(out, row + (size_t)x / window->upsample * pixel, pixel);
    }
}

void tk_im2col(const tk_window *window, size_t y, size_t x0, size_t x1, const void *rows, size_t lower, size_t count,
               void *out, size_t out_stride) {
    const size_t pixel = window->channels * window->element_size, run = window->kernel_width * pixel;
    for (size_t ky = 0; ky < window->kernel_height; ky++) {
        const ptrdiff_t enlarged = (ptrdiff_t)(y * window->stride + ky) - (ptrdiff_t)window->pad_low;
        const size_t source = enlarged < 0 ? 0 : (size_t)enlarged / window->upsample;
        const int inside = enlarged >= 0 && source < window->height && source >= lower && source < lower + count;
        const char *row = inside ? (const char *)rows + (source - lower) * window->width * pixel : NULL;
        char *to = (char *)out + ky * run;
        for (size_t x = x0; x < x1; x++, to += out_stride * window->element_size) {
            if (row) copy_run(window, row, (ptrdiff_t)(x * window->stride) - (ptrdiff_t)window->pad_low, to);
            else memset(to, 0, run);
        }
    }
}
