/* Arguments that no caller should pass: each is an error code, none a crash, none a write. */
#include "test.h"

static void null_handles_are_refused(void) {
    rws_event event = RWS_EVENT_INIT;
    rws_event_batch batch = RWS_EVENT_BATCH_INIT;
    rws_result result = RWS_RESULT_INIT;
    rws_call call = RWS_CALL_INIT;
    rws_stats stats = RWS_STATS_INIT;
    rws_steer steer = RWS_STEER_INIT;
    rws_error error = RWS_ERROR_INIT;
    rws_string string;
    rws_session *session = NULL;
    rws_turn *turn = NULL;
    int descriptor;
    CHECK_REFUSED(rws_client_close(NULL, 0));
    CHECK_REFUSED(rws_session_new(NULL, LITERAL(SETTINGS), &session));
    CHECK_REFUSED(rws_session_connect(NULL, 0));
    CHECK_REFUSED(rws_session_fork(NULL, &session));
    CHECK_REFUSED(rws_turn_steer(NULL, "\"x\"", 3, NULL));
    CHECK_REFUSED(rws_turn_steering(NULL, 0, 0, &steer));
    CHECK_REFUSED(rws_turn_successor(NULL, 0, &turn));
    CHECK_REFUSED(rws_session_response_id(NULL, &string));
    CHECK_REFUSED(rws_session_full_body(NULL, "[]", 2, &string));
    CHECK_REFUSED(rws_session_compact(NULL, 0, 0, NULL));
    CHECK_REFUSED(rws_session_count_tokens(NULL, "[]", 2, 0, &(int64_t){0}));
    CHECK_REFUSED(rws_session_save(NULL, &string));
    CHECK_REFUSED(rws_session_save_file(NULL, "/tmp/never"));
    CHECK_REFUSED(rws_session_restore(NULL, LITERAL("{}"), NULL, 0, NULL, &session));
    CHECK_REFUSED(rws_session_descriptor(NULL, &descriptor));
    CHECK_REFUSED(rws_turn_start(NULL, "[]", 2, NULL, &turn));
    CHECK_REFUSED(rws_turn_next(NULL, 0, &event));
    CHECK_REFUSED(rws_turn_next_batch(NULL, 0, &batch));
    CHECK_REFUSED(rws_turn_wait(NULL, 0));
    CHECK_REFUSED(rws_turn_cancel(NULL));
    CHECK_REFUSED(rws_turn_result(NULL, &result));
    CHECK_REFUSED(rws_turn_call(NULL, 0, &call));
    CHECK_REFUSED(rws_turn_item(NULL, 0, &string));
    CHECK_REFUSED(rws_turn_stats(NULL, &stats));
    CHECK_REFUSED(rws_turn_error(NULL, &error));
    CHECK(session == NULL && turn == NULL);
    rws_client_free(NULL);
    rws_session_free(NULL);
    rws_turn_free(NULL);
}

