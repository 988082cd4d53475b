/* Handles in every order of life: freed twice, used after their free, parents first, in callbacks. */
#include "test.h"

static void a_turn_from_start_to_end(void) {
    rws_client *client = new_client();
    rws_session *session = new_session(client);
    CHECK_STATUS(RWS_OK, rws_session_connect(session, PATIENCE_MS));
    rws_turn *turn = start(session, "\"hello\"");
    char text[256] = "";
    size_t length = 0;
    rws_event event = RWS_EVENT_INIT;
    rws_status status;
    while ((status = rws_turn_next(turn, PATIENCE_MS, &event)) == RWS_OK) {
        CHECK(event.type.data != NULL && event.json.len > 0 && event.json.data[0] == '{');
        if (event.kind == RWS_EVENT_OUTPUT_TEXT_DELTA && length + event.delta.len < sizeof(text)) {
            memcpy(text + length, event.delta.data, event.delta.len);
            length += event.delta.len;
        }
    }
    CHECK(status == RWS_DONE);
    CHECK_STATUS(RWS_DONE, rws_turn_next(turn, 0, &event));
    rws_result result = RWS_RESULT_INIT;
    CHECK_STATUS(RWS_OK, rws_turn_result(turn, &result));
    CHECK(result.outcome == RWS_OUTCOME_COMPLETED);
    CHECK(string_is(result.text, "ECHO: hello"));
    CHECK(string_is(result.text, text));
    CHECK(result.item_count >= 1 && result.call_count == 0 && result.usage.total_tokens > 0);
    rws_string item, id;
    CHECK_STATUS(RWS_OK, rws_turn_item(turn, 0, &item));
    CHECK(item.len > 0 && item.data[0] == '{');
    CHECK_STATUS(RWS_OK, rws_session_response_id(session, &id));
    CHECK(id.len == result.response_id.len && memcmp(id.data, result.response_id.data, id.len) == 0);
    rws_error error = RWS_ERROR_INIT;
    CHECK_STATUS(RWS_DONE, rws_turn_error(turn, &error));

    rws_turn *second = start(session, "\"RECALL\"");
    CHECK_STATUS(RWS_DONE, rws_turn_wait(second, PATIENCE_MS));
    CHECK_STATUS(RWS_OK, rws_turn_result(second, &result));
    CHECK(string_is(result.text, "RECALL users=2 tools=0 first=hello"));
    rws_stats stats = RWS_STATS_INIT;
    CHECK_STATUS(RWS_OK, rws_turn_stats(second, &stats));
    CHECK(stats.is_delta == 1 && stats.resend_count == 0 && stats.event_count > 0);
    CHECK(stats.sent_us >= 0 && stats.sent_us <= stats.first_event_us);
    CHECK(stats.first_event_us <= stats.end_us);
    rws_turn_free(second);
    rws_turn_free(turn);
    rws_session_free(session);
    CHECK_STATUS(RWS_OK, rws_client_close(client, PATIENCE_MS));
    rws_client_free(client);
}

