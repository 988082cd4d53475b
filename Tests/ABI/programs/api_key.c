/* API keys that are asked for: another thread answers, the callback itself does, nobody does. */
#include "test.h"

static int calls, refusals;
static rws_api_key_request *kept;

static void *answer_later(void *request) {
    nanosleep(&(struct timespec){0, 20000000}, NULL);
    CHECK_STATUS(RWS_OK, rws_api_key_answer(request, "sk-good-0123456789", NULL));
    CHECK_STATUS(RWS_ERR_INVALID_HANDLE, rws_api_key_answer(request, "sk-good-0123456789", NULL));
    return NULL;
}

/* First a key that the server does not know, at once; then another thread has the right one. */
static void wrong_then_right(rws_api_key_request *request, int32_t is_refused, void *user_data) {
    CHECK(user_data == &calls);
    calls++;
    refusals += is_refused;
    if (!is_refused) {
        CHECK_STATUS(RWS_OK, rws_api_key_answer(request, "sk-bad-9876543210", NULL));
        return;
    }
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, answer_later, request) == 0);
    CHECK(pthread_detach(thread) == 0);
}

static void keep(rws_api_key_request *request, int32_t is_refused, void *user_data) {
    (void)is_refused, (void)user_data;
    __atomic_store_n(&kept, request, __ATOMIC_SEQ_CST);
}

static void fail(rws_api_key_request *request, int32_t is_refused, void *user_data) {
    (void)is_refused, (void)user_data;
    CHECK_STATUS(RWS_OK, rws_api_key_answer(request, NULL, "the vault is shut"));
}

static rws_client *client_with(rws_api_key_fn on_api_key, int64_t connect_timeout_ms) {
    rws_client_options options = options_for("RWS_TEST_KEY_URL");
    options.api_key = NULL;
    options.on_api_key = on_api_key;
    options.api_key_user_data = &calls;
    options.connect_timeout_ms = connect_timeout_ms;
    rws_client *client = NULL;
    CHECK_STATUS(RWS_OK, rws_client_new(&options, &client));
    return client;
}

/* How the turn ends; message_out is what its error says. */
static rws_status run(rws_client *client, const rws_identity *identity, char *message_out, size_t size) {
    rws_session *session = NULL;
    CHECK_STATUS(RWS_OK, rws_session_new_as(client, LITERAL(SETTINGS), identity, &session));
    rws_turn *turn = start(session, "\"hello\"");
    rws_status status = rws_turn_wait(turn, PATIENCE_MS);
    rws_error error = RWS_ERROR_INIT;
    if (rws_turn_error(turn, &error) == RWS_OK)
        snprintf(message_out, size, "%.*s", (int)error.message.len, error.message.data);
    rws_turn_free(turn);
    rws_session_free(session);
    return status;
}

static void test_refused_key(void) {
    rws_client *client = client_with(wrong_then_right, PATIENCE_MS);
    char message[200] = "";
    CHECK_STATUS(RWS_DONE, run(client, NULL, message, sizeof message));
    CHECK(calls == 2 && refusals == 1);
    rws_counters counters = RWS_COUNTERS_INIT;
    CHECK_STATUS(RWS_OK, rws_client_counters(client, &counters));
    CHECK(counters.key_request_count == 2 && counters.refused_key_count == 1);
    CHECK(counters.connection_count == 1 && counters.failed_dial_count == 1);
    rws_client_free(client);
    CHECK_STATUS(RWS_ERR_INVALID_HANDLE, rws_client_counters(client, &counters));
}

static void test_no_key(void) {
    rws_client *client = client_with(wrong_then_right, PATIENCE_MS);
    rws_identity identity = RWS_IDENTITY_INIT;
    identity.on_api_key = fail;
    char message[200] = "";
    CHECK_STATUS(RWS_ERR_API_KEY, run(client, &identity, message, sizeof message));
    CHECK(strcmp(message, "the vault is shut") == 0);
    rws_client_free(client);
}

static void test_nobody_answers(void) {
    rws_client *client = client_with(keep, 100);
    char message[200] = "";
    CHECK_STATUS(RWS_ERR_API_KEY, run(client, NULL, message, sizeof message));
    rws_api_key_request *request = __atomic_load_n(&kept, __ATOMIC_SEQ_CST);
    CHECK(request != NULL);
    CHECK_STATUS(RWS_ERR_INVALID_HANDLE, rws_api_key_answer(request, "sk-good-0123456789", NULL));
    CHECK_STATUS(RWS_ERR_INVALID_ARGUMENT, rws_api_key_answer(NULL, "sk-good-0123456789", NULL));
    rws_client_free(client);
}

static void test_freed_while_asked(void) {
    __atomic_store_n(&kept, NULL, __ATOMIC_SEQ_CST);
    rws_client *client = client_with(keep, PATIENCE_MS);
    rws_session *session = new_session(client);
    rws_turn *turn = start(session, "\"hello\"");
    while (__atomic_load_n(&kept, __ATOMIC_SEQ_CST) == NULL) nanosleep(&(struct timespec){0, 1000000}, NULL);
    rws_client_free(client);
    CHECK_STATUS(RWS_ERR_INVALID_HANDLE, rws_api_key_answer(kept, "sk-good-0123456789", NULL));
    rws_turn_free(turn);
    rws_session_free(session);
}

int main(void) {
    static const struct test tests[] = {
        {"a refused key is asked for once more, another thread answers", test_refused_key},
        {"a callback without a key is a typed error", test_no_key},
        {"a key that does not come in time is none", test_nobody_answers},
        {"a client may be freed while its callback is asked", test_freed_while_asked},
    };
    return RUN_TESTS(tests);
}
