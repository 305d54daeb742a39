#pragma once
#include <stdint.h>
/// A non-blocking, close-on-exec eventfd, or -errno.
int32_t clinux_eventfd(void);
/// Names the calling thread (at most 15 bytes). Returns 0 or -errno.
int32_t clinux_name_thread(const char *name);
/// Pins the calling thread to one CPU. Returns 0 or -errno.
int32_t clinux_pin_thread(int32_t cpu);
