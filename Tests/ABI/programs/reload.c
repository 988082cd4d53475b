/* dlopen, run, free, dlclose, 200 times: nothing piles up, nothing is torn away under a thread. */
#include "test.h"

#include <dlfcn.h>

#define ROUNDS 200

/* POSIX lets dlsym's pointer become a function pointer; ISO C has no cast for it. */
#define LOOK_UP(library, function)                                                \
    do {                                                                          \
        *(void **)&loaded_##function = dlsym((library), #function);               \
        if (loaded_##function == NULL) {                                          \
            fprintf(stderr, "  no " #function " in the library\n");               \
            return 0;                                                             \
        }                                                                         \
    } while (0)

static int one_round(const char *path) {
    rws_status (*loaded_rws_client_new)(const rws_client_options *, rws_client **);
    rws_status (*loaded_rws_session_new)(rws_client *, const char *, size_t, rws_session **);
    rws_status (*loaded_rws_turn_start)(rws_session *, const char *, size_t,
                                        const rws_turn_options *, rws_turn **);
    rws_status (*loaded_rws_turn_wait)(rws_turn *, int64_t);
    void (*loaded_rws_turn_free)(rws_turn *);
    void (*loaded_rws_session_free)(rws_session *);
    void (*loaded_rws_client_free)(rws_client *);
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        fprintf(stderr, "  %s\n", dlerror());
        return 0;
    }
    LOOK_UP(library, rws_client_new);
    LOOK_UP(library, rws_session_new);
    LOOK_UP(library, rws_turn_start);
    LOOK_UP(library, rws_turn_wait);
    LOOK_UP(library, rws_turn_free);
    LOOK_UP(library, rws_session_free);
    LOOK_UP(library, rws_client_free);

    rws_client_options options = options_for("RWS_TEST_TLS_URL");
    rws_client *client = NULL;
    rws_session *session = NULL;
    rws_turn *turn = NULL;
    int ok = loaded_rws_client_new(&options, &client) == RWS_OK &&
             loaded_rws_session_new(client, LITERAL(SETTINGS), &session) == RWS_OK &&
             loaded_rws_turn_start(session, LITERAL("\"hello\""), NULL, &turn) == RWS_OK &&
             loaded_rws_turn_wait(turn, PATIENCE_MS) == RWS_DONE;
    loaded_rws_turn_free(turn);
    loaded_rws_session_free(session);
    loaded_rws_client_free(client);
    return dlclose(library) == 0 && ok;
}

int main(void) {
    const char *path = environment("RWS_TEST_LIBRARY");
    alarm(240);
    int passed = 0, descriptors = 0, threads = 0;
    for (int round = 0; round < ROUNDS; round++) {
        passed += one_round(path);
        if (round == 0) {
            descriptors = entries("/proc/self/fd");
            threads = entries("/proc/self/task");
        }
    }
    int ok = passed == ROUNDS && settles_at("/proc/self/task", threads) &&
             settles_at("/proc/self/fd", descriptors);
    printf("%s loaded, run and unloaded %d of %d times\n", ok ? "ok  " : "FAIL", passed, ROUNDS);
    printf("%d passed, %d failed\n", ok, !ok);
    return ok ? 0 : 1;
}
