#include "include/loop.h"

typedef __attribute__((swiftcall)) void (*function)(ptrdiff_t index, ptrdiff_t thread,
                                                    __attribute__((swift_context)) void *context);

/// A closure is passed as two words. Declared on the Swift side, where a closure is known not to outlive the call.
__attribute__((swiftcall)) void tk_loop_take(void *code, void *context, tk_loop_body *out) {
    out->function = code;
    out->context = context;
}

void tk_loop_run(tk_loop_body body, ptrdiff_t first, ptrdiff_t end, ptrdiff_t thread) {
    const function call = (function)body.function;
    for (ptrdiff_t index = first; index < end; index++) call(index, thread, body.context);
}
