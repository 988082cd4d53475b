/* Idle connections of libresponsesws: one client, a session for each connection, each after one turn. */
#define _GNU_SOURCE
#include "memory.h"
#include "ours.h"

static rws_session **sessions;

/* Sessions first..<end, opened and used together. */
static void open_group(rws_client *client, int first, int end) {
    static const char settings[] = "{\"model\":\"bench-pong-1\",\"store\":false}", input[] = "\"Go on.\"";
    rws_turn *turns[GROUP];
    for (int i = first; i < end; i++) {
        check(rws_session_new(client, settings, sizeof settings - 1, &sessions[i]), RWS_OK, "session");
        check(rws_turn_start(sessions[i], input, sizeof input - 1, NULL, &turns[i - first]), RWS_OK, "start");
    }
    for (int i = first; i < end; i++) {
        check(rws_turn_wait(turns[i - first], 60000), RWS_DONE, "turn");
        rws_turn_free(turns[i - first]);
    }
}

int main(int argc, char **argv) {
    if (argc < 3) return 2;
    int count = atoi(argv[2]) + 1;
    sessions = calloc((size_t)count, sizeof(rws_session *));
    if (sessions == NULL) return 1;
    allow_files();
    rws_client_options options = RWS_CLIENT_OPTIONS_INIT;
    rws_client *client;
    options.base_url = argv[1];
    options.ca_file = argc > 3 ? argv[3] : NULL;
    options.api_key = "";
    check(rws_client_new(&options, &client), RWS_OK, "client");

    /* The first pays for the client itself. */
    open_group(client, 0, 1);
    long before = private_dirty();
    for (int i = 1; i < count; i += GROUP) open_group(client, i, i + GROUP < count ? i + GROUP : count);
    long after = private_dirty();
    memory_report(before, after, count - 1);
    for (int i = 0; i < count; i++) rws_session_free(sessions[i]);
    rws_client_free(client);
    free(sessions);
    return 0;
}