static void a_history_is_counted_and_compacted(void) {
    rws_client *client = new_client();
    rws_session *session = new_session(client);
    rws_compaction compaction = RWS_COMPACTION_INIT;
    CHECK_STATUS(RWS_DONE, rws_session_compact(session, 0, PATIENCE_MS, &compaction));
    int64_t tokens = 0;
    CHECK_STATUS(RWS_OK, rws_session_count_tokens(session, "\"hello\"", 7, PATIENCE_MS, &tokens));
    rws_turn *turn = start(session, LONG_STREAM);
    CHECK_STATUS(RWS_ERR_BUSY, rws_session_compact(session, 0, PATIENCE_MS, NULL));
    rws_turn_free(turn);
    turn = start(session, "\"hello\"");
    CHECK_STATUS(RWS_DONE, rws_turn_wait(turn, PATIENCE_MS));
    rws_result result = RWS_RESULT_INIT;
    CHECK_STATUS(RWS_OK, rws_turn_result(turn, &result));
    CHECK(result.usage.input_tokens == tokens && tokens > 0);
    rws_turn_free(turn);
    CHECK_STATUS(RWS_DONE, rws_session_compact(session, 1000000, PATIENCE_MS, &compaction));
    CHECK_STATUS(RWS_OK, rws_session_compact(session, 1, PATIENCE_MS, &compaction));
    CHECK(compaction.output.len > 2 && compaction.output.data[0] == '[');
    CHECK(compaction.usage.input_tokens > 0 && compaction.usage.output_tokens > 0);
    for (int i = 0; i < 2; i++) {
        turn = start(session, "\"RECALL\"");
        CHECK_STATUS(RWS_DONE, rws_turn_wait(turn, PATIENCE_MS));
        CHECK_STATUS(RWS_OK, rws_turn_result(turn, &result));
        CHECK(string_is(result.text, i == 0 ? "RECALL users=2 tools=0 first=hello" : "RECALL users=3 tools=0 first=hello"));
        rws_stats stats = RWS_STATS_INIT;
        CHECK_STATUS(RWS_OK, rws_turn_stats(turn, &stats));
        CHECK(string_is(stats.full_reason, i == 0 ? "compacted" : ""));
        rws_turn_free(turn);
    }
    /* Begun, not waited for: the client's end ends it. */
    CHECK_STATUS(RWS_TIMEOUT, rws_session_compact(session, 0, 0, NULL));
    rws_session_free(session);
    rws_client_free(client);
}

static void turns_go_over_http(void) {
    rws_client_options options = options_for("RWS_TEST_URL");
    options.transport = 99;
    rws_client *client = NULL;
    CHECK_STATUS(RWS_ERR_INVALID_ARGUMENT, rws_client_new(&options, &client));
    options.transport = RWS_TRANSPORT_HTTP;
    CHECK_STATUS(RWS_OK, rws_client_new(&options, &client));
    rws_session *session = new_session(client);
    CHECK_STATUS(RWS_OK, rws_session_connect(session, PATIENCE_MS));
    static const char *const inputs[] = {"\"hello\"", "\"RECALL\""};
    static const char *const texts[] = {"ECHO: hello", "RECALL users=2 tools=0 first=hello"};
    for (int i = 0; i < 2; i++) {
        rws_turn *turn = start(session, inputs[i]);
        CHECK_STATUS(RWS_DONE, rws_turn_wait(turn, PATIENCE_MS));
        rws_result result = RWS_RESULT_INIT;
        CHECK_STATUS(RWS_OK, rws_turn_result(turn, &result));
        CHECK(string_is(result.text, texts[i]));
        rws_stats stats = RWS_STATS_INIT;
        CHECK_STATUS(RWS_OK, rws_turn_stats(turn, &stats));
        CHECK(stats.transport == RWS_TRANSPORT_HTTP);
        CHECK(string_is(stats.full_reason, i == 0 ? "first" : "http"));
        rws_turn_free(turn);
    }
    rws_turn *turn = start(session, LONG_STREAM);
    rws_event event = RWS_EVENT_INIT;
    CHECK_STATUS(RWS_OK, rws_turn_next(turn, PATIENCE_MS, &event));
    CHECK_STATUS(RWS_OK, rws_turn_cancel(turn));
    CHECK_STATUS(RWS_ERR_CANCELLED, rws_turn_wait(turn, PATIENCE_MS));
    rws_turn_free(turn);
    rws_session_free(session);
    rws_client_free(client);
}

