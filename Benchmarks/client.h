/*
 * What all C and C++ clients of the benchmark share: the arguments, the clocks, the check of the text,
 * and the line that run.py reads. The first turn warms up (connects, too) and is not measured.
 *
 *     CLIENT URL MODEL TURNS [CA_FILE]
 */
#ifndef BENCH_CLIENT_H
#define BENCH_CLIENT_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zlib.h>

typedef struct bench {
    const char *url, *model, *ca_file;
    const char *port; /* of ws://127.0.0.1:PORT/v1 */
    int is_tls, turns, turn;
    long events, measured_events;
    int64_t cpu_start, wall_start, turn_start, cpu, wall;
    int64_t *latencies;
    char *text; /* of the running turn */
    size_t text_len, text_capacity;
    char *texts; /* of all turns: their CRC is taken when the clocks have stopped */
    size_t *text_ends;
    size_t texts_len, texts_capacity;
} bench;

static inline int64_t bench_clock(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static inline void bench_fail(const char *what) {
    fprintf(stderr, "error: %s\n", what);
    exit(1);
}

static inline void bench_append(char **data, size_t *len, size_t *capacity, const char *more, size_t count) {
    if (*capacity - *len < count) {
        *capacity = (*len + count) * 2;
        *data = (char *)realloc(*data, *capacity);
        if (*data == NULL) bench_fail("out of memory");
    }
    memcpy(*data + *len, more, count);
    *len += count;
}

static inline void bench_delta(bench *b, const char *delta, size_t len) {
    bench_append(&b->text, &b->text_len, &b->text_capacity, delta, len);
}

static inline bench bench_new(int argc, char **argv) {
    bench b;
    memset(&b, 0, sizeof b);
    if (argc < 4) bench_fail("usage: CLIENT URL MODEL TURNS [CA_FILE]");
    b.url = argv[1];
    b.model = argv[2];
    b.turns = atoi(argv[3]) + 1;
    b.ca_file = argc > 4 ? argv[4] : NULL;
    b.is_tls = strncmp(b.url, "wss:", 4) == 0;
    const char *colon = strrchr(b.url, ':');
    b.port = colon == NULL ? "0" : strndup(colon + 1, strspn(colon + 1, "0123456789"));
    b.latencies = (int64_t *)calloc((size_t)b.turns, sizeof *b.latencies);
    b.text_ends = (size_t *)calloc((size_t)b.turns, sizeof *b.text_ends);
    return b;
}

/* 1: there is a turn to start. */
static inline int bench_begin(bench *b) {
    if (b->turn == 1) {
        b->measured_events = b->events;
        b->cpu_start = bench_clock(CLOCK_PROCESS_CPUTIME_ID);
        b->wall_start = bench_clock(CLOCK_MONOTONIC);
    }
    if (b->turn == b->turns) {
        b->cpu = bench_clock(CLOCK_PROCESS_CPUTIME_ID) - b->cpu_start;
        b->wall = bench_clock(CLOCK_MONOTONIC) - b->wall_start;
        b->measured_events = b->events - b->measured_events;
        return 0;
    }
    b->text_len = 0;
    b->turn_start = bench_clock(CLOCK_MONOTONIC);
    return 1;
}

static inline void bench_end(bench *b) {
    b->latencies[b->turn] = bench_clock(CLOCK_MONOTONIC) - b->turn_start;
    bench_append(&b->texts, &b->texts_len, &b->texts_capacity, b->text, b->text_len);
    b->text_ends[b->turn++] = b->texts_len;
}

static inline int bench_compare(const void *a, const void *b) {
    int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;
    return left < right ? -1 : left > right;
}

static inline void bench_report(bench *b) {
    size_t start = 0, measured = (size_t)b->turns - 1;
    unsigned long crc = 0;
    for (int i = 0; i < b->turns; i++) {
        unsigned long one = crc32(0, (const Bytef *)b->texts + start, (uInt)(b->text_ends[i] - start));
        if (i > 0 && one != crc) bench_fail("the texts of two turns differ");
        crc = one;
        start = b->text_ends[i];
    }
    qsort(b->latencies + 1, measured, sizeof *b->latencies, bench_compare);
    printf("{\"crc\":\"%08lx\",\"turns\":%zu,\"events\":%ld,\"cpu_ns\":%lld,\"wall_ns\":%lld,"
           "\"p50_ns\":%lld,\"p99_ns\":%lld}\n",
           crc, measured, b->measured_events, (long long)b->cpu, (long long)b->wall,
           (long long)b->latencies[1 + measured / 2], (long long)b->latencies[1 + measured * 99 / 100]);
}

/* The request of the clients that keep the chain themselves. previous: "" for the first turn. */
static inline int bench_request(const bench *b, const char *previous, size_t previous_len, char *out, size_t size) {
    return snprintf(out, size,
                    "{\"type\":\"response.create\",\"model\":\"%s\",\"store\":false,%s%.*s%s"
                    "\"input\":[{\"type\":\"message\",\"role\":\"user\",\"content\":["
                    "{\"type\":\"input_text\",\"text\":\"Go on.\"}]}]}",
                    b->model, previous_len > 0 ? "\"previous_response_id\":\"" : "", (int)previous_len,
                    previous, previous_len > 0 ? "\"," : "");
}

#endif
