/* libwebsockets with cJSON, as an agent on them would be written. */
#define _GNU_SOURCE
#include "client.h"

#include <cjson/cJSON.h>
#include <libwebsockets.h>

static bench b;
static char *message;
static size_t message_len, message_capacity;
static char id[128];
static int is_done;

static void take(struct lws *wsi) {
    cJSON *event = cJSON_ParseWithLength(message, message_len);
    const char *type = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(event, "type"));
    if (type == NULL) bench_fail("an event without a type");
    b.events++;
    if (strcmp(type, "response.output_text.delta") == 0) {
        const char *delta = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(event, "delta"));
        if (delta == NULL) bench_fail("a delta without text");
        bench_delta(&b, delta, strlen(delta));
    } else if (strcmp(type, "response.completed") == 0) {
        const cJSON *response = cJSON_GetObjectItemCaseSensitive(event, "response");
        const char *value = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(response, "id"));
        snprintf(id, sizeof id, "%s", value == NULL ? "" : value);
        bench_end(&b);
        if (bench_begin(&b)) lws_callback_on_writable(wsi);
        else is_done = 1;
    } else if (strcmp(type, "error") == 0) {
        bench_fail(message);
    }
    cJSON_Delete(event);
}

static int on_event(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t len) {
    (void)user;
    switch (reason) {
    case LWS_CALLBACK_CLIENT_ESTABLISHED:
        if (bench_begin(&b)) lws_callback_on_writable(wsi);
        break;
    case LWS_CALLBACK_CLIENT_WRITEABLE: {
        unsigned char frame[LWS_PRE + 1024];
        int count = bench_request(&b, id, strlen(id), (char *)frame + LWS_PRE, 1024);
        if (lws_write(wsi, frame + LWS_PRE, (size_t)count, LWS_WRITE_TEXT) < count) return -1;
        break;
    }
    case LWS_CALLBACK_CLIENT_RECEIVE:
        if (lws_is_first_fragment(wsi)) message_len = 0;
        bench_append(&message, &message_len, &message_capacity, in, len);
        if (lws_is_final_fragment(wsi) && lws_remaining_packet_payload(wsi) == 0) take(wsi);
        break;
    case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
    case LWS_CALLBACK_CLIENT_CLOSED:
        if (!is_done) bench_fail("the connection ended");
        break;
    default:
        break;
    }
    return 0;
}

int main(int argc, char **argv) {
    static const struct lws_protocols protocols[] = {{"", on_event, 0, 65536, 0, NULL, 0},
                                                     {NULL, NULL, 0, 0, 0, NULL, 0}};
    b = bench_new(argc, argv);
    lws_set_log_level(LLL_ERR, NULL);
    struct lws_context_creation_info info = {.port = CONTEXT_PORT_NO_LISTEN, .protocols = protocols,
                                             .pt_serv_buf_size = 65536, .gid = (gid_t)-1, .uid = (uid_t)-1};
    info.options = LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT;
    info.client_ssl_ca_filepath = b.ca_file;
    struct lws_context *context = lws_create_context(&info);
    struct lws_client_connect_info connect = {.context = context, .address = "127.0.0.1",
                                              .port = atoi(b.port), .path = "/v1/responses",
                                              .host = "127.0.0.1", .origin = NULL, .protocol = NULL};
    connect.ssl_connection = b.is_tls ? LCCSCF_USE_SSL : 0;
    if (context == NULL || lws_client_connect_via_info(&connect) == NULL) bench_fail("connect");
    while (!is_done && lws_service(context, 0) >= 0) continue;
    bench_report(&b);
    lws_context_destroy(context);
    return 0;
}
