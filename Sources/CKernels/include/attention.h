#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "dot.h"

/// One head of attention for one leading index: out[i] = sum over j of softmax_j(scale * q[i]·k[j]) * v[j].
///
/// Of f32 operands everything is computed in f32. Of bf16 operands scores are f32 sums of products of bf16, a softmax
/// weight (the exponential of a score's distance from the row's largest) is rounded to bf16 before it is multiplied, and
/// the row is divided by the sum of the rounded weights; sums are f32. The result is rounded once to the output's type.
/// Sums over the depth and over the keys run in a fixed order that does not depend on how queries are split over calls.
/// On bf16, levels below TK_AVX512_BF16 add one exact product at a time, keys and depth ascending, and agree bit for bit;
/// TK_AVX512_BF16 and TK_AMX add pairs of them as vdpbf16ps does.
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