static void null_outputs_are_refused(void) {
    rws_client_options options = options_for("RWS_TEST_URL");
    CHECK_STATUS(RWS_ERR_INVALID_ARGUMENT, rws_client_new(&options, NULL));
    rws_client *client = new_client();
    CHECK_STATUS(RWS_ERR_INVALID_ARGUMENT, rws_session_new(client, LITERAL(SETTINGS), NULL));
    rws_session *session = new_session(client);
    CHECK_STATUS(RWS_ERR_INVALID_ARGUMENT, rws_session_response_id(session, NULL));
    CHECK_STATUS(RWS_ERR_INVALID_ARGUMENT, rws_session_full_body(session, "[]", 2, NULL));
    CHECK_STATUS(RWS_ERR_INVALID_ARGUMENT, rws_session_count_tokens(session, "[]", 2, 0, NULL));
    CHECK_STATUS(RWS_ERR_INVALID_ARGUMENT, rws_session_compact(session, -1, 0, NULL));
    CHECK_STATUS(RWS_ERR_INVALID_ARGUMENT, rws_session_compact(session, 0, -2, NULL));
    rws_compaction unset = {0};
    CHECK_STATUS(RWS_ERR_INVALID_ARGUMENT, rws_session_compact(session, 0, 0, &unset));
    CHECK_STATUS(RWS_ERR_INVALID_ARGUMENT, rws_session_save(session, NULL));
    CHECK_STATUS(RWS_ERR_INVALID_ARGUMENT, rws_session_save_file(session, NULL));
    CHECK_STATUS(RWS_ERR_INVALID_ARGUMENT, rws_session_descriptor(session, NULL));
    /* Without a callback nobody could read the turn. */
    CHECK_STATUS(RWS_ERR_INVALID_ARGUMENT, rws_turn_start(session, "[]", 2, NULL, NULL));
    rws_turn *turn = start(session, "\"hello\"");
    CHECK_STATUS(RWS_ERR_INVALID_ARGUMENT, rws_turn_next(turn, 0, NULL));
    CHECK_STATUS(RWS_ERR_INVALID_ARGUMENT, rws_turn_next_batch(turn, 0, NULL));
    const size_t sizes[] = {0, 1, 7, 12, sizeof(rws_event) + 4, SIZE_MAX, SIZE_MAX - 7, SIZE_MAX / 2 + 1};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        rws_event_batch batch = RWS_EVENT_BATCH_INIT;
        batch.event_size = sizes[i];
        CHECK_STATUS(RWS_ERR_INVALID_ARGUMENT, rws_turn_next_batch(turn, PATIENCE_MS, &batch));
        batch.event_size = sizeof(rws_event);
        batch.struct_size = sizes[i];
        if (sizes[i] != sizeof(rws_event) + 4)
            CHECK_STATUS(RWS_ERR_INVALID_ARGUMENT, rws_turn_next_batch(turn, PATIENCE_MS, &batch));
    }
    CHECK_STATUS(RWS_ERR_INVALID_ARGUMENT, rws_turn_result(turn, NULL));
    CHECK_STATUS(RWS_ERR_INVALID_ARGUMENT, rws_turn_call(turn, 0, NULL));
    CHECK_STATUS(RWS_ERR_INVALID_ARGUMENT, rws_turn_item(turn, 0, NULL));
    CHECK_STATUS(RWS_ERR_INVALID_ARGUMENT, rws_turn_stats(turn, NULL));
    CHECK_STATUS(RWS_ERR_INVALID_ARGUMENT, rws_turn_steering(turn, SIZE_MAX, 0, NULL));
    CHECK_STATUS(RWS_ERR_INVALID_ARGUMENT, rws_turn_successor(turn, 0, NULL));
    CHECK(rws_turn_steer(turn, "\"x\"", SIZE_MAX, NULL) < 0);
    CHECK(rws_turn_steer(turn, NULL, 3, NULL) < 0);
    CHECK_STATUS(RWS_ERR_INVALID_ARGUMENT, rws_turn_error(turn, NULL));
    CHECK_STATUS(RWS_ERR_INVALID_ARGUMENT, rws_last_error(NULL));
    rws_string json = {"{}", 2};
    CHECK_STATUS(RWS_ERR_INVALID_ARGUMENT, rws_json_tree(json, NULL));
    rws_turn_free(turn);
    rws_session_free(session);
    rws_client_free(client);
}

static const size_t impossible[] = {SIZE_MAX, SIZE_MAX / 2, SIZE_MAX / 2 + 1, SIZE_MAX - 7};

/* Which of the two words is used is not promised. */
#define CHECK_TOO_LARGE(call) check_too_large((call), #call, __LINE__)

static void check_too_large(rws_status got, const char *call, int line) {
    if (got != RWS_ERR_MESSAGE_TOO_LARGE)
        check_status(RWS_ERR_INVALID_ARGUMENT, got, call, __FILE__, line);
}