static void every_call_after_free_is_refused(void) {
    rws_client *client = new_client();
    rws_session *session = new_session(client);
    rws_turn *turn = start(session, "\"hello\"");
    CHECK_STATUS(RWS_DONE, rws_turn_wait(turn, PATIENCE_MS));
    rws_event event = RWS_EVENT_INIT;
    rws_result result = RWS_RESULT_INIT;
    rws_call call = RWS_CALL_INIT;
    rws_stats stats = RWS_STATS_INIT;
    rws_error error = RWS_ERROR_INIT;
    rws_string string;
    rws_session *other = NULL;
    rws_turn *other_turn = NULL;
    int descriptor;

    rws_turn_free(turn);
    rws_turn_free(turn);
    CHECK_STATUS(RWS_ERR_INVALID_HANDLE, rws_turn_next(turn, 0, &event));
    CHECK_STATUS(RWS_ERR_INVALID_HANDLE, rws_turn_wait(turn, PATIENCE_MS));
    CHECK_STATUS(RWS_ERR_INVALID_HANDLE, rws_turn_cancel(turn));
    CHECK_STATUS(RWS_ERR_INVALID_HANDLE, rws_turn_result(turn, &result));
    CHECK_STATUS(RWS_ERR_INVALID_HANDLE, rws_turn_call(turn, 0, &call));
    CHECK_STATUS(RWS_ERR_INVALID_HANDLE, rws_turn_item(turn, 0, &string));
    CHECK_STATUS(RWS_ERR_INVALID_HANDLE, rws_turn_stats(turn, &stats));
    CHECK_STATUS(RWS_ERR_INVALID_HANDLE, rws_turn_error(turn, &error));

    rws_session_free(session);
    rws_session_free(session);
    CHECK_STATUS(RWS_ERR_INVALID_HANDLE, rws_session_connect(session, PATIENCE_MS));
    CHECK_STATUS(RWS_ERR_INVALID_HANDLE, rws_session_response_id(session, &string));
    CHECK_STATUS(RWS_ERR_INVALID_HANDLE, rws_session_full_body(session, "[]", 2, &string));
    CHECK_STATUS(RWS_ERR_INVALID_HANDLE, rws_session_compact(session, 0, 0, NULL));
    CHECK_STATUS(RWS_ERR_INVALID_HANDLE, rws_session_count_tokens(session, "[]", 2, 0, &(int64_t){0}));
    CHECK_STATUS(RWS_ERR_INVALID_HANDLE, rws_session_save(session, &string));
    CHECK_STATUS(RWS_ERR_INVALID_HANDLE, rws_session_descriptor(session, &descriptor));
    CHECK_STATUS(RWS_ERR_INVALID_HANDLE, rws_turn_start(session, "[]", 2, NULL, &other_turn));

    rws_client_free(client);
    rws_client_free(client);
    CHECK_STATUS(RWS_ERR_INVALID_HANDLE, rws_client_close(client, PATIENCE_MS));
    CHECK_STATUS(RWS_ERR_INVALID_HANDLE, rws_session_new(client, LITERAL(SETTINGS), &other));
    CHECK(other == NULL && other_turn == NULL);
}

/* What rws_turn_next() gives one by one comes in batches, whole and in order; both can be mixed. */
static void batches_hold_what_single_events_hold(void) {
    rws_client *client = new_client();
    rws_session *session = new_session(client);
    rws_turn *turn = start(
        session, "\"Each word of this text comes back as an event of its own, one after the other, so that "
                 "there are enough of them to be read now one by one and now many at once.\"");
    rws_event event = RWS_EVENT_INIT;
    rws_event_batch batch = RWS_EVENT_BATCH_INIT;
    rws_status status = RWS_OK;
    char text[4096];
    size_t length = 0;
    int64_t sequence_number = -1;
    for (int round = 0; status == RWS_OK; round++) {
        const rws_event *events = &event;
        size_t count = 1;
        if (round % 3 == 0) {
            status = rws_turn_next(turn, PATIENCE_MS, &event);
        } else {
            status = rws_turn_next_batch(turn, PATIENCE_MS, &batch);
            events = batch.events;
            count = batch.count;
            CHECK(status != RWS_OK || count > 0);
        }
        for (size_t i = 0; status == RWS_OK && i < count; i++) {
            CHECK(events[i].struct_size == sizeof(rws_event));
            CHECK(events[i].sequence_number == sequence_number + 1);
            sequence_number = events[i].sequence_number;
            if (events != &event)
                CHECK(events[i].json.data >= batch.memory.data &&
                      events[i].json.data + events[i].json.len <= batch.memory.data + batch.memory.len);
            if (events[i].kind != RWS_EVENT_OUTPUT_TEXT_DELTA) continue;
            CHECK(length + events[i].delta.len < sizeof(text));
            if (length + events[i].delta.len >= sizeof(text)) break;
            memcpy(text + length, events[i].delta.data, events[i].delta.len);
            length += events[i].delta.len;
        }
    }
    text[length] = '\0';
    CHECK(status == RWS_DONE);
    CHECK_STATUS(RWS_DONE, rws_turn_next_batch(turn, 0, &batch));
    rws_result result = RWS_RESULT_INIT;
    CHECK_STATUS(RWS_OK, rws_turn_result(turn, &result));
    CHECK(length > 100 && string_is(result.text, text));
    rws_turn_free(turn);
    CHECK_STATUS(RWS_ERR_INVALID_HANDLE, rws_turn_next_batch(turn, 0, &batch));
    rws_session_free(session);
    rws_client_free(client);
}

