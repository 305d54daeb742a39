#include "isa.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <strings.h>

#if defined(__x86_64__) && defined(__linux__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

// Bits of XCR0, the register states that the operating system saves ("Intel SDM" volume 1, §13.3).
enum {
    STATE_AVX = 0x6,           // SSE, AVX
    STATE_AVX512 = 0xE6,       // and masks, upper halves, upper registers
    STATE_AMX = 0x60000 | 0xE6 // and tile configuration, tile data
};

// The Linux call that asks for the tile data's state, which is off until asked for.
enum { ARCH_REQUEST_STATE_PERMISSION = 0x1023, STATE_TILE_DATA = 18 };

static uint64_t saved_states(void) {
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}

static bool amx_permitted(void) {
    return syscall(SYS_arch_prctl, ARCH_REQUEST_STATE_PERMISSION, STATE_TILE_DATA) == 0;
}

static tk_isa detect(void) {
    uint32_t a, b, c, d;
    if (!__get_cpuid_count(1, 0, &a, &b, &c, &d)) return TK_PORTABLE;
    const bool fma = c >> 12 & 1, saves = c >> 27 & 1;
    if (!fma || !saves) return TK_PORTABLE;
    const uint64_t states = saved_states();
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return TK_PORTABLE;
    const uint32_t subleaves = a;
    const bool avx2 = b >> 5 & 1;
    const uint32_t avx512_features = 1u << 16 | 1u << 17 | 1u << 30 | 1u << 31; // F, DQ, BW, VL
    const bool avx512 = (b & avx512_features) == avx512_features;
    const bool amx = (d >> 22 & 1) && (d >> 24 & 1); // AMX-BF16, AMX-TILE
    if (!avx2 || (states & STATE_AVX) != STATE_AVX) return TK_PORTABLE;
    if (!avx512 || (states & STATE_AVX512) != STATE_AVX512) return TK_AVX2;
    if (subleaves < 1 || !__get_cpuid_count(7, 1, &a, &b, &c, &d) || !(a >> 5 & 1)) return TK_AVX512;
    if (!amx || (states & STATE_AMX) != STATE_AMX || !amx_permitted()) return TK_AVX512_BF16;
    return TK_AMX;
}

static unsigned detect_int8(void) {
    uint32_t a, b, c, d;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return 0;
    return (c >> 11 & 1 ? TK_INT8_VNNI : 0) | (d >> 25 & 1 ? TK_INT8_AMX : 0);
}
#else
static tk_isa detect(void) { return TK_PORTABLE; }
static unsigned detect_int8(void) { return 0; }
#endif

unsigned tk_int8_features(void) {
    static _Atomic int cached = -1;
    int features = atomic_load_explicit(&cached, memory_order_relaxed);
    if (features < 0) {
        features = (int)detect_int8();
        atomic_store_explicit(&cached, features, memory_order_relaxed);
    }
    return (unsigned)features;
}

tk_isa tk_best_isa(void) {
    static _Atomic int cached = -1;
    int level = atomic_load_explicit(&cached, memory_order_relaxed);
    if (level < 0) {
        level = (int)detect();
        tk_isa wanted;
        if (tk_isa_named(getenv("TESSERA_ISA"), &wanted) && (int)wanted < level) level = (int)wanted;
        atomic_store_explicit(&cached, level, memory_order_relaxed);
    }
    return (tk_isa)level;
}

static const char *const names[] = {"portable", "avx2", "avx512", "avx512-bf16", "amx", "amx-emulated"};

const char *tk_isa_name(tk_isa isa) {
    return (size_t)isa < sizeof names / sizeof *names ? names[isa] : "unknown";
}

bool tk_isa_named(const char *name, tk_isa *isa) {
    if (!name) return false;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *a = names[i], *b = name;
        while (*a && *b && (strncasecmp(a, b, 1) == 0 || (*a == '-' && *b == '_'))) a++, b++;
        if (*a == *b) {
            *isa = (tk_isa)i;
            return true;
        }
    }
    return false;
}
