#pragma once
#include <stdint.h>
/// A non-blocking, close-on-exec eventfd, or -errno.
int32_t clinux_eventfd(void);
/// Names the calling thread (at most 15 bytes). Returns 0 or -errno.
int32_t clinux_name_thread(const char *name);
/// Pins the calling thread to one CPU. Returns 0 or -errno.
int32_t clinux_pin_thread(int32_t cpu);
/// The CPU that the calling thread runs on, or -errno.
int32_t clinux_current_cpu(void);
/// The thread of this process with that name (at most 15 bytes), or -ESRCH.
int32_t clinux_find_thread(const char *name);
/// Lets a thread run on one CPU only; cpu < 0: on all that the calling thread may use. Returns 0 or -errno.
int32_t clinux_bind_thread(int32_t thread, int32_t cpu);
/// Keeps the calling thread on the CPU that it runs on, until clinux_release_thread. Returns the CPU or -errno.
int32_t clinux_hold_thread(void);
/// Lets the calling thread run where it could before clinux_hold_thread.
void clinux_release_thread(void);
/// Moves the calling thread to a CPU, counted round among those that it may use; it may leave it again. Returns 0 or -errno.
int32_t clinux_move_thread(int32_t number);
/// A connection to a TCP port of this machine whose reads give up after so many seconds: a descriptor, or -errno.
int32_t clinux_connect_loopback(int32_t port, int32_t patience_seconds);