static void impossible_lengths_are_refused(void) {
    rws_client *client = new_client();
    rws_session *session = new_session(client);
    struct cJSON *tree = NULL;
    rws_string body;
    for (size_t i = 0; i < sizeof(impossible) / sizeof(impossible[0]); i++) {
        size_t length = impossible[i];
        rws_session *other = NULL;
        rws_turn *turn = NULL;
        CHECK_TOO_LARGE(rws_session_new(client, SETTINGS, length, &other));
        CHECK_TOO_LARGE(rws_turn_start(session, "\"x\"", length, NULL, &turn));
        CHECK_TOO_LARGE(rws_session_full_body(session, "\"x\"", length, &body));
        CHECK_TOO_LARGE(rws_session_count_tokens(session, "\"x\"", length, 0, &(int64_t){0}));
        CHECK_TOO_LARGE(rws_session_restore(client, "{}", length, NULL, 0, NULL, &other));
        rws_turn_options options = RWS_TURN_OPTIONS_INIT;
        options.overrides = "{}";
        options.overrides_len = length;
        CHECK_TOO_LARGE(rws_turn_start(session, "\"x\"", 3, &options, &turn));
        rws_string json = {"{}", length};
        CHECK_TOO_LARGE(rws_json_tree(json, &tree));
        rws_header header = {"x-name", "value"};
        rws_client_options client_options = options_for("RWS_TEST_URL");
        client_options.headers = &header;
        client_options.header_count = length;
        rws_client *other_client = NULL;
        CHECK_TOO_LARGE(rws_client_new(&client_options, &other_client));
        CHECK(other == NULL && turn == NULL && tree == NULL && other_client == NULL);
    }
    rws_session_free(session);
    rws_client_free(client);
}

static void null_with_a_length_is_refused(void) {
    rws_client *client = new_client();
    rws_session *session = new_session(client);
    rws_session *other = NULL;
    rws_turn *turn = NULL;
    rws_string body;
    struct cJSON *tree = NULL;
    CHECK_STATUS(RWS_ERR_INVALID_ARGUMENT, rws_session_new(client, NULL, 1, &other));
    CHECK_STATUS(RWS_ERR_INVALID_ARGUMENT, rws_turn_start(session, NULL, 1, NULL, &turn));
    CHECK_STATUS(RWS_ERR_INVALID_ARGUMENT, rws_session_full_body(session, NULL, 1, &body));
    rws_turn_options options = RWS_TURN_OPTIONS_INIT;
    options.overrides_len = 1;
    CHECK_STATUS(RWS_ERR_INVALID_ARGUMENT, rws_turn_start(session, "\"x\"", 3, &options, &turn));
    rws_string nothing = {NULL, 1};
    CHECK_STATUS(RWS_ERR_INVALID_ARGUMENT, rws_json_tree(nothing, &tree));
    rws_client_options client_options = options_for("RWS_TEST_URL");
    client_options.header_count = 1;
    rws_client *other_client = NULL;
    CHECK_STATUS(RWS_ERR_INVALID_ARGUMENT, rws_client_new(&client_options, &other_client));
    rws_header half = {"x-name", NULL};
    client_options.headers = &half;
    CHECK_STATUS(RWS_ERR_INVALID_ARGUMENT, rws_client_new(&client_options, &other_client));
    half.name = NULL;
    half.value = "value";
    CHECK_STATUS(RWS_ERR_INVALID_ARGUMENT, rws_client_new(&client_options, &other_client));
    rws_session_free(session);
    rws_client_free(client);
}

