/* A disk that takes its time: fsync, fdatasync and syncfs are counted, and return late.
 *
 * BENCH_SYNC_COUNT: a file of eight bytes, where every process counts. BENCH_SYNC_DELAY_US: microseconds besides.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static unsigned long *count;
static long delay_us;

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("BENCH_SYNC_COUNT"), *delay = getenv("BENCH_SYNC_DELAY_US");
    delay_us = delay ? atol(delay) : 0;
    int file = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (file < 0) return;
    void *page = mmap(NULL, sizeof *count, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (page != MAP_FAILED) count = page;
}

static int late(int result) {
    if (count) __atomic_add_fetch(count, 1, __ATOMIC_RELAXED);
    struct timespec left = {delay_us / 1000000, delay_us % 1000000 * 1000};
    while (delay_us && nanosleep(&left, &left)) {
    }
    return result;
}

#define SLOW(name)                                             \
    int name(int file) {                                       \
        static int (*real)(int);                               \
        if (!real) real = (int (*)(int))dlsym(RTLD_NEXT, #name); \
        return late(real(file));                               \
    }

SLOW(fsync)
SLOW(fdatasync)
SLOW(syncfs)
