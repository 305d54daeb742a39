#pragma once
#include <stdint.h>

// Counts what threads take from the heap between two marks. A library of its own, for LD_PRELOAD: programs that run without
// it run without a trace of it. Whoever wants the counts looks the two functions up by name.

/// Begins (1) or ends (0) the counting of what the calling thread does.
void tessera_heap_count(int32_t is_counting);

/// Counts so far, of all threads that were counting, since the process began:
/// [0] allocations, [1] those of them that ZeroMQ made while it was called, [2] retains and releases of Swift objects.
void tessera_heap_counts(uint64_t counts[3]);
