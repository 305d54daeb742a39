#pragma once
#include <stdint.h>
/// Makes a file in memory of exactly `byte_count` bytes, all of them there already, which nobody can make longer or shorter
/// and only this user can open. Returns a descriptor that closes on exec, or -errno.
int32_t clinux_sealed_memory(const char *name, int64_t byte_count);
/// Opens what another process made with clinux_sealed_memory and has open as `descriptor`. Returns a descriptor, -errno, or
/// -EINVAL where that is something else: another kind of file, another name, another length, or one that may change it.
int32_t clinux_open_sealed_memory(int32_t process, int32_t descriptor, const char *name, int64_t byte_count);