/* Callers that were compiled with an older or a newer header, where an event is smaller or larger. */
static void batches_are_spaced_as_the_callers_header_has_them(void) {
    rws_client *client = new_client();
    rws_session *session = new_session(client);
    const size_t sizes[] = {offsetof(rws_event, type), sizeof(rws_event), sizeof(rws_event) + 24};
    for (int i = 0; i < 3; i++) {
        rws_turn *turn = start(session, "\"hello\"");
        rws_event_batch batch = RWS_EVENT_BATCH_INIT;
        batch.event_size = sizes[i];
        rws_status status;
        int terminal = 0;
        while ((status = rws_turn_next_batch(turn, PATIENCE_MS, &batch)) == RWS_OK) {
            CHECK(batch.event_size == sizes[i]);
            for (size_t at = 0; at < batch.count; at++) {
                const char *place = (const char *)batch.events + at * sizes[i];
                rws_event event = RWS_EVENT_INIT;
                memcpy(&event, place, sizes[i] < sizeof(event) ? sizes[i] : sizeof(event));
                CHECK(event.struct_size == sizes[i]);
                terminal += event.kind == RWS_EVENT_RESPONSE_COMPLETED;
                for (size_t beyond = sizeof(event); beyond < sizes[i]; beyond++) CHECK(place[beyond] == 0);
            }
        }
        CHECK(status == RWS_DONE && terminal == 1);
        rws_turn_free(turn);
    }
    rws_session_free(session);
    rws_client_free(client);
}

/* The memory or the slot of a freed handle is soon used again; its old value stays dead. */
static void a_freed_handle_never_names_a_new_object(void) {
    rws_client *client = new_client();
    rws_session *freed = new_session(client);
    rws_session_free(freed);
    rws_session *sessions[64];
    rws_string id;
    for (int i = 0; i < 64; i++) sessions[i] = new_session(client);
    CHECK_STATUS(RWS_ERR_INVALID_HANDLE, rws_session_response_id(freed, &id));
    rws_session_free(freed);
    for (int i = 0; i < 64; i++) {
        CHECK_STATUS(RWS_OK, rws_session_response_id(sessions[i], &id));
        rws_session_free(sessions[i]);
    }
    rws_client_free(client);
}

static void a_handle_of_another_kind_is_refused(void) {
    rws_client *client = new_client();
    rws_session *session = new_session(client);
    rws_turn *turn = start(session, "\"hello\"");
    rws_string string;
    rws_session *other = NULL;
    CHECK_STATUS(RWS_ERR_INVALID_HANDLE, rws_turn_wait((rws_turn *)session, 0));
    CHECK_STATUS(RWS_ERR_INVALID_HANDLE, rws_turn_cancel((rws_turn *)client));
    CHECK_STATUS(RWS_ERR_INVALID_HANDLE, rws_session_response_id((rws_session *)turn, &string));
    CHECK_STATUS(RWS_ERR_INVALID_HANDLE, rws_client_close((rws_client *)session, 0));
    CHECK_STATUS(RWS_ERR_INVALID_HANDLE,
                 rws_session_new((rws_client *)turn, LITERAL(SETTINGS), &other));
    rws_client_free((rws_client *)turn);
    rws_session_free((rws_session *)client);
    rws_turn_free((rws_turn *)session);
    CHECK_STATUS(RWS_DONE, rws_turn_wait(turn, PATIENCE_MS));
    rws_turn_free(turn);
    rws_session_free(session);
    rws_client_free(client);
}

