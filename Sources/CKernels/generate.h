#pragma once
#include <stddef.h>
#include <stdint.h>

// What the kernels of generated weights share; include/weights.h has the definition of the values.

enum { WORDS = 4, BLOCKS = 16, GROUP = 2 * WORDS * BLOCKS, ROUNDS = 10 };

static const uint32_t MULTIPLIER_A = 0xD2511F53u, MULTIPLIER_B = 0xCD9E8D57u;

/// What all groups of a weight share.
typedef struct {
    uint64_t keys[2 * ROUNDS];
    uint64_t hash;
    float mean, factor;
} recipe;

#if defined(__x86_64__)
/// Whole groups as bf16, an even number of them; mean and factor are zero (the mean alone) or from 2^-100 to 2^100, so
/// that no value is smaller than a normal number. The high halves of the groups' block numbers agree.
void tk_generate_groups_avx512_bf16(uint16_t *out, const recipe *recipe, uint64_t group, size_t groups);
#endif