static void bad_client_options_are_refused(void) {
    static const char *const urls[] = {"", "nonsense", "ftp://127.0.0.1/v1", "ws://", "ws://:80/v1",
                                       "ws://127.0.0.1:99999/v1", "ws://127.0.0.1:-1/v1",
                                       "ws://host\r\nx: y/v1"};
    rws_client *client = NULL;
    for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
        rws_client_options options = options_for("RWS_TEST_URL");
        options.base_url = urls[i];
        if (rws_client_new(&options, &client) != RWS_ERR_INVALID_ARGUMENT) {
            fprintf(stderr, "  accepted: '%s'\n", urls[i]);
            CHECK(!"a bad URL is refused");
        }
    }
    /* A header that would smuggle another one in, by name or by value, or by the key. */
    static const rws_header headers[] = {{"x-name", "a\r\nx-other: b"}, {"x name", "a"},
                                         {"x:name", "a"}, {"", "a"}, {"x-name\n", "a"}};
    for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
        rws_client_options options = options_for("RWS_TEST_URL");
        options.headers = &headers[i];
        options.header_count = 1;
        CHECK_STATUS(RWS_ERR_INVALID_ARGUMENT, rws_client_new(&options, &client));
    }
    rws_client_options options = options_for("RWS_TEST_URL");
    options.api_key = "key\r\nx-other: b";
    CHECK_STATUS(RWS_ERR_INVALID_ARGUMENT, rws_client_new(&options, &client));
    options = options_for("RWS_TEST_URL");
    options.message_bytes_max = UINT64_MAX;
    CHECK_STATUS(RWS_ERR_INVALID_ARGUMENT, rws_client_new(&options, &client));
    options = options_for("RWS_TEST_URL");
    options.connect_timeout_ms = -2;
    CHECK_STATUS(RWS_ERR_INVALID_ARGUMENT, rws_client_new(&options, &client));
    options = options_for("RWS_TEST_URL");
    options.ping_interval_ms = -2;
    CHECK_STATUS(RWS_ERR_INVALID_ARGUMENT, rws_client_new(&options, &client));
    options = options_for("RWS_TEST_URL");
    options.missed_pongs_max = -1;
    CHECK_STATUS(RWS_ERR_INVALID_ARGUMENT, rws_client_new(&options, &client));
    options = options_for("RWS_TEST_TLS_URL");
    options.ca_file = "/nonexistent/certificates.pem";
    CHECK_STATUS(RWS_ERR_TLS, rws_client_new(&options, &client));
    options = options_for("RWS_TEST_TLS_URL");
    options.client_certificate_file = "/nonexistent/client.pem";
    CHECK_STATUS(RWS_ERR_TLS, rws_client_new(&options, &client));
    options = options_for("RWS_TEST_URL");
    options.upgrade_timeout_ms = -2;
    CHECK_STATUS(RWS_ERR_INVALID_ARGUMENT, rws_client_new(&options, &client));
    static const char *const pins[] = {"sha256/AAAA", NULL};
    options = options_for("RWS_TEST_URL");
    for (size_t first = 0; first < 2; first++) {
        options.certificate_pins = pins + first;
        options.certificate_pin_count = 1;
        CHECK_STATUS(RWS_ERR_INVALID_ARGUMENT, rws_client_new(&options, &client));
    }
    options.certificate_pin_count = SIZE_MAX;
    CHECK_STATUS(RWS_ERR_INVALID_ARGUMENT, rws_client_new(&options, &client));
    options.certificate_pins = NULL;
    options.certificate_pin_count = 1;
    CHECK_STATUS(RWS_ERR_INVALID_ARGUMENT, rws_client_new(&options, &client));
    CHECK(client == NULL);
}

