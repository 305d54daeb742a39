#pragma once
#include <stddef.h>
#include <stdint.h>
#include <string.h>

// Tile instructions written in C for dot_amx_kernel.h, so that it can be tested on any machine. The including file
// defines `tile_dot`.

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

#define TARGET
#define TILES tile_file tiles;
#define TILE_ZERO(t) memset(tiles.rows[t], 0, sizeof tiles.rows[t])
#define TILE_LOAD(t, address, stride) tile_load(&tiles, t, address, stride)
#define TILE_STORE(t, address, stride) tile_store(&tiles, t, address, stride)
#define TILE_DOT(c, a, b) tile_dot(&tiles, c, a, b)
