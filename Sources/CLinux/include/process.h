#pragma once
#include <stdint.h>
/// Asks the kernel to send `signal` to this process when the thread that started it ends, and checks that the parent is
/// still `parent` (0: any). Returns 0, -errno, or -ESRCH where the parent is gone already.
int32_t clinux_die_with_parent(int32_t signal, int32_t parent);
/// A descriptor that becomes readable when a child process ends, or -errno (-ENOSYS on kernels before 5.3).
int32_t clinux_pidfd(int32_t pid);
/// Cores that this process may run on, at least 1.
int32_t clinux_cpu_count(void);
/// A pipe whose ends close on exec: ends[0] is read, ends[1] written. Returns 0 or -errno.
int32_t clinux_pipe(int32_t ends[2]);
/// Starts a program (looked up in PATH) in a process group of its own, with no signal blocked or ignored, its input
/// read from `input` (negative: empty), its output and errors going to `output`, and no other file open. Returns the process
/// id or -errno.
int32_t clinux_spawn(
    const char *file, char *const arguments[], char *const environment[], int32_t input, int32_t output);