static void bad_json_is_refused(void) {
    rws_client *client = new_client();
    static const char *const settings[] = {"", "[]", "\"text\"", "{", "{\"model\":}", "{} {}",
                                           "{\"a\":01}", "{\"input\":[]}", "nul"};
    for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
        rws_session *session = NULL;
        rws_status status = rws_session_new(client, settings[i], strlen(settings[i]), &session);
        if (status != RWS_ERR_INVALID_JSON && status != RWS_ERR_INVALID_ARGUMENT) {
            fprintf(stderr, "  accepted: '%s'\n", settings[i]);
            CHECK(!"bad settings are refused");
        }
        CHECK(session == NULL);
    }
    rws_session *session = new_session(client);
    static const char *const inputs[] = {"{}", "[", "\"open", "[]]", "12", "[\"\\ud800x]", "[01]"};
    for (size_t i = 0; i < sizeof(inputs) / sizeof(inputs[0]); i++) {
        rws_turn *turn = NULL;
        rws_string body = {NULL, 0};
        CHECK_STATUS(RWS_ERR_INVALID_JSON,
                     rws_turn_start(session, inputs[i], strlen(inputs[i]), NULL, &turn));
        CHECK_STATUS(RWS_ERR_INVALID_JSON,
                     rws_session_full_body(session, inputs[i], strlen(inputs[i]), &body));
        CHECK(turn == NULL && body.data == NULL);
    }
    struct cJSON *tree = NULL;
    rws_string json = {"{", 1};
    CHECK_STATUS(RWS_ERR_INVALID_JSON, rws_json_tree(json, &tree));
    CHECK(tree == NULL);
    rws_session_free(session);
    rws_client_free(client);
}

/* A struct of a caller compiled with a later header: the known fields, then fields unknown here. */
struct later_options {
    rws_client_options options;
    int64_t unknown[2];
};
struct later_turn_options {
    rws_turn_options options;
    int64_t unknown[2];
};
struct later_event {
    rws_event event;
    int64_t unknown[2];
};

static void larger_structs_are_read_when_their_tail_is_zero(void) {
    struct later_options later = {options_for("RWS_TEST_URL"), {0, 0}};
    later.options.struct_size = sizeof(later);
    rws_client *client = NULL;
    CHECK_STATUS(RWS_OK, rws_client_new(&later.options, &client));
    rws_client *refused = NULL;
    later.unknown[1] = 1;
    CHECK_STATUS(RWS_ERR_INVALID_ARGUMENT, rws_client_new(&later.options, &refused));
    later.unknown[1] = 0;
    ((unsigned char *)later.unknown)[0] = 1;
    CHECK_STATUS(RWS_ERR_INVALID_ARGUMENT, rws_client_new(&later.options, &refused));
    CHECK(refused == NULL);

    rws_session *session = new_session(client);
    rws_turn_options known = RWS_TURN_OPTIONS_INIT;
    struct later_turn_options turn_options = {known, {0, 5}};
    turn_options.options.struct_size = sizeof(turn_options);
    rws_turn *turn = NULL;
    CHECK_STATUS(RWS_ERR_INVALID_ARGUMENT,
                 rws_turn_start(session, "\"x\"", 3, &turn_options.options, &turn));
    CHECK(turn == NULL);
    turn_options.unknown[1] = 0;
    CHECK_STATUS(RWS_OK, rws_turn_start(session, "\"x\"", 3, &turn_options.options, &turn));

    struct later_event event;
    memset(&event, 0x5a, sizeof(event));
    event.event.struct_size = sizeof(event);
    CHECK_STATUS(RWS_OK, rws_turn_next(turn, PATIENCE_MS, &event.event));
    CHECK(event.event.kind == RWS_EVENT_RESPONSE_CREATED);
    rws_turn_free(turn);
    rws_session_free(session);
    rws_client_free(client);
}

