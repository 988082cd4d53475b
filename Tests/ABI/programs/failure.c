/*
 * failure STATUS...: one turn at $RWS_TEST_URL must fail with one of the statuses (numbers), with a
 * sentence that helps, within the test's patience, and without the key in any text or log line.
 */
#include "test.h"

#define KEY "sk-secret-0123456789"

static int leaked;

static int holds_key(rws_string string) {
    return string.len > 0 && memmem(string.data, string.len, KEY, strlen(KEY)) != NULL;
}

static void look_for_key(int32_t level, rws_string line, void *unused) {
    (void)level;
    (void)unused;
    if (holds_key(line)) __atomic_store_n(&leaked, 1, __ATOMIC_SEQ_CST);
}

int main(int argc, char **argv) {
    alarm(60);
    rws_client_options options = options_for("RWS_TEST_URL");
    options.api_key = KEY;
    options.connect_timeout_ms = 5000;
    options.first_event_timeout_ms = 5000;
    options.log = look_for_key;
    options.log_level = RWS_LOG_DEBUG;
    rws_client *client = NULL;
    CHECK_STATUS(RWS_OK, rws_client_new(&options, &client));
    rws_session *session = new_session(client);
    rws_turn *turn = start(session, "\"hello\"");
    rws_status end = RWS_OK;
    read_all(turn, &end);
    int expected = 0;
    for (int i = 1; i < argc; i++) expected += atoi(argv[i]) == end;
    rws_error error = RWS_ERROR_INIT;
    CHECK_STATUS(RWS_OK, rws_turn_error(turn, &error));
    CHECK(error.status == end);
    CHECK(error.message.len >= 20);
    CHECK(!holds_key(error.message) && !holds_key(error.body) && !leaked);
    printf("%s: %.*s\n", rws_status_name(end), (int)error.message.len, error.message.data);
    if (!expected) fprintf(stderr, "  not the expected status\n");
    rws_turn_free(turn);
    rws_session_free(session);
    rws_client_free(client);
    return expected && checks_failed == 0 ? 0 : 1;
}
