#pragma once
#include <stdint.h>
/// What the system knows of a file.
typedef struct {
    /// Number in its file system.
    uint64_t number;
    int64_t byte_count;
    /// Last change of contents, owner or mode.
    int64_t changed_seconds, changed_nanoseconds;
    uint32_t owner;
    /// The nine permission bits.
    uint32_t permissions;
    /// 1 for a regular file, else 0.
    int32_t is_regular;
} clinux_file;
/// Fills in what is known of the file at a path. Returns 0 or -errno.
int32_t clinux_stat(const char *path, clinux_file *file);
/// The same for an open file.
int32_t clinux_fstat(int32_t descriptor, clinux_file *file);
