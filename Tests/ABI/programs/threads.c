/* The same handles on several threads at once. */
#include "test.h"

#define THREADS 8

static rws_client *client;
static rws_session *session;
static rws_turn *turn;

static void on_all_threads(void *(*body)(void *)) {
    pthread_t threads[THREADS];
    for (size_t i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, body, (void *)i) == 0);
    for (size_t i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
}

static void *own_session(void *index) {
    rws_session *own = new_session(client);
    for (int i = 0; i < 10; i++) {
        char input[64], text[64];
        snprintf(input, sizeof(input), "\"thread %zu turn %d\"", (size_t)index, i);
        snprintf(text, sizeof(text), "ECHO: thread %zu turn %d", (size_t)index, i);
        rws_turn *own_turn = start(own, input);
        CHECK_STATUS(RWS_DONE, rws_turn_wait(own_turn, PATIENCE_MS));
        rws_result result = RWS_RESULT_INIT;
        CHECK_STATUS(RWS_OK, rws_turn_result(own_turn, &result));
        CHECK(string_is(result.text, text));
        rws_turn_free(own_turn);
    }
    rws_session_free(own);
    return NULL;
}

static void one_client_serves_all_threads(void) {
    client = new_client();
    on_all_threads(own_session);
    rws_client_free(client);
}

static void *start_in_shared(void *unused) {
    (void)unused;
    for (int i = 0; i < 5; i++) {
        rws_turn *own_turn = start(session, "\"hello\"");
        rws_status end;
        CHECK(read_all(own_turn, &end) > 3);
        CHECK(end == RWS_DONE);
        rws_turn_free(own_turn);
    }
    return NULL;
}

static void turns_of_one_session_run_one_after_the_other(void) {
    client = new_client();
    session = new_session(client);
    on_all_threads(start_in_shared);
    rws_turn *last = start(session, "\"RECALL\"");
    CHECK_STATUS(RWS_DONE, rws_turn_wait(last, PATIENCE_MS));
    rws_result result = RWS_RESULT_INIT;
    CHECK_STATUS(RWS_OK, rws_turn_result(last, &result));
    char text[64];
    snprintf(text, sizeof(text), "RECALL users=%d tools=0 first=hello", THREADS * 5 + 1);
    CHECK(string_is(result.text, text));
    rws_turn_free(last);
    rws_session_free(session);
    rws_client_free(client);
}

static int events_read;

static void *read_shared_turn(void *unused) {
    (void)unused;
    rws_status status;
    do {
        rws_event event = RWS_EVENT_INIT;
        status = rws_turn_next(turn, 100, &event);
        if (status == RWS_OK) __atomic_add_fetch(&events_read, 1, __ATOMIC_SEQ_CST);
    } while (status == RWS_OK || status == RWS_ERR_BUSY || status == RWS_TIMEOUT);
    CHECK(status == RWS_DONE);
    return NULL;
}

static void readers_of_one_turn_share_its_events(void) {
    client = new_client();
    session = new_session(client);
    turn = start(session, "\"SLOW 300\"");
    on_all_threads(read_shared_turn);
    rws_stats stats = RWS_STATS_INIT;
    CHECK_STATUS(RWS_OK, rws_turn_stats(turn, &stats));
    CHECK(events_read > 0 && (uint64_t)events_read <= stats.event_count);
    rws_turn_free(turn);
    rws_session_free(session);
    rws_client_free(client);
}

static int frees_done;

/* Thread 0 frees, the others call on: every answer is a status, none a crash. */
static void *call_while_freed(void *index) {
    if (index == NULL) {
        nanosleep(&(struct timespec){0, 2000000}, NULL);
        rws_client_free(client);
        rws_session_free(session);
        rws_turn_free(turn);
        __atomic_store_n(&frees_done, 1, __ATOMIC_SEQ_CST);
        return NULL;
    }
    int last_round = 0;
    while (last_round < 3) {
        last_round += __atomic_load_n(&frees_done, __ATOMIC_SEQ_CST);
        rws_event event = RWS_EVENT_INIT;
        rws_stats stats = RWS_STATS_INIT;
        rws_session *another = NULL;
        rws_turn *another_turn = NULL;
        int descriptor;
        rws_status statuses[] = {
            rws_turn_next(turn, 1, &event),
            rws_turn_stats(turn, &stats),
            rws_session_descriptor(session, &descriptor),
            rws_turn_start(session, "\"x\"", 3, NULL, &another_turn),
            rws_session_new(client, LITERAL(SETTINGS), &another),
            rws_turn_cancel((size_t)index % 2 == 0 ? another_turn : turn),
        };
        for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++)
            CHECK(strcmp(rws_status_name(statuses[i]), "RWS_UNKNOWN") != 0 &&
                  statuses[i] != RWS_ERR_INTERNAL);
        rws_turn_free(another_turn);
        rws_session_free(another);
    }
    return NULL;
}

static void freeing_while_others_call_is_defined(void) {
    for (int round = 0; round < 10; round++) {
        frees_done = 0;
        client = new_client();
        session = new_session(client);
        turn = start(session, LONG_STREAM);
        on_all_threads(call_while_freed);
    }
}

static void *free_all(void *unused) {
    (void)unused;
    rws_turn_free(turn);
    rws_client_free(client);
    rws_session_free(session);
    return NULL;
}

static void all_threads_free_the_same_handles(void) {
    for (int round = 0; round < 20; round++) {
        client = new_client();
        session = new_session(client);
        turn = start(session, LONG_STREAM);
        on_all_threads(free_all);
        CHECK_STATUS(RWS_ERR_INVALID_HANDLE, rws_client_close(client, 0));
    }
}

static void *wait_for_turn(void *unused) {
    (void)unused;
    rws_status status = rws_turn_wait(turn, RWS_NO_LIMIT);
    CHECK(status == RWS_ERR_CANCELLED || status == RWS_ERR_BUSY ||
          status == RWS_ERR_INVALID_HANDLE);
    return NULL;
}

static void a_close_wakes_who_waits(void) {
    client = new_client();
    session = new_session(client);
    turn = start(session, LONG_STREAM);
    pthread_t waiter;
    CHECK(pthread_create(&waiter, NULL, wait_for_turn, NULL) == 0);
    nanosleep(&(struct timespec){0, 20000000}, NULL);
    CHECK_STATUS(RWS_OK, rws_client_close(client, PATIENCE_MS));
    pthread_join(waiter, NULL);
    free_all(NULL);
}

int main(void) {
    static const struct test tests[] = {
        {"one client serves all threads", one_client_serves_all_threads},
        {"turns of one session run one after the other",
         turns_of_one_session_run_one_after_the_other},
        {"readers of one turn share its events", readers_of_one_turn_share_its_events},
        {"freeing while others call is defined", freeing_while_others_call_is_defined},
        {"all threads free the same handles", all_threads_free_the_same_handles},
        {"a close wakes who waits", a_close_wakes_who_waits},
    };
    return RUN_TESTS(tests);
}
