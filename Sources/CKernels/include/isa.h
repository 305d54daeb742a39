#pragma once
#include <stdbool.h>

/// The instruction-set levels that kernels are written for, ascending. A kernel that has no variant for a level uses
/// the next lower one. Results are reproducible bit for bit at one level, not between levels.
typedef enum {
    TK_PORTABLE = 0,
    TK_AVX2 = 1,         // AVX2 and FMA
    TK_AVX512 = 2,       // AVX-512 F, BW, DQ, VL
    TK_AVX512_BF16 = 3,  // and AVX512_BF16
    TK_AMX = 4,          // and AMX-TILE, AMX-BF16, with the kernel's permission
    TK_AMX_EMULATED = 5, // the AMX kernel on tile instructions written in C; for tests, never detected
} tk_isa;

/// The highest level of this machine (processor and operating system), cached. The environment variable TESSERA_ISA
/// with the name of a lower level lowers it; other values change nothing.
tk_isa tk_best_isa(void);

/// Instructions on int8 beside a level, as flags.
enum {
    TK_INT8_VNNI = 1, // AVX-512 VNNI
    TK_INT8_AMX = 2,  // AMX-INT8
};

/// The int8 instructions of this processor, cached. They are usable at the levels whose registers they use.
unsigned tk_int8_features(void);

/// portable, avx2, avx512, avx512-bf16, amx or amx-emulated.
const char *tk_isa_name(tk_isa isa);

/// Finds the level of a name (as `tk_isa_name` writes it, also with `_` for `-`, any case); false for an unknown name.
bool tk_isa_named(const char *name, tk_isa *isa);
