#define _GNU_SOURCE
#include "clinux.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

int32_t clinux_eventfd(void) {
    int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

int32_t clinux_name_thread(const char *name) { return -pthread_setname_np(pthread_self(), name); }

int32_t clinux_pin_thread(int32_t cpu) {
    if (cpu < 0 || cpu >= CPU_SETSIZE) return -EINVAL;
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    return -pthread_setaffinity_np(pthread_self(), sizeof set, &set);
}

int32_t clinux_current_cpu(void) {
    int cpu = sched_getcpu();
    return cpu < 0 ? -errno : cpu;
}

/// True where the thread's name is `name`.
static int is_named(const char *thread, const char *name) {
    char path[64], text[32];
    if (snprintf(path, sizeof path, "/proc/self/task/%.16s/comm", thread) >= (int)sizeof path) return 0;
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return 0;
    ssize_t count = read(file, text, sizeof text - 1);
    close(file);
    size_t length = strlen(name);
    return count == (ssize_t)length + 1 && memcmp(text, name, length) == 0;
}

int32_t clinux_find_thread(const char *name) {
    DIR *tasks = opendir("/proc/self/task");
    if (!tasks) return -ESRCH;
    int32_t found = -ESRCH;
    for (struct dirent *entry; found < 0 && (entry = readdir(tasks));)
        if (entry->d_name[0] != '.' && is_named(entry->d_name, name)) found = atoi(entry->d_name);
    closedir(tasks);
    return found;
}

int32_t clinux_bind_thread(int32_t thread, int32_t cpu) {
    cpu_set_t set;
    if (cpu >= CPU_SETSIZE) return -EINVAL;
    if (cpu < 0) {
        if (sched_getaffinity(0, sizeof set, &set) != 0) return -errno;
    } else {
        CPU_ZERO(&set);
        CPU_SET(cpu, &set);
    }
    return sched_setaffinity(thread, sizeof set, &set) == 0 ? 0 : -errno;
}

static _Thread_local struct {
    cpu_set_t before;
    int is_held;
} hold;

int32_t clinux_hold_thread(void) {
    int32_t cpu = clinux_current_cpu();
    if (cpu < 0) return cpu;
    if (!hold.is_held && sched_getaffinity(0, sizeof hold.before, &hold.before) != 0) return -errno;
    int32_t result = clinux_bind_thread(0, cpu);
    if (result < 0) return result;
    hold.is_held = 1;
    return cpu;
}

void clinux_release_thread(void) {
    if (hold.is_held) sched_setaffinity(0, sizeof hold.before, &hold.before);
    hold.is_held = 0;
}

int32_t clinux_move_thread(int32_t number) {
    cpu_set_t all;
    if (number < 0 || sched_getaffinity(0, sizeof all, &all) != 0) return -EINVAL;
    int left = number % CPU_COUNT(&all), cpu = 0;
    while (!CPU_ISSET(cpu, &all) || left-- > 0) cpu++;
    int32_t result = clinux_bind_thread(0, cpu);
    return sched_setaffinity(0, sizeof all, &all) == 0 ? result : -errno;
}

int32_t clinux_connect_loopback(int32_t port, int32_t patience_seconds) {
    int file = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (file < 0) return -errno;
    const struct timeval patience = {.tv_sec = patience_seconds};
    const struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (setsockopt(file, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) == 0 &&
        connect(file, (const struct sockaddr *)&address, sizeof address) == 0)
        return file;
    int32_t error = -errno;
    close(file);
    return error;
}
