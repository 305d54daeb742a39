#pragma once
#include <stddef.h>
#include <stdint.h>

#include "dot.h"

// Counter-based random numbers: Philox 4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011).
// A draw belongs to its key and counter alone, so that it does not matter who draws it.

typedef enum { TK_NOISE_NONE = 0, TK_NOISE_GIVEN = 1, TK_NOISE_GENERATED = 2 } tk_noise;

/// One block of four numbers.
void tk_philox(const uint32_t key[2], const uint32_t counter[4], uint32_t out[4]);

/// Exponential noise -log(u) of `count` vocabulary entries from `first` on, u = ((r >> 8) + 0.5) 2^-24.
/// rng: seed low, seed high, image, step.
void tk_exponential_noise(float *out, const int32_t rng[4], uint32_t position, size_t first, size_t count);

/// Gumbel noise -log(-log(u)) of a position's confidence.
float tk_confidence_noise(const int32_t rng[4], uint32_t position);

/// out[i] = l0[i] + scale (l1[i] - l0[i]) for elements [begin, end); l1 NULL: l0 alone.
void tk_guide(void *out, tk_dtype out_dtype, const void *l0, const void *l1, tk_dtype dtype, size_t begin, size_t end,
              float scale);

/// Arg-max triple (score, index, logit) of one position's `count` logits from element `offset`; the first has the
/// vocabulary index `first`. given: exponential noise of the same entries (TK_NOISE_GIVEN); rng: see above
/// (TK_NOISE_GENERATED). No logits: (-infinity, 2^24, 0).
void tk_choose(float out[3], const void *logits, tk_dtype dtype, size_t offset, size_t first, size_t count,
               tk_noise noise, const void *given, tk_dtype given_dtype, const int32_t *rng, uint32_t position);

/// The index of arg-max triples.
void tk_choice_index(int32_t *out, const float *choice, size_t count);

/// The chosen index where the token is `mask`, else the token.
void tk_accept_tokens(int32_t *out, const int32_t *tokens, const float *choice, size_t count, int32_t mask);

/// log(max(p, 1e-20)) + temperature * gumbel of one token; p = exp(logit - max) / sum, 3.4028235e38 for known tokens.
float tk_confidence(int masked, float logit, float max, float sum, float temperature, float gumbel);

/// One picture's re-masking: positions with a confidence below sorted[mask_count] get the mask token. A negative
/// mask_count keeps all. scratch: `count` floats.
void tk_remask(int32_t *out, const int32_t *sampled, const void *confidence, tk_dtype dtype, size_t offset,
               size_t count, int32_t mask_count, int32_t mask, float *scratch);
