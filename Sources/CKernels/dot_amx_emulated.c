// The AMX kernel on tile instructions written in C, so that it can be tested on any machine. As slow as it looks.
#include "amx_emulated_tiles.h"

static void bf16_pair(const uint8_t *bytes, float *even, float *odd) {
    uint32_t pair;
    memcpy(&pair, bytes, 4);
    const uint32_t low = pair << 16, high = pair & 0xFFFF0000;
    memcpy(even, &low, 4);
    memcpy(odd, &high, 4);
}

/// TDPBF16PS ("Intel SDM" volume 2): even and odd elements of k are summed apart over the whole tile, from zero; the
/// two sums are added, then that to the accumulator. Denormals are not flushed here.
static void tile_dot(tile_file *tiles, int c, int a, int b) {
    for (int m = 0; m < 16; m++) {
        float even[16] = {0}, odd[16] = {0}, acc[16];
        for (int k = 0; k < 16; k++) {
            float x0, x1;
            bf16_pair(tiles->rows[a][m] + k * 4, &x0, &x1);
            for (int n = 0; n < 16; n++) {
                float w0, w1;
                bf16_pair(tiles->rows[b][k] + n * 4, &w0, &w1);
                even[n] += x0 * w0; // the product is exact, so this is a fused operation
                odd[n] += x1 * w1;
            }
        }
        memcpy(acc, tiles->rows[c][m], 64);
        for (int n = 0; n < 16; n++) acc[n] += even[n] + odd[n];
        memcpy(tiles->rows[c][m], acc, 64);
    }
}

#define IS_INT8 0
#include "dot_amx_kernel.h"

const tk_dot_kernel tk_dot_amx_emulated = TK_AMX_KERNEL(NULL, NULL);
