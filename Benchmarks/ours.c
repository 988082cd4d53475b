/* libresponsesws through its C interface: ours next|batch|callback URL MODEL TURNS [CA_FILE]. */
#define _GNU_SOURCE
#include "client.h"
#include "ours.h"

static bench b;

static void take(const rws_event *event) {
    b.events++;
    if (event->kind == RWS_EVENT_OUTPUT_TEXT_DELTA) bench_delta(&b, event->delta.data, event->delta.len);
}

static void on_event(rws_turn *turn, const rws_event *event, void *user_data) {
    (void)turn;
    (void)user_data;
    if (event != NULL) take(event);
}

static rws_status read_each(rws_turn *turn) {
    rws_event event = RWS_EVENT_INIT;
    rws_status status;
    while ((status = rws_turn_next(turn, RWS_NO_LIMIT, &event)) == RWS_OK) take(&event);
    return status;
}

static rws_status read_batches(rws_turn *turn) {
    rws_event_batch batch = RWS_EVENT_BATCH_INIT;
    rws_status status;
    while ((status = rws_turn_next_batch(turn, RWS_NO_LIMIT, &batch)) == RWS_OK)
        for (size_t i = 0; i < batch.count; i++) take(&batch.events[i]);
    return status;
}

int main(int argc, char **argv) {
    static const char input[] = "\"Go on.\"";
    if (argc < 2) bench_fail("usage: ours next|batch|callback URL MODEL TURNS [CA_FILE]");
    int is_callback = strcmp(argv[1], "callback") == 0, is_batch = strcmp(argv[1], "batch") == 0;
    b = bench_new(argc - 1, argv + 1);

    rws_client_options options = RWS_CLIENT_OPTIONS_INIT;
    rws_turn_options turn_options = RWS_TURN_OPTIONS_INIT;
    rws_client *client;
    rws_session *session;
    options.base_url = b.url;
    options.ca_file = b.ca_file;
    options.api_key = "";
    if (is_callback) turn_options.on_event = on_event;
    check(rws_client_new(&options, &client), RWS_OK, "client");

    char settings[256];
    int settings_len = snprintf(settings, sizeof settings, "{\"model\":\"%s\",\"store\":false}", b.model);
    check(rws_session_new(client, settings, (size_t)settings_len, &session), RWS_OK, "session");
    while (bench_begin(&b)) {
        rws_turn *turn;
        check(rws_turn_start(session, input, sizeof input - 1, &turn_options, &turn), RWS_OK, "start");
        check(is_callback ? rws_turn_wait(turn, RWS_NO_LIMIT) : is_batch ? read_batches(turn) : read_each(turn),
              RWS_DONE, "turn");
        bench_end(&b);
        rws_turn_free(turn);
    }
    bench_report(&b);
    rws_session_free(session);
    rws_client_free(client);
    return 0;
}
