/* What the memory clients share: MEMORY URL CONNECTIONS [CA_FILE [INPUT_BYTES]]. */
#ifndef BENCH_MEMORY_H
#define BENCH_MEMORY_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

/* So many at a time: a burst of thousands would measure the listener's backlog. */
enum { GROUP = 100 };

/* KiB of this process that no other shares, in use or not given back. */
static inline long private_dirty(void) {
    char line[256];
    long kib = -1;
    FILE *file = fopen("/proc/self/smaps_rollup", "r");
    while (file != NULL && fgets(line, sizeof line, file) != NULL)
        if (sscanf(line, "Private_Dirty: %ld", &kib) == 1) break;
    if (file != NULL) fclose(file);
    return kib;
}

static inline void allow_files(void) {
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
}

static inline void memory_report(long before, long after, int connections) {
    printf("{\"connections\":%d,\"kib_per_connection\":%.2f}\n", connections,
           (double)(after - before) / connections);
}

#endif