static void children_outlive_their_parents(void) {
    rws_client *client = new_client();
    rws_session *session = new_session(client);
    rws_turn *done = start(session, "\"hello\"");
    CHECK_STATUS(RWS_DONE, rws_turn_wait(done, PATIENCE_MS));
    rws_turn *running = start(session, LONG_STREAM);
    rws_client_free(client);

    rws_turn *refused = NULL;
    rws_status end;
    CHECK_STATUS(RWS_ERR_CLOSED, rws_turn_start(session, "\"x\"", 3, NULL, &refused));
    CHECK_STATUS(RWS_ERR_CLOSED, rws_session_connect(session, PATIENCE_MS));
    read_all(running, &end);
    CHECK(end == RWS_ERR_CANCELLED);
    rws_result result = RWS_RESULT_INIT;
    CHECK_STATUS(RWS_OK, rws_turn_result(running, &result));
    CHECK(result.outcome == RWS_OUTCOME_CANCELLED);
    CHECK_STATUS(RWS_OK, rws_turn_result(done, &result));
    CHECK(string_is(result.text, "ECHO: hello"));
    rws_session_free(session);
    CHECK_STATUS(RWS_OK, rws_turn_result(done, &result));
    CHECK(string_is(result.text, "ECHO: hello"));
    rws_turn_free(running);
    rws_turn_free(done);
    CHECK(refused == NULL);
}

static void a_freed_session_ends_its_turns(void) {
    rws_client *client = new_client();
    rws_session *session = new_session(client), *neighbour = new_session(client);
    rws_turn *turn = start(session, LONG_STREAM);
    rws_turn *waiting = start(session, "\"after it\"");
    rws_status end;
    rws_session_free(session);
    read_all(turn, &end);
    CHECK(end == RWS_ERR_CANCELLED);
    read_all(waiting, &end);
    CHECK(end == RWS_ERR_CANCELLED);
    rws_turn *other = start(neighbour, "\"hello\"");
    CHECK_STATUS(RWS_DONE, rws_turn_wait(other, PATIENCE_MS));
    rws_turn_free(other);
    rws_turn_free(waiting);
    rws_turn_free(turn);
    rws_session_free(neighbour);
    rws_client_free(client);
}

static void a_closed_client_answers_closed(void) {
    rws_client *client = new_client();
    rws_session *session = new_session(client);
    rws_turn *turn = start(session, LONG_STREAM);
    read_until_text(turn);
    CHECK_STATUS(RWS_OK, rws_client_close(client, PATIENCE_MS));
    CHECK_STATUS(RWS_OK, rws_client_close(client, PATIENCE_MS));
    rws_status end;
    read_all(turn, &end);
    CHECK(end == RWS_ERR_CANCELLED);
    rws_session *refused = NULL;
    rws_turn *refused_turn = NULL;
    CHECK_STATUS(RWS_ERR_CLOSED, rws_session_new(client, LITERAL(SETTINGS), &refused));
    CHECK_STATUS(RWS_ERR_CLOSED, rws_turn_start(session, "\"x\"", 3, NULL, &refused_turn));
    CHECK_STATUS(RWS_ERR_CLOSED, rws_session_connect(session, PATIENCE_MS));
    CHECK(refused == NULL && refused_turn == NULL);
    rws_client_free(client);
    rws_session_free(session);
    rws_turn_free(turn);
}

static void a_cancelled_turn_leaves_the_chain_as_it_was(void) {
    rws_client *client = new_client();
    rws_session *session = new_session(client);
    rws_turn *first = start(session, "\"first\"");
    CHECK_STATUS(RWS_DONE, rws_turn_wait(first, PATIENCE_MS));
    rws_turn *cancelled = start(session, LONG_STREAM);
    read_until_text(cancelled);
    CHECK_STATUS(RWS_OK, rws_turn_cancel(cancelled));
    CHECK_STATUS(RWS_OK, rws_turn_cancel(cancelled));
    rws_status end;
    read_all(cancelled, &end);
    CHECK(end == RWS_ERR_CANCELLED);
    rws_error error = RWS_ERROR_INIT;
    CHECK_STATUS(RWS_OK, rws_turn_error(cancelled, &error));
    CHECK(error.status == RWS_ERR_CANCELLED && error.execution == RWS_EXECUTION_OUTPUT_SEEN);
    rws_turn *next = start(session, "\"RECALL\"");
    CHECK_STATUS(RWS_DONE, rws_turn_wait(next, PATIENCE_MS));
    rws_result result = RWS_RESULT_INIT;
    CHECK_STATUS(RWS_OK, rws_turn_result(next, &result));
    CHECK(string_is(result.text, "RECALL users=2 tools=0 first=first"));
    rws_turn_free(next);
    rws_turn_free(cancelled);
    rws_turn_free(first);
    rws_session_free(session);
    rws_client_free(client);
}

