// Attention in portable C: no fused operations. See attention_kernel.h.
#define TARGET
#define ROWS 2
#define VECTORS 1
#define FUSED(a, b, c) ((a) * (b) + (c))
#include "attention_kernel.h"

void tk_attend_portable(const tk_attention *shape, const void *q, const void *k, const void *v, void *out,
                        const attention_scratch *scratch) {
    attend(shape, q, k, v, out, scratch);
}
