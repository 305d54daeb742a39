#pragma once
#include <stddef.h>
#include <stdint.h>

#include "isa.h"

// What the machine can do at most: loops that measurements of kernels are held against. The caller times them.

/// Which multiply-accumulate instructions.
typedef enum {
    TK_LIMIT_F32 = 0,  // fused multiply-adds of f32
    TK_LIMIT_BF16 = 1, // products of bf16 summed in f32; those of f32 where the level has none
    TK_LIMIT_INT8 = 2, // products of int8 summed in int32; those of f32 where the processor has none
} tk_limit;

/// What the loop of a level runs: "AMX-BF16", "AVX512-BF16", "AVX-512 FMA" and so on.
const char *tk_limit_name(tk_isa isa, tk_limit limit);

/// Runs the level's best instructions on registers only, `rounds` times a few dozen of them. Returns the operations
/// done (a multiply-add counts as two).
uint64_t tk_limit_run(tk_isa isa, tk_limit limit, size_t rounds);

/// Reads `bytes` (a multiple of 256) once, in order; the result depends on all of them.
uint64_t tk_limit_read(tk_isa isa, const void *p, size_t bytes);