/* --- callbacks --------------------------------------------------------------------------------- */

struct seen {
    pthread_mutex_t mutex;
    pthread_cond_t ended;
    int events, ends;
    rws_client *client;
    rws_session *session;
    void (*during)(struct seen *seen, rws_turn *turn);
};

static void seen_init(struct seen *seen, rws_client *client, rws_session *session) {
    memset(seen, 0, sizeof(*seen));
    pthread_mutex_init(&seen->mutex, NULL);
    pthread_cond_init(&seen->ended, NULL);
    seen->client = client;
    seen->session = session;
}

static void on_event(rws_turn *turn, const rws_event *event, void *user_data) {
    struct seen *seen = user_data;
    CHECK(seen->ends == 0);
    if (event != NULL && seen->events == 0 && seen->during != NULL) seen->during(seen, turn);
    pthread_mutex_lock(&seen->mutex);
    if (event != NULL) {
        seen->events++;
    } else {
        seen->ends++;
        pthread_cond_broadcast(&seen->ended);
    }
    pthread_mutex_unlock(&seen->mutex);
}

static void wait_for_end(struct seen *seen) {
    struct timespec limit;
    clock_gettime(CLOCK_REALTIME, &limit);
    limit.tv_sec += PATIENCE_MS / 1000;
    pthread_mutex_lock(&seen->mutex);
    while (seen->ends == 0)
        if (pthread_cond_timedwait(&seen->ended, &seen->mutex, &limit) != 0) break;
    CHECK(seen->ends == 1);
    pthread_mutex_unlock(&seen->mutex);
}

static rws_turn *start_with_callback(rws_session *session, const char *input, struct seen *seen,
                                     int keep) {
    rws_turn_options options = RWS_TURN_OPTIONS_INIT;
    options.on_event = on_event;
    options.user_data = seen;
    rws_turn *turn = NULL;
    CHECK_STATUS(RWS_OK,
                 rws_turn_start(session, input, strlen(input), &options, keep ? &turn : NULL));
    return turn;
}

static void waiting_calls_would_deadlock(struct seen *seen, rws_turn *turn) {
    rws_event event = RWS_EVENT_INIT;
    rws_status status = rws_turn_next(turn, 1000, &event);
    CHECK(status == RWS_ERR_WOULD_DEADLOCK || status == RWS_ERR_BUSY);
    CHECK_STATUS(RWS_ERR_WOULD_DEADLOCK, rws_turn_wait(turn, 1000));
    CHECK_STATUS(RWS_ERR_WOULD_DEADLOCK, rws_session_connect(seen->session, 1000));
    CHECK_STATUS(RWS_ERR_WOULD_DEADLOCK, rws_client_close(seen->client, 1000));
    rws_result result = RWS_RESULT_INIT;
    rws_stats stats = RWS_STATS_INIT;
    rws_string string;
    CHECK_STATUS(RWS_OK, rws_turn_result(turn, &result));
    CHECK(result.outcome == RWS_OUTCOME_RUNNING);
    CHECK_STATUS(RWS_OK, rws_turn_stats(turn, &stats));
    CHECK_STATUS(RWS_OK, rws_session_response_id(seen->session, &string));
}

static void waiting_calls_in_a_callback_are_refused(void) {
    rws_client *client = new_client();
    rws_session *session = new_session(client);
    struct seen seen;
    seen_init(&seen, client, session);
    seen.during = waiting_calls_would_deadlock;
    rws_turn *turn = start_with_callback(session, "\"hello\"", &seen, 1);
    wait_for_end(&seen);
    CHECK(seen.events > 3);
    rws_event event = RWS_EVENT_INIT;
    CHECK_STATUS(RWS_ERR_BUSY, rws_turn_next(turn, 0, &event));
    rws_result result = RWS_RESULT_INIT;
    CHECK_STATUS(RWS_OK, rws_turn_result(turn, &result));
    CHECK(string_is(result.text, "ECHO: hello"));
    rws_turn_free(turn);
    rws_session_free(session);
    rws_client_free(client);
}

