#pragma once
#include <stdint.h>
/// Asks the kernel to send `signal` to this process when the thread that started it ends, and checks that the parent is
/// still `parent` (0: any). Returns 0, -errno, or -ESRCH where the parent is gone already.
int32_t clinux_die_with_parent(int32_t signal, int32_t parent);
/// A descriptor that becomes readable when a child process ends, or -errno (-ENOSYS on kernels before 5.3).
int32_t clinux_pidfd(int32_t pid);
/// Cores that this process may run on, at least 1.
int32_t clinux_cpu_count(void);
