// The AMX kernel on the processor's tile instructions. See dot_amx_kernel.h for its limits.
#if defined(__x86_64__)
#include <immintrin.h>

#define TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,amx-tile,amx-bf16")))
#define TILES
#define TILE_ZERO(t) _tile_zero(t)
#define TILE_LOAD(t, address, stride) _tile_loadd(t, address, stride)
#define TILE_STORE(t, address, stride) _tile_stored(t, address, stride)
#define TILE_DOT(c, a, b) _tile_dpbf16ps(c, a, b)
#include "dot_amx_kernel.h"

TARGET static void begin(void) {
    // Palette 1: eight tiles of 16 rows of 64 bytes ("Intel SDM" volume 1, §18.2).
    struct {
        uint8_t palette, start_row, reserved[14];
        uint16_t row_bytes[16];
        uint8_t rows[16];
    } configuration = {.palette = 1};
    for (int i = 0; i < 8; i++) {
        configuration.row_bytes[i] = 64;
        configuration.rows[i] = 16;
    }
    _tile_loadconfig(&configuration);
}

TARGET static void end(void) { _tile_release(); }

const tk_dot_kernel tk_dot_amx = TK_AMX_KERNEL(begin, end);
#endif