static void start_another(struct seen *seen, rws_turn *turn) {
    (void)turn;
    struct seen *next = (struct seen *)(void *)seen + 1;
    start_with_callback(seen->session, "\"next\"", next, 0);
}

static void a_callback_starts_the_next_turn(void) {
    rws_client *client = new_client();
    rws_session *session = new_session(client);
    struct seen seen[2];
    seen_init(&seen[0], client, session);
    seen_init(&seen[1], client, session);
    seen[0].during = start_another;
    /* No turn handle: the library releases the turn after its end. */
    start_with_callback(session, "\"hello\"", &seen[0], 0);
    wait_for_end(&seen[0]);
    wait_for_end(&seen[1]);
    rws_session_free(session);
    rws_client_free(client);
}

static void cancel_it(struct seen *seen, rws_turn *turn) {
    (void)seen;
    CHECK_STATUS(RWS_OK, rws_turn_cancel(turn));
}

static void a_callback_cancels_its_turn(void) {
    rws_client *client = new_client();
    rws_session *session = new_session(client);
    struct seen seen;
    seen_init(&seen, client, session);
    seen.during = cancel_it;
    rws_turn *turn = start_with_callback(session, LONG_STREAM, &seen, 1);
    wait_for_end(&seen);
    if (seen.events != 1) fprintf(stderr, "  %d events\n", seen.events);
    CHECK(seen.events == 1);
    rws_error error = RWS_ERROR_INIT;
    CHECK_STATUS(RWS_OK, rws_turn_error(turn, &error));
    CHECK(error.status == RWS_ERR_CANCELLED);
    rws_turn_free(turn);
    rws_session_free(session);
    rws_client_free(client);
}

static void free_everything(struct seen *seen, rws_turn *turn) {
    rws_turn_free(turn);
    rws_session_free(seen->session);
    rws_client_free(seen->client);
}

static void a_callback_frees_its_client(void) {
    int descriptors = entries("/proc/self/fd"), threads = entries("/proc/self/task");
    rws_client *client = new_client();
    rws_session *session = new_session(client);
    /* Static: after the free a last call may still come, until the thread is gone. */
    static struct seen seen;
    seen_init(&seen, client, session);
    seen.during = free_everything;
    rws_turn *turn = start_with_callback(session, LONG_STREAM, &seen, 1);
    CHECK(settles_at("/proc/self/task", threads));
    CHECK(settles_at("/proc/self/fd", descriptors));
    pthread_mutex_lock(&seen.mutex);
    CHECK(seen.events >= 1 && seen.ends <= 1);
    pthread_mutex_unlock(&seen.mutex);
    CHECK_STATUS(RWS_ERR_INVALID_HANDLE, rws_turn_cancel(turn));
    CHECK_STATUS(RWS_ERR_INVALID_HANDLE, rws_client_close(client, 0));
}

static void no_callback_runs_after_free(void) {
    for (int round = 0; round < 20; round++) {
        rws_client *client = new_client();
        rws_session *session = new_session(client);
        struct seen seen;
        seen_init(&seen, client, session);
        rws_turn *turn = start_with_callback(session, LONG_STREAM, &seen, 1);
        /* At different moments of the turn, before the connection as well as in the stream. */
        nanosleep(&(struct timespec){0, round * 1000000}, NULL);
        rws_client_free(client);
        pthread_mutex_lock(&seen.mutex);
        int events = seen.events, ends = seen.ends;
        pthread_mutex_unlock(&seen.mutex);
        CHECK(ends == 1);
        rws_turn_free(turn);
        rws_session_free(session);
        CHECK(seen.events == events && seen.ends == ends);
    }
}

/* --- descriptors and threads -------------------------------------------------------------------- */

