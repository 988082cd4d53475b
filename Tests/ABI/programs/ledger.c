/* What turns take and will take: the ledger, estimates, the vocabulary; and calls that are given up. */
#include "test.h"

#define TOOL_SETTINGS                                                                       \
    "{\"model\":\"rules\",\"store\":false,\"tools\":[{\"type\":\"function\",\"name\":\"work\"," \
    "\"parameters\":{\"type\":\"object\",\"properties\":{}}}]}"

static void a_sessions_books_add_up(void) {
    rws_client *client = new_client();
    rws_session *session = new_session(client);
    rws_ledger ledger = RWS_LEDGER_INIT;
    CHECK_STATUS(RWS_OK, rws_session_ledger(session, &ledger));
    CHECK(ledger.turn_count == 0 && ledger.context_tokens == -1 && ledger.delta_hit_rate == -1);
    int64_t input = 0, output = 0, context = -1;
    for (int i = 0; i < 3; i++) {
        rws_turn *turn = start(session, "\"hello\"");
        CHECK_STATUS(RWS_DONE, rws_turn_wait(turn, PATIENCE_MS));
        rws_stats stats = RWS_STATS_INIT;
        CHECK(stats.marginal_input_tokens == RWS_UNKNOWN);
        CHECK_STATUS(RWS_OK, rws_turn_stats(turn, &stats));
        rws_result result = RWS_RESULT_INIT;
        CHECK_STATUS(RWS_OK, rws_turn_result(turn, &result));
        CHECK(result.input_transformations.len == 0 || string_is(result.input_transformations, "[]"));
        CHECK(stats.input_tokens == result.usage.input_tokens && stats.input_tokens > 0);
        CHECK(stats.output_tokens == result.usage.output_tokens);
        CHECK(stats.marginal_input_tokens == stats.input_tokens - (i == 0 ? 0 : context));
        CHECK(stats.is_context_lost == 0 && stats.expected_input_tokens == -1);
        input += stats.input_tokens;
        output += stats.output_tokens;
        context = stats.input_tokens + stats.output_tokens;
        rws_turn_free(turn);
    }
    CHECK_STATUS(RWS_OK, rws_session_ledger(session, &ledger));
    CHECK(ledger.turn_count == 3 && ledger.continuation_count == 2 && ledger.delta_count == 2);
    CHECK(ledger.delta_hit_rate == 1 && ledger.unreported_count == 0 && ledger.context_loss_count == 0);
    CHECK(ledger.input_tokens == input && ledger.output_tokens == output);
    CHECK(ledger.context_tokens == context && ledger.http_bytes > ledger.sent_bytes);
    CHECK_STATUS(RWS_ERR_INVALID_ARGUMENT, rws_session_ledger(session, NULL));
    rws_session_free(session);
    CHECK_REFUSED(rws_session_ledger(session, &ledger));
    rws_client_free(client);
}

static void write_vocabulary(const char *path) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    FILE *file = fopen(path, "w");
    CHECK(file != NULL);
    if (file == NULL) return;
    for (int byte = 0; byte < 256; byte++)
        fprintf(file, "%c%c== %d\n", digits[byte >> 2], digits[(byte & 3) << 4], byte);
    fclose(file);
}

static void items_are_estimated_with_a_vocabulary_or_without(void) {
    rws_client_options options = options_for("RWS_TEST_URL");
    options.vocabulary_file = "/nowhere/vocabulary";
    rws_client *client = NULL;
    CHECK_STATUS(RWS_ERR_INVALID_ARGUMENT, rws_client_new(&options, &client));
    CHECK(client == NULL);
    char path[] = "/tmp/responsesws-test-XXXXXX";
    int descriptor = mkstemp(path);
    CHECK(descriptor >= 0);
    close(descriptor);
    write_vocabulary(path);
    options.vocabulary_file = path;
    CHECK_STATUS(RWS_OK, rws_client_new(&options, &client));
    unlink(path);
    rws_session *session = new_session(client);
    rws_estimate estimate = RWS_ESTIMATE_INIT;
    CHECK_STATUS(RWS_OK, rws_session_estimate(session, LITERAL("\"" WORDS_512 "\""), &estimate));
    CHECK(estimate.tokens >= 1024 && estimate.tokens < 1040 && estimate.uncountable_parts == 0);
    CHECK(estimate.low <= 1024 && estimate.high >= estimate.tokens);
    CHECK_STATUS(RWS_OK, rws_session_estimate(session, NULL, 0, &estimate));
    CHECK(estimate.tokens == 0);
    CHECK_STATUS(RWS_ERR_INVALID_JSON, rws_session_estimate(session, LITERAL("{"), &estimate));
    rws_session_free(session);
    rws_client_free(client);
    client = new_client();
    session = new_session(client);
    CHECK_STATUS(RWS_OK, rws_session_estimate(session, LITERAL("\"" WORDS_512 "\""), &estimate));
    CHECK(estimate.tokens > 100 && estimate.low < estimate.tokens && estimate.tokens < estimate.high);
    rws_session_free(session);
    rws_client_free(client);
}

static void calls_that_nobody_answers_can_be_given_up(void) {
    rws_client *client = new_client();
    rws_session *session = NULL;
    CHECK_STATUS(RWS_OK, rws_session_new(client, LITERAL(TOOL_SETTINGS), &session));
    rws_turn *turn = start(session, "\"PARALLEL 2\"");
    CHECK_STATUS(RWS_DONE, rws_turn_wait(turn, PATIENCE_MS));
    rws_turn_free(turn);
    turn = start(session, "\"RECALL\"");
    CHECK_STATUS(RWS_ERR_MISSING_OUTPUT, rws_turn_wait(turn, PATIENCE_MS));
    rws_turn_free(turn);
    rws_turn_options options = RWS_TURN_OPTIONS_INIT;
    options.abandon_calls = 1;
    CHECK_STATUS(RWS_OK, rws_turn_start(session, LITERAL("\"RECALL\""), &options, &turn));
    CHECK_STATUS(RWS_DONE, rws_turn_wait(turn, PATIENCE_MS));
    rws_stats stats = RWS_STATS_INIT;
    CHECK_STATUS(RWS_OK, rws_turn_stats(turn, &stats));
    CHECK(stats.is_delta == 0 && string_is(stats.full_reason, "calls_abandoned"));
    rws_result result = RWS_RESULT_INIT;
    CHECK_STATUS(RWS_OK, rws_turn_result(turn, &result));
    CHECK(string_is(result.text, "RECALL users=2 tools=0 first=PARALLEL 2"));
    rws_turn_free(turn);
    rws_session_free(session);
    rws_client_free(client);
}

int main(void) {
    static const struct test tests[] = {
        {"a session's books add up", a_sessions_books_add_up},
        {"items are estimated with a vocabulary or without",
         items_are_estimated_with_a_vocabulary_or_without},
        {"calls that nobody answers can be given up", calls_that_nobody_answers_can_be_given_up},
    };
    return RUN_TESTS(tests);
}
