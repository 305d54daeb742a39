#pragma once
#include <stddef.h>

// Swift closures (index, thread) -> Void that other threads call while their caller waits.

/// A closure's function, by Swift's calling convention, and its context.
typedef struct {
    void *function;
    void *context;
} tk_loop_body;

/// Calls a closure with every index from `first` to before `end`.
void tk_loop_run(tk_loop_body body, ptrdiff_t first, ptrdiff_t end, ptrdiff_t thread);
