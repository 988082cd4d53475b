/* Idle connections of libwebsockets, each after one turn; no event is parsed or kept. */
#define _GNU_SOURCE
#include "memory.h"

#include <libwebsockets.h>

typedef struct state {
    int is_done; /* 1: the terminal event began, 2: it is whole */
} state;

static int opening, done;

static int on_event(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t len) {
    static const char request[] =
        "{\"type\":\"response.create\",\"model\":\"bench-pong-1\",\"store\":false,\"input\":[]}";
    static const char terminal[] = "\"response.completed\"";
    state *s = user;
    switch (reason) {
    case LWS_CALLBACK_CLIENT_ESTABLISHED:
        lws_callback_on_writable(wsi);
        break;
    case LWS_CALLBACK_CLIENT_WRITEABLE: {
        unsigned char frame[LWS_PRE + sizeof request];
        memcpy(frame + LWS_PRE, request, sizeof request - 1);
        lws_write(wsi, frame + LWS_PRE, sizeof request - 1, LWS_WRITE_TEXT);
        break;
    }
    case LWS_CALLBACK_CLIENT_RECEIVE:
        if (memmem(in, len, terminal, sizeof terminal - 1) != NULL) s->is_done = 1;
        if (s->is_done == 1 && lws_is_final_fragment(wsi) && lws_remaining_packet_payload(wsi) == 0) {
            s->is_done = 2;
            done++;
        }
        break;
    case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
    case LWS_CALLBACK_CLIENT_CLOSED:
        fprintf(stderr, "error: a connection ended\n");
        exit(1);
    default:
        break;
    }
    return 0;
}

int main(int argc, char **argv) {
    static const struct lws_protocols protocols[] = {{"", on_event, sizeof(state), 0, 0, NULL, 0},
                                                     {NULL, NULL, 0, 0, 0, NULL, 0}};
    if (argc < 3) return 2;
    int count = atoi(argv[2]) + 1, is_tls = strncmp(argv[1], "wss:", 4) == 0;
    allow_files();
    lws_set_log_level(LLL_ERR, NULL);
    struct lws_context_creation_info info = {.port = CONTEXT_PORT_NO_LISTEN, .protocols = protocols,
                                             .gid = (gid_t)-1, .uid = (uid_t)-1};
    info.options = LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT;
    info.client_ssl_ca_filepath = argc > 3 ? argv[3] : NULL;
    struct lws_context *context = lws_create_context(&info);
    if (context == NULL) return 1;
    long before = 0;
    while (done < count) {
        if (done == 1) before = private_dirty();
        /* The first pays for the context itself. */
        int end = done == 0 ? 1 : done + GROUP < count ? done + GROUP : count;
        for (; opening < end; opening++) {
            struct lws_client_connect_info connect = {
                .context = context, .address = "127.0.0.1", .port = atoi(strrchr(argv[1], ':') + 1),
                .path = "/v1/responses", .host = "127.0.0.1", .protocol = NULL};
            connect.ssl_connection = is_tls ? LCCSCF_USE_SSL : 0;
            if (lws_client_connect_via_info(&connect) == NULL) return 1;
        }
        while (done < end && lws_service(context, 0) >= 0) continue;
    }
    memory_report(before, private_dirty(), count - 1);
    /* Not torn down: thousands of orderly closes would only take time. */
    return 0;
}