/* A smaller struct is one of an older header: refused or filled as far as it goes, never beyond. */
static void smaller_structs_are_never_written_beyond(void) {
    rws_client *client = new_client();
    rws_session *session = new_session(client);
    rws_turn *turn = start(session, "\"hello\"");
    rws_status status;
    CHECK_STATUS(RWS_DONE, rws_turn_wait(turn, PATIENCE_MS));
    union {
        rws_result result;
        rws_stats stats;
        rws_error error;
        rws_call call;
        rws_event event;
        unsigned char bytes[512];
    } out;
    size_t sizes[] = {0, 1, sizeof(size_t), sizeof(size_t) + 4, 24, 40};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        for (int which = 0; which < 5; which++) {
            memset(&out, 0x5a, sizeof(out));
            out.result.struct_size = sizes[i];
            switch (which) {
            case 0: status = rws_turn_result(turn, &out.result); break;
            case 1: status = rws_turn_stats(turn, &out.stats); break;
            case 2: status = rws_turn_error(turn, &out.error); break;
            case 3: status = rws_turn_next(turn, 0, &out.event); break;
            default: status = rws_last_error(&out.error); break;
            }
            /* The turn ended well and no call failed: there may be no error to write. */
            if (sizes[i] < sizeof(size_t) && status != RWS_DONE &&
                status != RWS_ERR_INVALID_ARGUMENT) {
                fprintf(stderr, "  function %d took size %zu: %s\n", which, sizes[i],
                        rws_status_name(status));
                CHECK(!"a struct without a size is refused");
            }
            size_t known = sizes[i] > sizeof(size_t) ? sizes[i] : sizeof(size_t);
            for (size_t at = known; at < sizeof(out); at++) {
                if (out.bytes[at] == 0x5a) continue;
                fprintf(stderr, "  function %d wrote at %zu of %zu\n", which, at, sizes[i]);
                CHECK(!"nothing is written beyond struct_size");
                break;
            }
        }
    }
    rws_client_options options = options_for("RWS_TEST_URL");
    rws_client *refused = NULL;
    options.struct_size = 0;
    CHECK_STATUS(RWS_ERR_INVALID_ARGUMENT, rws_client_new(&options, &refused));
    options.struct_size = SIZE_MAX;
    CHECK_STATUS(RWS_ERR_INVALID_ARGUMENT, rws_client_new(&options, &refused));
    rws_turn_options turn_options = RWS_TURN_OPTIONS_INIT;
    rws_turn *other = NULL;
    turn_options.struct_size = 0;
    CHECK_STATUS(RWS_ERR_INVALID_ARGUMENT,
                 rws_turn_start(session, "\"x\"", 3, &turn_options, &other));
    turn_options.struct_size = SIZE_MAX / 2;
    CHECK_STATUS(RWS_ERR_INVALID_ARGUMENT,
                 rws_turn_start(session, "\"x\"", 3, &turn_options, &other));
    CHECK(refused == NULL && other == NULL);
    rws_turn_free(turn);
    rws_session_free(session);
    rws_client_free(client);
}

static void indices_out_of_range_are_refused(void) {
    rws_client *client = new_client();
    rws_session *session = new_session(client);
    rws_turn *turn = start(session, "\"hello\"");
    CHECK_STATUS(RWS_DONE, rws_turn_wait(turn, PATIENCE_MS));
    rws_result result = RWS_RESULT_INIT;
    CHECK_STATUS(RWS_OK, rws_turn_result(turn, &result));
    rws_call call = RWS_CALL_INIT;
    rws_string item;
    size_t beyond[] = {1000, SIZE_MAX, SIZE_MAX / 2, SIZE_MAX / 2 + 1};
    CHECK_STATUS(RWS_ERR_INVALID_ARGUMENT, rws_turn_call(turn, result.call_count, &call));
    CHECK_STATUS(RWS_ERR_INVALID_ARGUMENT, rws_turn_item(turn, result.item_count, &item));
    for (size_t i = 0; i < sizeof(beyond) / sizeof(beyond[0]); i++) {
        CHECK_STATUS(RWS_ERR_INVALID_ARGUMENT, rws_turn_call(turn, beyond[i], &call));
        CHECK_STATUS(RWS_ERR_INVALID_ARGUMENT, rws_turn_item(turn, beyond[i], &item));
    }
    rws_turn_free(turn);
    rws_session_free(session);
    rws_client_free(client);
}