static void nothing_stays_behind(void) {
    /* One round first: OpenSSL and the allocator open what they keep for the process. */
    a_turn_from_start_to_end();
    int descriptors = entries("/proc/self/fd"), threads = entries("/proc/self/task");
    for (int round = 0; round < 10; round++) {
        rws_client *client = new_client();
        rws_session *sessions[3];
        rws_turn *turns[3];
        int descriptor;
        for (int i = 0; i < 3; i++) {
            sessions[i] = new_session(client);
            CHECK_STATUS(RWS_OK, rws_session_descriptor(sessions[i], &descriptor));
            turns[i] = start(sessions[i], i == 2 ? LONG_STREAM : "\"hello\"");
        }
        CHECK_STATUS(RWS_DONE, rws_turn_wait(turns[0], PATIENCE_MS));
        if (round % 2 == 0) rws_client_free(client);
        for (int i = 0; i < 3; i++) {
            rws_session_free(sessions[i]);
            rws_turn_free(turns[i]);
        }
        if (round % 2 == 1) rws_client_free(client);
        int left = entries("/proc/self/fd");
        if (left != descriptors) fprintf(stderr, "  %d descriptors, expected %d\n", left, descriptors);
        CHECK(left == descriptors);
        CHECK(settles_at("/proc/self/task", threads));
    }
}

static void a_saved_session_goes_on_in_another_client(void) {
    rws_client *client = new_client();
    rws_session *session = new_session(client);
    rws_turn *turn = start(session, "\"first words\"");
    CHECK_STATUS(RWS_DONE, rws_turn_wait(turn, PATIENCE_MS));
    rws_turn_free(turn);
    rws_string saved;
    CHECK_STATUS(RWS_OK, rws_session_save(session, &saved));
    CHECK(saved.len > 0 && memmem(saved.data, saved.len, "first words", 11) != NULL);

    rws_client *other = new_client();
    rws_session *restored = NULL;
    CHECK_STATUS(RWS_ERR_INVALID_JSON,
                 rws_session_restore(other, saved.data, saved.len - 1, NULL, 0, NULL, &restored));
    CHECK_STATUS(RWS_ERR_INVALID_JSON, rws_session_restore(other, NULL, 0, NULL, 0, NULL, &restored));
    CHECK(restored == NULL);
    CHECK_STATUS(RWS_OK, rws_session_restore(other, saved.data, saved.len,
                                             LITERAL("{\"temperature\":1}"), NULL, &restored));
    rws_session_free(session);
    rws_client_free(client);

    turn = start(restored, "\"RECALL\"");
    CHECK_STATUS(RWS_DONE, rws_turn_wait(turn, PATIENCE_MS));
    rws_result result = RWS_RESULT_INIT;
    CHECK_STATUS(RWS_OK, rws_turn_result(turn, &result));
    CHECK(string_is(result.text, "RECALL users=2 tools=0 first=first words"));
    rws_stats stats = RWS_STATS_INIT;
    CHECK_STATUS(RWS_OK, rws_turn_stats(turn, &stats));
    CHECK(stats.is_delta == 0 && string_is(stats.full_reason, "restored"));
    rws_turn_free(turn);
    rws_session_free(restored);
    rws_client_free(other);
}

int main(void) {
    static const struct test tests[] = {
        {"a turn from start to end", a_turn_from_start_to_end},
        {"a history is counted and compacted", a_history_is_counted_and_compacted},
        {"turns go over HTTP", turns_go_over_http},
        {"every call after free is refused", every_call_after_free_is_refused},
        {"batches hold what single events hold", batches_hold_what_single_events_hold},
        {"batches are spaced as the caller's header has them",
         batches_are_spaced_as_the_callers_header_has_them},
        {"a freed handle never names a new object", a_freed_handle_never_names_a_new_object},
        {"a handle of another kind is refused", a_handle_of_another_kind_is_refused},
        {"children outlive their parents", children_outlive_their_parents},
        {"a freed session ends its turns", a_freed_session_ends_its_turns},
        {"a closed client answers closed", a_closed_client_answers_closed},
        {"a cancelled turn leaves the chain as it was", a_cancelled_turn_leaves_the_chain_as_it_was},
        {"waiting calls in a callback are refused", waiting_calls_in_a_callback_are_refused},
        {"a callback starts the next turn", a_callback_starts_the_next_turn},
        {"a callback cancels its turn", a_callback_cancels_its_turn},
        {"a callback frees its client", a_callback_frees_its_client},
        {"no callback runs after free", no_callback_runs_after_free},
        {"a saved session goes on in another client", a_saved_session_goes_on_in_another_client},
        {"nothing stays behind", nothing_stays_behind},
    };
    return RUN_TESTS(tests);
}
