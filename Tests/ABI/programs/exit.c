/*
 * exit HOW: leaves the process in the middle of a stream over TLS, status 7. The runner repeats it.
 * HOW is return (from main), exit, thread (another thread calls exit), callback (exit is called on
 * the library's own thread).
 */
#include "test.h"

static void exit_in_callback(rws_turn *turn, const rws_event *event, void *unused) {
    (void)turn;
    (void)unused;
    if (event != NULL && event->kind == RWS_EVENT_OUTPUT_TEXT_DELTA) exit(7);
}

static void *exit_on_thread(void *unused) {
    (void)unused;
    exit(7);
}

int main(int argc, char **argv) {
    const char *how = argc == 2 ? argv[1] : "";
    alarm(60);
    rws_client_options options = options_for("RWS_TEST_TLS_URL");
    rws_client *client = NULL;
    if (!CHECK_STATUS(RWS_OK, rws_client_new(&options, &client))) return 1;
    rws_session *session = new_session(client);
    rws_turn_options turn_options = RWS_TURN_OPTIONS_INIT;
    if (strcmp(how, "callback") == 0) turn_options.on_event = exit_in_callback;
    rws_turn *turn = NULL;
    if (!CHECK_STATUS(RWS_OK,
                      rws_turn_start(session, LITERAL(LONG_STREAM), &turn_options, &turn)))
        return 1;
    if (strcmp(how, "callback") == 0) {
        for (;;) pause();
    }
    read_until_text(turn);
    if (checks_failed > 0) return 1;
    if (strcmp(how, "return") == 0) return 7;
    if (strcmp(how, "exit") == 0) exit(7);
    if (strcmp(how, "thread") == 0) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, exit_on_thread, NULL) != 0) return 1;
        for (;;) {
            rws_event event = RWS_EVENT_INIT;
            rws_turn_next(turn, 100, &event);
        }
    }
    return 2;
}
