// The int8 AMX kernel on tile instructions written in C, so that it can be tested on any machine.
#include "amx_emulated_tiles.h"

/// TDPBSSD ("Intel SDM" volume 2): products of signed bytes, four of k at a time, added to int32.
static void tile_dot(tile_file *tiles, int c, int a, int b) {
    for (int m = 0; m < 16; m++) {
        int32_t acc[16];
        memcpy(acc, tiles->rows[c][m], 64);
        for (int k = 0; k < 64; k++) {
            const int x = (int8_t)tiles->rows[a][m][k];
            for (int n = 0; n < 16; n++) acc[n] += x * (int8_t)tiles->rows[b][k / 4][n * 4 + k % 4];
        }
        memcpy(tiles->rows[c][m], acc, 64);
    }
}

#define IS_INT8 1
#include "dot_amx_kernel.h"

const tk_dot_kernel tk_dot_s8_amx_emulated = TK_AMX_KERNEL(NULL, NULL);
