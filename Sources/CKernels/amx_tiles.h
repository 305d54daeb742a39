#pragma once
#include <immintrin.h>
#include <stdint.h>

// The processor's tile instructions for dot_amx_kernel.h. The including file defines TARGET and TILE_DOT.

#define TILES
#define TILE_ZERO(t) _tile_zero(t)
#define TILE_LOAD(t, address, stride) _tile_loadd(t, address, stride)
#define TILE_STORE(t, address, stride) _tile_stored(t, address, stride)

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
