/* Idle connections of libresponsesws: one client, raw connections (sessions would share them), each after one
 * turn. */
#define _GNU_SOURCE
#include "memory.h"
#include "ours.h"

static rws_socket **sockets;
static char *request;

/* Long enough, the input is sent compressed where the server agrees to that. */
static void make_request(int input_bytes) {
    static const char words[] = "Go on. ";
    request = malloc((size_t)input_bytes + 200);
    if (request == NULL) exit(1);
    int length = sprintf(request, "{\"type\":\"response.create\",\"model\":\"bench-pong-1\","
                                  "\"store\":false,\"input\":\"");
    for (int i = 0; i < input_bytes; i++) request[length++] = words[i % 7];
    strcpy(request + length, "\"}");
}

static int is_last(rws_string text) {
    static const char last[] = "\"response.completed\"";
    return memmem(text.data, text.len, last, sizeof last - 1) != NULL;
}

/* Connections first..<end, opened and used together. */
static void open_group(rws_client *client, int first, int end) {
    for (int i = first; i < end; i++) {
        check(rws_socket_new(client, NULL, &sockets[i]), RWS_OK, "socket");
        check(rws_socket_send_text(sockets[i], request, strlen(request)), RWS_OK, "send");
    }
    for (int i = first; i < end; i++) {
        rws_message message = RWS_MESSAGE_INIT;
        do check(rws_socket_receive(sockets[i], 60000, &message), RWS_OK, "receive");
        while (!is_last(message.data));
    }
}

int main(int argc, char **argv) {
    if (argc < 3) return 2;
    int count = atoi(argv[2]) + 1;
    sockets = calloc((size_t)count, sizeof(rws_socket *));
    if (sockets == NULL) return 1;
    make_request(argc > 4 ? atoi(argv[4]) : 6);
    allow_files();
    rws_client_options options = RWS_CLIENT_OPTIONS_INIT;
    rws_client *client;
    options.base_url = argv[1];
    options.ca_file = argc > 3 && argv[3][0] != 0 ? argv[3] : NULL;
    options.api_key = "";
    check(rws_client_new(&options, &client), RWS_OK, "client");

    /* The first pays for the client itself. */
    open_group(client, 0, 1);
    long before = private_dirty();
    for (int i = 1; i < count; i += GROUP) open_group(client, i, i + GROUP < count ? i + GROUP : count);
    long after = private_dirty();
    memory_report(before, after, count - 1);
    for (int i = 0; i < count; i++) rws_socket_free(sockets[i]);
    rws_client_free(client);
    free(sockets);
    free(request);
    return 0;
}