static void strange_timeouts_are_no_hang(void) {
    rws_client *client = new_client();
    rws_session *session = new_session(client);
    rws_turn *turn = start(session, LONG_STREAM);
    rws_event event = RWS_EVENT_INIT;
    rws_status status = rws_turn_next(turn, INT64_MIN, &event);
    CHECK(status == RWS_ERR_INVALID_ARGUMENT || status == RWS_OK || status == RWS_TIMEOUT);
    rws_turn_cancel(turn);
    /* It has ended: the largest time limit of all must not overflow into a failure. */
    CHECK_STATUS(RWS_ERR_CANCELLED, rws_turn_wait(turn, INT64_MAX));
    rws_turn_free(turn);
    rws_session_free(session);
    CHECK_STATUS(RWS_OK, rws_client_close(client, INT64_MAX));
    rws_client_free(client);
}

static void outputs_stay_untouched_on_failure(void) {
    rws_client *client = (rws_client *)&checks_failed, *before = client;
    rws_client_options options = options_for("RWS_TEST_URL");
    options.base_url = "nonsense";
    CHECK_STATUS(RWS_ERR_INVALID_ARGUMENT, rws_client_new(&options, &client));
    CHECK(client == before);
    rws_error error = RWS_ERROR_INIT;
    CHECK_STATUS(RWS_OK, rws_last_error(&error));
    CHECK(error.status == RWS_ERR_INVALID_ARGUMENT && error.message.len > 0);
}

static void *last_error_of_a_new_thread(void *unused) {
    (void)unused;
    rws_error error = RWS_ERROR_INIT;
    CHECK_STATUS(RWS_DONE, rws_last_error(&error));
    return NULL;
}

static void the_last_error_is_per_thread(void) {
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, last_error_of_a_new_thread, NULL) == 0);
    pthread_join(thread, NULL);
}

static void names_and_messages_of_every_status(void) {
#define CHECK_NAME(name, value, message)                                       \
    CHECK(strcmp(rws_status_name(value), "RWS_" #name) == 0);                  \
    CHECK(strcmp(rws_status_message(value), message) == 0);                    \
    CHECK(RWS_##name == (value));
    RWS_STATUS_MAP(CHECK_NAME)
#undef CHECK_NAME
    CHECK(strcmp(rws_status_name(12345), "RWS_UNKNOWN") == 0);
    CHECK(strcmp(rws_status_name(INT32_MIN), "RWS_UNKNOWN") == 0);
    CHECK(rws_status_message(INT32_MIN) != NULL);
    CHECK(rws_version_number() == RWS_VERSION_NUMBER);
    char version[32];
    snprintf(version, sizeof(version), "%d.%d.%d", RWS_VERSION_MAJOR, RWS_VERSION_MINOR,
             RWS_VERSION_PATCH);
    CHECK(strcmp(rws_version(), version) == 0);
}

int main(void) {
    static const struct test tests[] = {
        {"the last error is per thread", the_last_error_is_per_thread},
        {"NULL handles are refused", null_handles_are_refused},
        {"NULL outputs are refused", null_outputs_are_refused},
        {"impossible lengths are refused", impossible_lengths_are_refused},
        {"NULL with a length is refused", null_with_a_length_is_refused},
        {"bad client options are refused", bad_client_options_are_refused},
        {"bad JSON is refused", bad_json_is_refused},
        {"larger structs are read when their tail is zero",
         larger_structs_are_read_when_their_tail_is_zero},
        {"smaller structs are never written beyond", smaller_structs_are_never_written_beyond},
        {"indices out of range are refused", indices_out_of_range_are_refused},
        {"strange timeouts are no hang", strange_timeouts_are_no_hang},
        {"outputs stay untouched on failure", outputs_stay_untouched_on_failure},
        {"names and messages of every status", names_and_messages_of_every_status},
    };
    return RUN_TESTS(tests);
}
