// The AMX kernel on the processor's tile instructions. See dot_amx_kernel.h for its limits.
#if defined(__x86_64__)
#define TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,amx-tile,amx-bf16")))
#define TILE_DOT(c, a, b) _tile_dpbf16ps(c, a, b)
#define IS_INT8 0
#include "amx_tiles.h"
#include "dot_amx_kernel.h"

const tk_dot_kernel tk_dot_amx = TK_AMX_KERNEL(begin, end);
#endif
