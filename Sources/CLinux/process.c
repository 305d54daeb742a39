#define _GNU_SOURCE
#include "process.h"

#include <errno.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

int32_t clinux_die_with_parent(int32_t signal, int32_t parent) {
    if (prctl(PR_SET_PDEATHSIG, (unsigned long)signal, 0, 0, 0) != 0) return -errno;
    // The parent may have ended before the call above; then no signal will come.
    return parent != 0 && getppid() != parent ? -ESRCH : 0;
}

int32_t clinux_pidfd(int32_t pid) {
#ifdef SYS_pidfd_open
    long fd = syscall(SYS_pidfd_open, pid, 0);
    return fd < 0 ? -errno : (int32_t)fd;
#else
    (void)pid;
    return -ENOSYS;
#endif
}

int32_t clinux_cpu_count(void) {
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
    int count = CPU_COUNT(&set);
    return count < 1 ? 1 : count;
}
