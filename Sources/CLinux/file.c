#include "clinux_file.h"

#include <errno.h>
#include <sys/stat.h>

static void fill(const struct stat *status, clinux_file *file) {
    file->number = status->st_ino;
    file->byte_count = status->st_size;
    file->changed_seconds = status->st_ctim.tv_sec;
    file->changed_nanoseconds = status->st_ctim.tv_nsec;
    file->owner = status->st_uid;
    file->permissions = status->st_mode & 0777;
    file->is_regular = S_ISREG(status->st_mode);
}

int32_t clinux_stat(const char *path, clinux_file *file) {
    struct stat status;
    if (stat(path, &status) != 0) return -errno;
    fill(&status, file);
    return 0;
}

int32_t clinux_fstat(int32_t descriptor, clinux_file *file) {
    struct stat status;
    if (fstat(descriptor, &status) != 0) return -errno;
    fill(&status, file);
    return 0;
}
