// The AMX kernel on tile instructions written in C, so that it can be tested on any machine. As slow as it looks.
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/// The tile registers: sixteen rows of 64 bytes.
typedef struct {
    uint8_t rows[8][16][64];
} tile_file;

static void tile_load(tile_file *tiles, int t, const void *address, size_t stride) {
    for (int r = 0; r < 16; r++) memcpy(tiles->rows[t][r], (const char *)address + (size_t)r * stride, 64);
}

static void tile_store(const tile_file *tiles, int t, void *address, size_t stride) {
    for (int r = 0; r < 16; r++) memcpy((char *)address + (size_t)r * stride, tiles->rows[t][r], 64);
}

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

#define TARGET
#define TILES tile_file tiles;
#define TILE_ZERO(t) memset(tiles.rows[t], 0, sizeof tiles.rows[t])
#define TILE_LOAD(t, address, stride) tile_load(&tiles, t, address, stride)
#define TILE_STORE(t, address, stride) tile_store(&tiles, t, address, stride)
#define TILE_DOT(c, a, b) tile_dot(&tiles, c, a, b)
#include "dot_amx_kernel.h"

const tk_dot_kernel tk_dot_amx_emulated = TK_AMX_KERNEL(NULL, NULL);
