/*
 * What the C programs of this directory share: checks that count, and a client for the local server.
 * The runner passes the servers in the environment.
 */
#ifndef RWS_TEST_H
#define RWS_TEST_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "responsesws.h"

#include <dirent.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* No wait of a test is longer; the local server answers in milliseconds. */
#define PATIENCE_MS ((int64_t)15000)
#define SETTINGS "{\"model\":\"rules\",\"store\":false}"
#define LITERAL(text) (text), (sizeof(text) - 1)

/*
 * An input whose answer streams for half a minute, its first text within a moment: the local server
 * spreads one event per word over the time.
 */
#define WORDS_8 "a b c d e f g h "
#define WORDS_64 WORDS_8 WORDS_8 WORDS_8 WORDS_8 WORDS_8 WORDS_8 WORDS_8 WORDS_8
#define WORDS_512 WORDS_64 WORDS_64 WORDS_64 WORDS_64 WORDS_64 WORDS_64 WORDS_64 WORDS_64
#define LONG_STREAM "\"SLOW 30000 " WORDS_512 "\""

static int checks_failed;

#define CHECK(condition)                                                              \
    do {                                                                              \
        if (!(condition)) {                                                           \
            __atomic_add_fetch(&checks_failed, 1, __ATOMIC_SEQ_CST);                  \
            fprintf(stderr, "  %s:%d: %s\n", __FILE__, __LINE__, #condition);         \
        }                                                                             \
    } while (0)

#define CHECK_STATUS(expected, call) check_status((expected), (call), #call, __FILE__, __LINE__)

static inline int check_status(rws_status expected, rws_status got, const char *call,
                               const char *file, int line) {
    if (got == expected) return 1;
    __atomic_add_fetch(&checks_failed, 1, __ATOMIC_SEQ_CST);
    fprintf(stderr, "  %s:%d: %s: %s, expected %s\n", file, line, call, rws_status_name(got),
            rws_status_name(expected));
    rws_error error = RWS_ERROR_INIT;
    if (got < 0 && rws_last_error(&error) == RWS_OK)
        fprintf(stderr, "    %.*s\n", (int)error.message.len, error.message.data);
    return 0;
}

/* A handle that is NULL or dead: which of the two words is used is not promised. */
#define CHECK_REFUSED(call) check_refused((call), #call, __FILE__, __LINE__)

static inline void check_refused(rws_status got, const char *call, const char *file, int line) {
    if (got != RWS_ERR_INVALID_ARGUMENT && got != RWS_ERR_INVALID_HANDLE)
        check_status(RWS_ERR_INVALID_ARGUMENT, got, call, file, line);
}

struct test {
    const char *name;
    void (*body)(void);
};

static inline int run_tests(const struct test *tests, size_t count) {
    int passed = 0, failed = 0;
    for (size_t i = 0; i < count; i++) {
        int before = __atomic_load_n(&checks_failed, __ATOMIC_SEQ_CST);
        fflush(stdout);
        struct timespec begin, end;
        clock_gettime(CLOCK_MONOTONIC, &begin);
        tests[i].body();
        clock_gettime(CLOCK_MONOTONIC, &end);
        int ok = __atomic_load_n(&checks_failed, __ATOMIC_SEQ_CST) == before;
        printf("%s %s (%.2f s)\n", ok ? "ok  " : "FAIL", tests[i].name,
               (double)(end.tv_sec - begin.tv_sec) + (double)(end.tv_nsec - begin.tv_nsec) / 1e9);
        passed += ok;
        failed += !ok;
    }
    printf("%d passed, %d failed\n", passed, failed);
    return failed == 0 ? 0 : 1;
}
#define RUN_TESTS(tests) run_tests((tests), sizeof(tests) / sizeof((tests)[0]))

static inline const char *environment(const char *name) {
    const char *value = getenv(name);
    if (value == NULL) {
        fprintf(stderr, "%s is not set: start this program through Tests/ABI/run\n", name);
        exit(2);
    }
    return value;
}

static inline rws_client_options options_for(const char *url_variable) {
    rws_client_options options = RWS_CLIENT_OPTIONS_INIT;
    options.base_url = environment(url_variable);
    options.api_key = "test-key";
    options.ca_file = getenv("RWS_TEST_CA");
    return options;
}

static inline rws_client *new_client(void) {
    rws_client_options options = options_for("RWS_TEST_URL");
    rws_client *client = NULL;
    CHECK_STATUS(RWS_OK, rws_client_new(&options, &client));
    return client;
}

static inline rws_session *new_session(rws_client *client) {
    rws_session *session = NULL;
    CHECK_STATUS(RWS_OK, rws_session_new(client, LITERAL(SETTINGS), &session));
    return session;
}

/* input is a JSON text. */
static inline rws_turn *start(rws_session *session, const char *input) {
    rws_turn *turn = NULL;
    CHECK_STATUS(RWS_OK, rws_turn_start(session, input, strlen(input), NULL, &turn));
    return turn;
}

/* Reads a turn to its end; the number of events, and the status that ended it. */
static inline int read_all(rws_turn *turn, rws_status *end_out) {
    int events = 0;
    rws_status status;
    rws_event event = RWS_EVENT_INIT;
    while ((status = rws_turn_next(turn, PATIENCE_MS, &event)) == RWS_OK) events++;
    if (end_out != NULL) *end_out = status;
    return events;
}

/* Reads until the first text has come, so that the turn is known to stream. */
static inline void read_until_text(rws_turn *turn) {
    rws_event event = RWS_EVENT_INIT;
    while (CHECK_STATUS(RWS_OK, rws_turn_next(turn, PATIENCE_MS, &event)))
        if (event.kind == RWS_EVENT_OUTPUT_TEXT_DELTA) return;
}

static inline int string_is(rws_string string, const char *text) {
    return string.len == strlen(text) && memcmp(string.data, text, string.len) == 0;
}

static inline int entries(const char *directory) {
    int count = 0;
    DIR *open_directory = opendir(directory);
    if (open_directory == NULL) return -1;
    while (readdir(open_directory) != NULL) count++;
    closedir(open_directory);
    return count;
}

/* The kernel takes a joined thread out of /proc a moment after the join. */
static inline int settles_at(const char *directory, int expected) {
    for (int i = 0; i < 500; i++) {
        if (entries(directory) == expected) return 1;
        nanosleep(&(struct timespec){0, 10000000}, NULL);
    }
    fprintf(stderr, "  %s: %d entries, expected %d\n", directory, entries(directory), expected);
    return 0;
}

#endif
