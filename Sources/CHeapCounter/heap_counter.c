#define _GNU_SOURCE
#include "include/heap_counter.h"
#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stddef.h>
#include <unistd.h>

// The names below stand before those of the C library, of Swift's runtime and of libzmq, and call what they hide. Memory
// still comes from the C library, so that free needs no replacement.

/// What the calling thread does: read without a call, because that call could itself allocate.
#define PRIVATE static _Thread_local __attribute__((tls_model("initial-exec")))
PRIVATE int32_t counting;
PRIVATE int32_t zeromq_depth;

static atomic_uint_fast64_t allocations, zeromq_allocations, references;

void tessera_heap_count(int32_t is_counting) { counting = is_counting; }

void tessera_heap_counts(uint64_t counts[3]) {
    counts[0] = atomic_load(&allocations);
    counts[1] = atomic_load(&zeromq_allocations);
    counts[2] = atomic_load(&references);
}

static void note_allocation(void) {
    if (!counting) return;
    atomic_fetch_add_explicit(&allocations, 1, memory_order_relaxed);
    if (zeromq_depth) atomic_fetch_add_explicit(&zeromq_allocations, 1, memory_order_relaxed);
}

// MARK: The heap

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

void *malloc(size_t size) {
    note_allocation();
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size) {
    note_allocation();
    return __libc_calloc(count, size);
}

void *realloc(void *old, size_t size) {
    note_allocation();
    return __libc_realloc(old, size);
}

void *memalign(size_t alignment, size_t size) {
    note_allocation();
    return __libc_memalign(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size) {
    note_allocation();
    return __libc_memalign(alignment, size);
}

int posix_memalign(void **place, size_t alignment, size_t size) {
    note_allocation();
    if (alignment % sizeof(void *) != 0 || (alignment & (alignment - 1)) != 0 || alignment == 0) return EINVAL;
    void *memory = __libc_memalign(alignment, size);
    if (memory == NULL) return ENOMEM;
    *place = memory;
    return 0;
}

void *valloc(size_t size) {
    note_allocation();
    return __libc_memalign((size_t)sysconf(_SC_PAGESIZE), size);
}

// MARK: What is hidden by functions that call it

/// The function of the same name behind this library; looked up once.
#define HIDDEN(name)                                               \
    static __typeof__(&name) hidden;                               \
    if (hidden == NULL) hidden = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

// Swift's counting of references; of nothing (NULL) nothing is counted.
#define SWIFT(result, name, parameters, arguments)                                                   \
    result name parameters;                                                                          \
    result name parameters {                                                                         \
        HIDDEN(name);                                                                                \
        if (counting && object != NULL) atomic_fetch_add_explicit(&references, 1, memory_order_relaxed); \
        return hidden arguments;                                                                     \
    }

SWIFT(void *, swift_retain, (void *object), (object))
SWIFT(void *, swift_retain_n, (void *object, uint32_t count), (object, count))
SWIFT(void, swift_release, (void *object), (object))
SWIFT(void, swift_release_n, (void *object, uint32_t count), (object, count))
SWIFT(void *, swift_bridgeObjectRetain, (void *object), (object))
SWIFT(void *, swift_bridgeObjectRetain_n, (void *object, uint32_t count), (object, count))
SWIFT(void, swift_bridgeObjectRelease, (void *object), (object))
SWIFT(void, swift_bridgeObjectRelease_n, (void *object, uint32_t count), (object, count))

// The functions of ZeroMQ that a step calls.
#define ZEROMQ(name, parameters, arguments)   \
    int name parameters;                      \
    int name parameters {                     \
        HIDDEN(name);                         \
        zeromq_depth++;                       \
        const int result = hidden arguments;  \
        zeromq_depth--;                       \
        return result;                        \
    }

ZEROMQ(zmq_send, (void *socket, const void *bytes, size_t count, int flags), (socket, bytes, count, flags))
ZEROMQ(zmq_msg_recv, (void *message, void *socket, int flags), (message, socket, flags))
ZEROMQ(zmq_msg_close, (void *message), (message))
ZEROMQ(zmq_poll, (void *items, int count, long milliseconds), (items, count, milliseconds))
