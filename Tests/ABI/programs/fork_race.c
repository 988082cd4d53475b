/*
 * fork in the first milliseconds of a client, while other threads make for the first time what is made once:
 * each process tries a few moments, so it is run again and again. A child that waits for what a thread of its
 * parent was doing is ended by its alarm.
 *
 *   fork_race SEED parents|own     what the children do: use the parent's handles, or make a client of their own
 */
#include "test.h"

#include <signal.h>
#include <sys/wait.h>

#define FORKS 8
#define SPAN_US 6000
#define CHILD_SECONDS 20

/* As far as the other thread has come. */
static rws_client *client;
static rws_session *session;
static rws_turn *turn;

static void read_result(rws_turn *of) {
    rws_result result = RWS_RESULT_INIT;
    rws_stats stats = RWS_STATS_INIT;
    rws_status end;
    CHECK(read_all(of, &end) > 0);
    CHECK(end == RWS_DONE);
    CHECK_STATUS(RWS_OK, rws_turn_result(of, &result));
    CHECK_STATUS(RWS_OK, rws_turn_stats(of, &stats));
}

static void *use_the_library(void *unused) {
    (void)unused;
    __atomic_store_n(&client, new_client(), __ATOMIC_SEQ_CST);
    __atomic_store_n(&session, new_session(client), __ATOMIC_SEQ_CST);
    __atomic_store_n(&turn, start(session, "\"hello\""), __ATOMIC_SEQ_CST);
    read_result(turn);
    return NULL;
}

/* NULL, if the other thread had not come so far. */
static void check_forked(const void *handle, rws_status status) {
    CHECK(status == (handle ? RWS_ERR_FORKED : RWS_ERR_INVALID_ARGUMENT));
}

static void use_the_parents_handles(void) {
    rws_event event = RWS_EVENT_INIT;
    rws_event_batch batch = RWS_EVENT_BATCH_INIT;
    rws_result result = RWS_RESULT_INIT;
    rws_error error = RWS_ERROR_INIT;
    rws_counters counters = RWS_COUNTERS_INIT;
    rws_session *other = NULL;
    rws_turn *other_turn = NULL;
    rws_string string;
    int descriptor;
    check_forked(turn, rws_turn_next(turn, RWS_NO_LIMIT, &event));
    check_forked(turn, rws_turn_next_batch(turn, RWS_NO_LIMIT, &batch));
    check_forked(turn, rws_turn_wait(turn, RWS_NO_LIMIT));
    check_forked(turn, rws_turn_cancel(turn));
    check_forked(turn, rws_turn_result(turn, &result));
    check_forked(session, rws_session_connect(session, RWS_NO_LIMIT));
    check_forked(session, rws_session_response_id(session, &string));
    check_forked(session, rws_session_descriptor(session, &descriptor));
    check_forked(session, rws_session_fork(session, &other));
    check_forked(session, rws_turn_start(session, LITERAL("\"x\""), NULL, &other_turn));
    check_forked(client, rws_session_new(client, LITERAL(SETTINGS), &other));
    check_forked(client, rws_client_counters(client, &counters));
    check_forked(client, rws_client_close(client, RWS_NO_LIMIT));
    CHECK_STATUS(RWS_OK, rws_last_error(&error));
    rws_turn_free(turn);
    rws_session_free(session);
    rws_client_free(client);
}

static void make_an_own_client(void) {
    rws_client *own = new_client();
    rws_session *own_session = new_session(own);
    rws_turn *own_turn = start(own_session, "\"from the child\"");
    read_result(own_turn);
    rws_turn_free(own_turn);
    rws_session_free(own_session);
    rws_client_free(own);
}

static int64_t now_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static int by_size(const void *one, const void *other) {
    int64_t a = *(const int64_t *)one, b = *(const int64_t *)other;
    return (a > b) - (a < b);
}

int main(int count, char **arguments) {
    if (count != 3) return 2;
    unsigned seed = (unsigned)atoi(arguments[1]);
    void (*child)(void) = strcmp(arguments[2], "own") == 0 ? make_an_own_client : use_the_parents_handles;
    pid_t children[FORKS];
    int64_t moments[FORKS], longest = 0;
    int hanging = 0;
    for (int i = 0; i < FORKS; i++) moments[i] = rand_r(&seed) % SPAN_US;
    qsort(moments, FORKS, sizeof moments[0], by_size);
    pthread_t thread;
    int64_t begin = now_us();
    if (pthread_create(&thread, NULL, use_the_library, NULL) != 0) return 2;
    for (int i = 0; i < FORKS; i++) {
        int64_t before;
        while ((before = now_us()) < begin + moments[i]) {
        }
        children[i] = fork();
        if (children[i] == 0) {
            alarm(CHILD_SECONDS);
            child();
            _exit(checks_failed == 0 ? 42 : 1);
        }
        int64_t took = now_us() - before;
        if (took > longest) longest = took;
    }
    for (int i = 0; i < FORKS; i++) {
        int status = 0;
        CHECK(waitpid(children[i], &status, 0) == children[i]);
        if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
            hanging++;
        else
            CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 42);
    }
    pthread_join(thread, NULL);
    printf("%d of %d children hang; the longest fork took %lld us\n", hanging, FORKS, (long long)longest);
    return hanging || checks_failed ? 1 : 0;
}
