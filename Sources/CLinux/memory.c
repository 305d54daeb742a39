#define _GNU_SOURCE
#include "clinux_memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif

static const int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;

int32_t clinux_sealed_memory(const char *name, int64_t byte_count) {
    int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);
    // Kernels before 6.3 do not know the last flag.
    if (fd < 0 && errno == EINVAL) fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0) return -errno;
    // Taking the memory now turns "no memory" into an error here instead of a signal at the first touch.
    int error = fchmod(fd, 0600) != 0 || ftruncate(fd, byte_count) != 0 ? errno : posix_fallocate(fd, 0, byte_count);
    if (error == 0 && fcntl(fd, F_ADD_SEALS, seals) != 0) error = errno;
    if (error == 0) return fd;
    close(fd);
    return -error;
}

int32_t clinux_open_sealed_memory(int32_t process, int32_t descriptor, const char *name, int64_t byte_count) {
    char path[64], target[320], wanted[320];
    snprintf(path, sizeof path, "/proc/%d/fd/%d", process, descriptor);
    snprintf(wanted, sizeof wanted, "/memfd:%s (deleted)", name);
    // Looked at first, because opening some files has effects.
    ssize_t length = readlink(path, target, sizeof target - 1);
    if (length < 0) return -errno;
    target[length] = 0;
    if (strcmp(target, wanted) != 0) return -EINVAL;
    int fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) return -errno;
    struct stat status;
    int found = fcntl(fd, F_GET_SEALS);
    if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_size == byte_count && found >= 0
        && (found & seals) == seals)
        return fd;
    close(fd);
    return -EINVAL;
}
