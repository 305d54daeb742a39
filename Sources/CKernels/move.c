#include "include/move.h"

#include "include/arithmetic.h"
#include "numeric.h"

typedef struct { uint64_t half[2]; } tk_sixteen;

#define TILE 16

/// A loop over elements of one C type, and a matrix of them whose rows are contiguous in one and columns in the other.
#define TK_TYPED(T, NAME)                                                                                              \
    static void line_##NAME(char *out, const char *in, ptrdiff_t n, ptrdiff_t in_stride, ptrdiff_t out_stride) {       \
        if (in_stride == 0 && out_stride == (ptrdiff_t)sizeof(T)) {                                                    \
            T value;                                                                                                   \
            memcpy(&value, in, sizeof value);                                                                          \
            for (ptrdiff_t i = 0; i < n; i++) memcpy(out + i * (ptrdiff_t)sizeof(T), &value, sizeof value);            \
            return;                                                                                                    \
        }                                                                                                              \
        for (ptrdiff_t i = 0; i < n; i++) {                                                                            \
            T value;                                                                                                   \
            memcpy(&value, in + i * in_stride, sizeof value);                                                          \
            memcpy(out + i * out_stride, &value, sizeof value);                                                        \
        }                                                                                                              \
    }                                                                                                                  \
    static void turn_##NAME(char *out, const char *in, ptrdiff_t rows, ptrdiff_t columns, ptrdiff_t in_row,           \
                            ptrdiff_t in_column, ptrdiff_t out_row, ptrdiff_t out_column) {                            \
        for (ptrdiff_t r0 = 0; r0 < rows; r0 += TILE)                                                                  \
            for (ptrdiff_t c0 = 0; c0 < columns; c0 += TILE) {                                                         \
                const ptrdiff_t r1 = r0 + TILE < rows ? r0 + TILE : rows;                                              \
                const ptrdiff_t c1 = c0 + TILE < columns ? c0 + TILE : columns;                                        \
                for (ptrdiff_t r = r0; r < r1; r++)                                                                    \
                    for (ptrdiff_t c = c0; c < c1; c++) {                                                              \
                        T value;                                                                                       \
                        memcpy(&value, in + r * in_row + c * in_column, sizeof value);                                 \
                        memcpy(out + r * out_row + c * out_column, &value, sizeof value);                              \
                    }                                                                                                  \
            }                                                                                                          \
    }

TK_TYPED(uint8_t, 1)
TK_TYPED(uint16_t, 2)
TK_TYPED(uint32_t, 4)
TK_TYPED(uint64_t, 8)
TK_TYPED(tk_sixteen, 16)

static void line(char *out, const char *in, size_t run, ptrdiff_t n, ptrdiff_t in_stride, ptrdiff_t out_stride) {
    switch (run) {
    case 1: line_1(out, in, n, in_stride, out_stride); break;
    case 2: line_2(out, in, n, in_stride, out_stride); break;
    case 4: line_4(out, in, n, in_stride, out_stride); break;
    case 8: line_8(out, in, n, in_stride, out_stride); break;
    case 16: line_16(out, in, n, in_stride, out_stride); break;
    default:
        for (ptrdiff_t i = 0; i < n; i++) memcpy(out + i * out_stride, in + i * in_stride, run);
    }
}

/// True where the matrix of the last two loops was moved tile by tile.
static int turn(char *out, const char *in, size_t run, const ptrdiff_t *n, const ptrdiff_t *is, const ptrdiff_t *os) {
    if (os[1] != (ptrdiff_t)run || is[0] != (ptrdiff_t)run || n[0] < 4 || n[1] < 4) return 0;
    switch (run) {
    case 1: turn_1(out, in, n[0], n[1], is[0], is[1], os[0], os[1]); return 1;
    case 2: turn_2(out, in, n[0], n[1], is[0], is[1], os[0], os[1]); return 1;
    case 4: turn_4(out, in, n[0], n[1], is[0], is[1], os[0], os[1]); return 1;
    case 8: turn_8(out, in, n[0], n[1], is[0], is[1], os[0], os[1]); return 1;
    default: return 0;
    }
}

void tk_move(void *out, const void *in, size_t run, size_t rank, const ptrdiff_t *extents,
             const ptrdiff_t *in_strides, const ptrdiff_t *out_strides) {
    if (rank == 0) {
        memcpy(out, in, run);
    } else if (rank == 1) {
        line(out, in, run, extents[0], in_strides[0], out_strides[0]);
    } else if (rank > 2 || !turn(out, in, run, extents, in_strides, out_strides)) {
        for (ptrdiff_t i = 0; i < extents[0]; i++)
            tk_move((char *)out + i * out_strides[0], (const char *)in + i * in_strides[0], run, rank - 1, extents + 1,
                    in_strides + 1, out_strides + 1);
    }
}

void tk_fill(void *out, const void *element, size_t size, size_t count) {
    line(out, element, size, (ptrdiff_t)count, 0, (ptrdiff_t)size);
}

void tk_count_up(void *out, int element, size_t first, size_t count, size_t inner) {
    for (size_t i = 0; i < count; i++) {
        const float real = (float)(first + i);
        const int32_t whole = (int32_t)(first + i);
        const uint16_t half = tk_to_bf16(real);
        switch (element) {
        case TK_ELEMENT_F32: tk_fill((float *)out + i * inner, &real, 4, inner); break;
        case TK_ELEMENT_BF16: tk_fill((uint16_t *)out + i * inner, &half, 2, inner); break;
        default: tk_fill((int32_t *)out + i * inner, &whole, 4, inner);
        }
    }
}

void tk_enlarge_row(void *out, const void *in, size_t pixel, size_t first, size_t count, size_t factor, size_t lower) {
    for (size_t i = 0; i < count; i++)
        memcpy((char *)out + i * pixel, (const char *)in + ((first + i) / factor - lower) * pixel, pixel);
}
