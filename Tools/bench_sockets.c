// How long two processes of this host take to swap small messages: the floor of a collective between two workers over TCP.
//
//   clang -O2 Tools/bench_sockets.c -lzmq -o bench_sockets && ./bench_sockets [bytes]
//
// Both send a message at once and wait for the other's; a swap lasts from the first send to the last arrival. Over a plain
// socket, read in turns, and over libzmq's PAIR sockets, with threads where the system puts them, or each process with its
// I/O thread on a core of its own; who waits sleeps in the call, or spins and yields.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

enum { SWAPS = 2000, WARM = 200, BYTES_MAX = 1 << 20 };
typedef struct {
    double start[2][SWAPS], end[2][SWAPS];
} times;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e6 + t.tv_nsec * 1e-3;
}

static int ascending(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static void pin(int core) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(core, &set);
    sched_setaffinity(0, sizeof set, &set);
}

static int plain(int rank, int port) {
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
    if (rank == 0) {
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
        if (bind(fd, (void *)&address, sizeof address) || listen(fd, 1)) exit(1);
        fd = accept(fd, NULL, NULL);
    } else {
        while (connect(fd, (void *)&address, sizeof address)) {
            close(fd);
            usleep(1000);
            fd = socket(AF_INET, SOCK_STREAM, 0);
        }
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

static void swap_plain(int fd, const char *out, char *in, size_t bytes) {
    for (size_t sent = 0, got = 0; sent < bytes || got < bytes;) {
        const ssize_t w = sent < bytes ? write(fd, out + sent, bytes - sent) : 0;
        const ssize_t r = got < bytes ? read(fd, in + got, bytes - got) : 0;
        sent += w > 0 ? w : 0;
        got += r > 0 ? r : 0;
        if (w <= 0 && r <= 0) sched_yield();
    }
}

static void swap_messages(void *pair, const char *out, char *in, size_t bytes, int sleeps) {
    char header[48] = {0};
    zmq_send(pair, header, sizeof header, ZMQ_SNDMORE);
    zmq_send(pair, out, bytes, 0);
    for (int part = 0; part < 2; part++)
        while (zmq_recv(pair, in, bytes, sleeps ? 0 : ZMQ_DONTWAIT) < 0) sched_yield();
}

static void run(const char *name, size_t bytes, int port, int zmq, int pinned, int sleeps) {
    times *t = mmap(NULL, sizeof *t, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    const pid_t child = fork();
    const int rank = child == 0;
    static char out[BYTES_MAX], in[BYTES_MAX];
    void *pair = NULL;
    int fd = -1;
    if (zmq) {
        char endpoint[64];
        void *context = zmq_ctx_new();
        if (pinned) zmq_ctx_set(context, ZMQ_THREAD_AFFINITY_CPU_ADD, rank);
        pair = zmq_socket(context, ZMQ_PAIR);
        snprintf(endpoint, sizeof endpoint, "tcp://127.0.0.1:%d", port);
        if (rank == 0 ? zmq_bind(pair, endpoint) : zmq_connect(pair, endpoint)) exit(1);
    } else {
        fd = plain(rank, port);
    }
    if (pinned) pin(rank);
    for (int i = 0; i < SWAPS; i++) {
        t->start[rank][i] = now();
        if (zmq) swap_messages(pair, out, in, bytes, sleeps);
        else swap_plain(fd, out, in, bytes);
        t->end[rank][i] = now();
    }
    // The last message must leave before the process ends.
    usleep(100000);
    if (rank == 1) _exit(0);
    waitpid(child, NULL, 0);
    static double swaps[SWAPS];
    for (int i = 0; i < SWAPS; i++) {
        const double start = t->start[0][i] < t->start[1][i] ? t->start[0][i] : t->start[1][i];
        swaps[i] = (t->end[0][i] > t->end[1][i] ? t->end[0][i] : t->end[1][i]) - start;
    }
    qsort(swaps + WARM, SWAPS - WARM, sizeof *swaps, ascending);
    printf("%-52s median %6.1f us, best %6.1f us\n", name, swaps[(WARM + SWAPS) / 2], swaps[WARM]);
    fflush(stdout);
}

int main(int argc, char **argv) {
    const size_t bytes = argc > 1 ? strtoul(argv[1], NULL, 10) : 16384;
    if (bytes < 48 || bytes > BYTES_MAX) return 2;
    const int port = 20000 + getpid() % 20000;
    run("plain TCP, spinning", bytes, port, 0, 0, 0);
    run("plain TCP, spinning, a core each", bytes, port + 1, 0, 1, 0);
    run("libzmq, spinning", bytes, port + 2, 1, 0, 0);
    run("libzmq, sleeping", bytes, port + 3, 1, 0, 1);
    run("libzmq, spinning, a core each with its I/O thread", bytes, port + 4, 1, 1, 0);
    run("libzmq, sleeping, a core each with its I/O thread", bytes, port + 5, 1, 1, 1);
}
