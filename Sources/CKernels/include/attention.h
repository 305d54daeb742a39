#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "dot.h"

/// One head of attention for one leading index: out[i] = sum over j of softmax_j(scale * q[i]·k[j]) * v[j].
///
/// Everything is computed in f32 and rounded once to the output's type. Sums over the depth and over the keys run in a
/// fixed order that does not depend on how queries are split over calls.
typedef struct {
    size_t queries;     // rows of q and out
    size_t keys;        // rows of k and v, all positions of the sequence
    size_t depth;       // elements of a row, any number
    size_t q_stride;    // elements between rows; heads times depth in a dense [..., rows, heads, depth] layout
    size_t k_stride;
    size_t v_stride;
    size_t out_stride;
    float scale;
    bool causal;        // query i sees keys 0 ... first_query + i only
    size_t first_query; // position of query 0 in the whole sequence; used where causal
    tk_dtype dtype;     // of q, k and v
    tk_dtype out_dtype;
} tk_attention;

/// Bytes of scratch that a thread needs for `tk_attend` on this shape.
size_t tk_attention_scratch_bytes(tk_isa isa, const tk_attention *shape);

/// Computes one head. scratch should be 64-byte aligned (speed only). With no keys the result is zero.
void tk_attend(tk_isa isa, const tk_attention *shape, const void *q, const void *k, const void *v, void *out,
               void *scratch);
