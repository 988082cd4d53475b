/* fork while a client lives: in the child the parent's handles answer an error and nothing hangs. */
#include "test.h"

#include <sys/wait.h>

/*
 * LeakSanitizer's question at exit. What the parent's client holds is lost to a child by design: its
 * I/O thread's stack is gone, and freeing a handle of the parent touches nothing.
 */
static int is_child;
int __lsan_is_turned_off(void);
int __lsan_is_turned_off(void) { return is_child; }

static rws_client *client;
static rws_session *session;
static rws_turn *turn;

static void check_in_child(void) {
    rws_event event = RWS_EVENT_INIT;
    rws_result result = RWS_RESULT_INIT;
    rws_string string;
    rws_session *other = NULL;
    rws_turn *other_turn = NULL;
    int descriptor;
    CHECK_STATUS(RWS_ERR_FORKED, rws_turn_next(turn, RWS_NO_LIMIT, &event));
    CHECK_STATUS(RWS_ERR_FORKED, rws_turn_wait(turn, RWS_NO_LIMIT));
    CHECK_STATUS(RWS_ERR_FORKED, rws_turn_cancel(turn));
    CHECK_STATUS(RWS_ERR_FORKED, rws_turn_result(turn, &result));
    CHECK_STATUS(RWS_ERR_FORKED, rws_session_connect(session, RWS_NO_LIMIT));
    CHECK_STATUS(RWS_ERR_FORKED, rws_session_response_id(session, &string));
    CHECK_STATUS(RWS_ERR_FORKED, rws_session_descriptor(session, &descriptor));
    CHECK_STATUS(RWS_ERR_FORKED, rws_turn_start(session, "\"x\"", 3, NULL, &other_turn));
    CHECK_STATUS(RWS_ERR_FORKED, rws_session_new(client, LITERAL(SETTINGS), &other));
    CHECK_STATUS(RWS_ERR_FORKED, rws_client_close(client, RWS_NO_LIMIT));
    rws_turn_free(turn);
    rws_session_free(session);
    rws_client_free(client);

    rws_client *own = new_client();
    rws_session *own_session = new_session(own);
    rws_turn *own_turn = start(own_session, "\"from the child\"");
    CHECK_STATUS(RWS_DONE, rws_turn_wait(own_turn, PATIENCE_MS));
    rws_turn_free(own_turn);
    rws_session_free(own_session);
    CHECK_STATUS(RWS_OK, rws_client_close(own, PATIENCE_MS));
    rws_client_free(own);
}

static void fork_while_streaming(const char *url_variable, int exits_by_exit) {
    rws_client_options options = options_for(url_variable);
    CHECK_STATUS(RWS_OK, rws_client_new(&options, &client));
    session = new_session(client);
    turn = start(session, "\"SLOW 1500\"");
    read_until_text(turn);
    int before = checks_failed;
    pid_t child = fork();
    if (child == 0) {
        is_child = 1;
        alarm(25);
        check_in_child();
        int status = checks_failed == before ? 42 : 1;
        if (exits_by_exit) exit(status);
        _exit(status);
    }
    int status = 0;
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 42);
    /* The child freed and closed; the parent's turn streams on to its end. */
    rws_status end;
    read_all(turn, &end);
    CHECK(end == RWS_DONE);
    rws_turn_free(turn);
    rws_session_free(session);
    CHECK_STATUS(RWS_OK, rws_client_close(client, PATIENCE_MS));
    rws_client_free(client);
}

static void plain_child_exits(void) { fork_while_streaming("RWS_TEST_URL", 1); }
static void plain_child_leaves(void) { fork_while_streaming("RWS_TEST_URL", 0); }
static void tls_child_exits(void) { fork_while_streaming("RWS_TEST_TLS_URL", 1); }

static void *stream_for_ever(void *unused) {
    rws_client *own = new_client();
    rws_session *own_session = new_session(own);
    while (__atomic_load_n((int *)unused, __ATOMIC_SEQ_CST) == 0) {
        rws_turn *own_turn = start(own_session, "\"hello\"");
        CHECK_STATUS(RWS_DONE, rws_turn_wait(own_turn, PATIENCE_MS));
        rws_turn_free(own_turn);
    }
    rws_session_free(own_session);
    rws_client_free(own);
    return NULL;
}

static rws_status turn_over_tls(void) {
    rws_client_options options = options_for("RWS_TEST_TLS_URL");
    rws_client *own = NULL;
    CHECK_STATUS(RWS_OK, rws_client_new(&options, &own));
    rws_session *own_session = new_session(own);
    rws_turn *own_turn = start(own_session, "\"hello\"");
    rws_status end = rws_turn_wait(own_turn, PATIENCE_MS);
    rws_turn_free(own_turn);
    rws_session_free(own_session);
    rws_client_free(own);
    return end;
}

static void *connect_for_ever(void *stop) {
    while (__atomic_load_n((int *)stop, __ATOMIC_SEQ_CST) == 0) CHECK_STATUS(RWS_DONE, turn_over_tls());
    return NULL;
}

/* Locks, the library's or OpenSSL's, may be held by another thread at the moment of the fork. */
static void fork_beside(void *(*work)(void *)) {
    int stop = 0;
    pthread_t threads[3];
    for (int i = 0; i < 3; i++)
        CHECK(pthread_create(&threads[i], NULL, work, &stop) == 0);
    for (int round = 0; round < 30; round++) {
        pid_t child = fork();
        if (child == 0) {
            alarm(25);
            _exit(turn_over_tls() == RWS_DONE ? 42 : 1);
        }
        int status = 0;
        CHECK(waitpid(child, &status, 0) == child);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 42);
    }
    __atomic_store_n(&stop, 1, __ATOMIC_SEQ_CST);
    for (int i = 0; i < 3; i++) pthread_join(threads[i], NULL);
}

static void beside_streams(void) { fork_beside(stream_for_ever); }
static void beside_handshakes(void) { fork_beside(connect_for_ever); }

int main(void) {
    static const struct test tests[] = {
        {"fork in a stream, the child exits", plain_child_exits},
        {"fork in a stream, the child leaves by _exit", plain_child_leaves},
        {"fork in a stream over TLS", tls_child_exits},
        {"fork while other threads call", beside_streams},
        {"fork while other threads connect over TLS", beside_handshakes},
    };
    return RUN_TESTS(tests);
}
