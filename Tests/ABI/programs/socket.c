/* Raw connections: what they bring, how they end, and arguments that no caller should pass. */
#include "test.h"

#include <poll.h>
#include <sys/wait.h>

/* The API over a raw connection: a whole response, ending in response.completed. */
#define REQUEST "{\"type\":\"response.create\",\"model\":\"rules\",\"store\":false,\"input\":\"hello\"}"

static rws_socket *open_socket(rws_client *client) {
    rws_socket *socket = NULL;
    CHECK_STATUS(RWS_OK, rws_socket_new(client, NULL, &socket));
    return socket;
}

static int holds(rws_string string, const char *text) {
    return memmem(string.data, string.len, text, strlen(text)) != NULL;
}

/* Messages until the response is complete. */
static int read_response(rws_socket *socket) {
    rws_message message = RWS_MESSAGE_INIT;
    int count = 0;
    while (CHECK_STATUS(RWS_OK, rws_socket_receive(socket, PATIENCE_MS, &message))) {
        CHECK(message.kind == RWS_MESSAGE_TEXT);
        count++;
        if (holds(message.data, "\"response.completed\"")) return count;
    }
    return 0;
}

static void a_response_over_a_raw_connection(void) {
    rws_client *client = new_client();
    rws_socket *socket = open_socket(client);
    CHECK_STATUS(RWS_OK, rws_socket_send_text(socket, LITERAL(REQUEST)));
    CHECK_STATUS(RWS_OK, rws_socket_connect(socket, PATIENCE_MS));
    CHECK_STATUS(RWS_OK, rws_socket_connect(socket, 0));
    CHECK_STATUS(RWS_OK, rws_socket_flush(socket, PATIENCE_MS));
    CHECK(read_response(socket) > 3);
    rws_message message = RWS_MESSAGE_INIT;
    CHECK_STATUS(RWS_TIMEOUT, rws_socket_receive(socket, 0, &message));
    CHECK_STATUS(RWS_TIMEOUT, rws_socket_receive(socket, 10, &message));

    rws_connection_info info = RWS_CONNECTION_INFO_INIT;
    CHECK_STATUS(RWS_OK, rws_socket_info(socket, &info));
    CHECK(info.state == RWS_SOCKET_OPEN && info.http_status == 101 && info.close_code == 0);
    CHECK(info.queued_bytes == 0 && info.round_trip_us == -1);
    CHECK(holds(info.peer_address, "127.0.0.1:") && info.tls_version.len == 0);
    int upgrades = 0;
    for (size_t i = 0; i < info.header_count; i++) {
        rws_string name, value;
        CHECK_STATUS(RWS_OK, rws_socket_header(socket, i, &name, &value));
        upgrades += string_is(name, "Upgrade") && string_is(value, "websocket");
    }
    CHECK(upgrades == 1);

    rws_error error = RWS_ERROR_INIT;
    CHECK_STATUS(RWS_DONE, rws_socket_error(socket, &error));
    CHECK_STATUS(RWS_OK, rws_socket_close(socket, 1000, LITERAL("bye"), PATIENCE_MS));
    CHECK_STATUS(RWS_DONE, rws_socket_receive(socket, 0, &message));
    CHECK_STATUS(RWS_OK, rws_socket_close(socket, 1000, NULL, 0, PATIENCE_MS));
    CHECK_STATUS(RWS_ERR_CLOSED, rws_socket_send_text(socket, LITERAL("late")));
    CHECK_STATUS(RWS_OK, rws_socket_info(socket, &info));
    CHECK(info.state == RWS_SOCKET_ENDED && info.close_code == 1000);
    rws_socket_free(socket);
    rws_client_free(client);
}

static void over_tls_beside_a_session(void) {
    rws_client_options options = options_for("RWS_TEST_TLS_URL");
    rws_client *client = NULL;
    CHECK_STATUS(RWS_OK, rws_client_new(&options, &client));
    rws_socket *socket = open_socket(client);
    rws_session *session = new_session(client);
    rws_turn *turn = start(session, "\"hello\"");
    CHECK_STATUS(RWS_OK, rws_socket_send_text(socket, LITERAL(REQUEST)));
    CHECK(read_response(socket) > 3);
    CHECK_STATUS(RWS_DONE, rws_turn_wait(turn, PATIENCE_MS));
    rws_connection_info info = RWS_CONNECTION_INFO_INIT;
    CHECK_STATUS(RWS_OK, rws_socket_info(socket, &info));
    CHECK(holds(info.tls_version, "TLSv1."));
    rws_turn_free(turn);
    rws_session_free(session);
    rws_socket_free(socket);
    rws_client_free(client);
}

static void a_connection_that_cannot_be_made(void) {
    rws_client *client = new_client();
    rws_socket_options options = RWS_SOCKET_OPTIONS_INIT;
    options.url = "ws://127.0.0.1:1/";
    rws_socket *socket = NULL;
    CHECK_STATUS(RWS_OK, rws_socket_new(client, &options, &socket));
    CHECK_STATUS(RWS_ERR_CONNECT_REFUSED, rws_socket_connect(socket, PATIENCE_MS));
    rws_message message = RWS_MESSAGE_INIT;
    CHECK_STATUS(RWS_ERR_CONNECT_REFUSED, rws_socket_receive(socket, PATIENCE_MS, &message));
    CHECK_STATUS(RWS_ERR_CONNECT_REFUSED, rws_socket_send_binary(socket, "x", 1));
    rws_error error = RWS_ERROR_INIT;
    CHECK_STATUS(RWS_OK, rws_socket_error(socket, &error));
    CHECK(error.status == RWS_ERR_CONNECT_REFUSED && error.message.len > 0);
    rws_socket_free(socket);
    rws_client_free(client);
}

struct seen {
    rws_socket *socket;
    int texts, opened, pongs, ends;
    rws_status waiting;
};

static void on_message(rws_socket *socket, const rws_message *message, void *user_data) {
    struct seen *seen = user_data;
    CHECK(socket == seen->socket);
    if (message == NULL) {
        __atomic_add_fetch(&seen->ends, 1, __ATOMIC_SEQ_CST);
        return;
    }
    if (message->kind == RWS_MESSAGE_OPENED) {
        CHECK(message->data.len == 0);
        seen->opened++;
        CHECK_STATUS(RWS_OK, rws_socket_ping(socket, "are you there", 13));
        CHECK_STATUS(RWS_OK, rws_socket_send_text(socket, LITERAL(REQUEST)));
        seen->waiting = rws_socket_close(socket, 1000, NULL, 0, 1000);
    } else if (message->kind == RWS_MESSAGE_PONG) {
        CHECK(string_is(message->data, "are you there"));
        seen->pongs++;
    } else {
        seen->texts++;
        if (holds(message->data, "\"response.completed\""))
            /* Does not wait: allowed. */
            CHECK_STATUS(RWS_TIMEOUT, rws_socket_close(socket, 4000, NULL, 0, 0));
    }
}

static void messages_go_to_a_callback(void) {
    rws_client *client = new_client();
    struct seen seen = {0};
    rws_socket_options options = RWS_SOCKET_OPTIONS_INIT;
    options.report_opening = options.report_pongs = 1;
    options.on_message = on_message;
    options.user_data = &seen;
    CHECK_STATUS(RWS_OK, rws_socket_new(client, &options, &seen.socket));
    rws_message message = RWS_MESSAGE_INIT;
    CHECK_STATUS(RWS_ERR_BUSY, rws_socket_receive(seen.socket, 0, &message));
    for (int i = 0; i < 1500 && __atomic_load_n(&seen.ends, __ATOMIC_SEQ_CST) == 0; i++)
        nanosleep(&(struct timespec){0, 10000000}, NULL);
    CHECK(seen.opened == 1 && seen.pongs == 1 && seen.texts > 3 && seen.ends == 1);
    CHECK(seen.waiting == RWS_ERR_WOULD_DEADLOCK);
    rws_connection_info info = RWS_CONNECTION_INFO_INIT;
    CHECK_STATUS(RWS_OK, rws_socket_info(seen.socket, &info));
    CHECK(info.round_trip_us >= 0 && info.close_code == 4000);
    rws_socket_free(seen.socket);
    rws_client_free(client);
}

static void free_itself(rws_socket *socket, const rws_message *message, void *user_data) {
    CHECK(message != NULL);
    rws_socket_free(socket);
    __atomic_add_fetch((int *)user_data, 1, __ATOMIC_SEQ_CST);
}

static void freed_in_its_callback(void) {
    rws_client *client = new_client();
    rws_socket_options options = RWS_SOCKET_OPTIONS_INIT;
    int calls = 0;
    options.report_opening = 1;
    options.on_message = free_itself;
    options.user_data = &calls;
    rws_socket *socket = NULL;
    CHECK_STATUS(RWS_OK, rws_socket_new(client, &options, &socket));
    for (int i = 0; i < 1500 && __atomic_load_n(&calls, __ATOMIC_SEQ_CST) == 0; i++)
        nanosleep(&(struct timespec){0, 10000000}, NULL);
    rws_client_free(client);
    CHECK(calls == 1);
    CHECK_REFUSED(rws_socket_connect(socket, 0));
}

static void the_descriptor_tells(void) {
    rws_client *client = new_client();
    rws_socket *socket = open_socket(client);
    int descriptor = -1;
    CHECK_STATUS(RWS_OK, rws_socket_descriptor(socket, &descriptor));
    struct pollfd entry = {descriptor, POLLIN, 0};
    CHECK(poll(&entry, 1, 0) == 0);
    CHECK_STATUS(RWS_OK, rws_socket_send_text(socket, LITERAL(REQUEST)));
    CHECK(poll(&entry, 1, (int)PATIENCE_MS) == 1);
    CHECK(read_response(socket) > 3);
    CHECK(poll(&entry, 1, 0) == 0);
    CHECK_STATUS(RWS_OK, rws_socket_close(socket, 1000, NULL, 0, PATIENCE_MS));
    CHECK(poll(&entry, 1, (int)PATIENCE_MS) == 1);
    rws_message message = RWS_MESSAGE_INIT;
    CHECK_STATUS(RWS_DONE, rws_socket_receive(socket, 0, &message));
    CHECK(poll(&entry, 1, 0) == 0);
    rws_socket_free(socket);
    rws_client_free(client);
}

static void handles_in_any_order(void) {
    rws_client *client = new_client();
    rws_socket *socket = open_socket(client), *other = open_socket(client);
    CHECK_STATUS(RWS_OK, rws_socket_connect(socket, PATIENCE_MS));
    rws_client_free(client);
    rws_message message = RWS_MESSAGE_INIT;
    CHECK_STATUS(RWS_ERR_CLOSED, rws_socket_receive(socket, PATIENCE_MS, &message));
    CHECK_STATUS(RWS_ERR_CLOSED, rws_socket_send_text(other, LITERAL("late")));
    rws_socket_free(socket);
    CHECK_STATUS(RWS_ERR_INVALID_HANDLE, rws_socket_receive(socket, 0, &message));
    rws_socket_free(socket);
    rws_socket_free(other);
    client = new_client();
    CHECK_STATUS(RWS_ERR_INVALID_HANDLE, rws_socket_connect((rws_socket *)(void *)client, 0));
    CHECK_STATUS(RWS_OK, rws_client_close(client, PATIENCE_MS));
    CHECK_STATUS(RWS_ERR_CLOSED, rws_socket_new(client, NULL, &socket));
    rws_client_free(client);
}

static void misuse_is_refused(void) {
    rws_client *client = new_client();
    rws_socket *none = NULL;
    rws_message message = RWS_MESSAGE_INIT;
    rws_connection_info info = RWS_CONNECTION_INFO_INIT;
    rws_error error = RWS_ERROR_INIT;
    rws_string string;
    int descriptor;
    CHECK_REFUSED(rws_socket_new(NULL, NULL, &none));
    CHECK_REFUSED(rws_socket_new(client, NULL, NULL));
    CHECK_REFUSED(rws_socket_connect(NULL, 0));
    CHECK_REFUSED(rws_socket_send_text(NULL, "x", 1));
    CHECK_REFUSED(rws_socket_send_binary(NULL, "x", 1));
    CHECK_REFUSED(rws_socket_ping(NULL, "x", 1));
    CHECK_REFUSED(rws_socket_flush(NULL, 0));
    CHECK_REFUSED(rws_socket_receive(NULL, 0, &message));
    CHECK_REFUSED(rws_socket_descriptor(NULL, &descriptor));
    CHECK_REFUSED(rws_socket_close(NULL, 1000, NULL, 0, 0));
    CHECK_REFUSED(rws_socket_info(NULL, &info));
    CHECK_REFUSED(rws_socket_header(NULL, 0, &string, &string));
    CHECK_REFUSED(rws_socket_error(NULL, &error));
    rws_socket_free(NULL);

    const char *urls[] = {"", "nonsense", "ftp://x/", "ws://", "wss://user:pass@x/", "ws://x/#y"};
    for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
        rws_socket_options options = RWS_SOCKET_OPTIONS_INIT;
        options.url = urls[i];
        CHECK_STATUS(RWS_ERR_INVALID_ARGUMENT, rws_socket_new(client, &options, &none));
    }
    rws_socket_options options = RWS_SOCKET_OPTIONS_INIT;
    options.credentials = 3;
    CHECK_STATUS(RWS_ERR_INVALID_ARGUMENT, rws_socket_new(client, &options, &none));
    options = (rws_socket_options)RWS_SOCKET_OPTIONS_INIT;
    options.send_queue_bytes_max = UINT64_MAX;
    CHECK_STATUS(RWS_ERR_INVALID_ARGUMENT, rws_socket_new(client, &options, &none));
    options = (rws_socket_options)RWS_SOCKET_OPTIONS_INIT;
    options.header_count = 1;
    CHECK_STATUS(RWS_ERR_INVALID_ARGUMENT, rws_socket_new(client, &options, &none));
    options = (rws_socket_options)RWS_SOCKET_OPTIONS_INIT;
    options.struct_size = 0;
    CHECK_STATUS(RWS_ERR_INVALID_ARGUMENT, rws_socket_new(client, &options, &none));
    CHECK(none == NULL);

    rws_socket *socket = open_socket(client);
    static const size_t impossible[] = {SIZE_MAX, SIZE_MAX / 2, SIZE_MAX / 2 + 1, SIZE_MAX - 7};
    for (size_t i = 0; i < sizeof(impossible) / sizeof(impossible[0]); i++) {
        CHECK(rws_socket_send_text(socket, "x", impossible[i]) < 0);
        CHECK(rws_socket_send_binary(socket, "x", impossible[i]) < 0);
        CHECK(rws_socket_ping(socket, "x", impossible[i]) < 0);
        CHECK(rws_socket_close(socket, 1000, "x", impossible[i], 0) < 0);
    }
    CHECK_STATUS(RWS_ERR_INVALID_ARGUMENT, rws_socket_send_text(socket, NULL, 1));
    CHECK_STATUS(RWS_ERR_INVALID_ARGUMENT, rws_socket_send_text(socket, "\xff", 1));
    CHECK_STATUS(RWS_ERR_INVALID_ARGUMENT, rws_socket_close(socket, 1005, NULL, 0, 0));
    CHECK_STATUS(RWS_ERR_INVALID_ARGUMENT, rws_socket_close(socket, 1000, "\xff", 1, 0));
    CHECK_STATUS(RWS_ERR_INVALID_ARGUMENT, rws_socket_receive(socket, -2, &message));
    CHECK_STATUS(RWS_ERR_INVALID_ARGUMENT, rws_socket_receive(socket, 0, NULL));
    CHECK_STATUS(RWS_ERR_INVALID_ARGUMENT, rws_socket_info(socket, NULL));
    CHECK_STATUS(RWS_ERR_INVALID_ARGUMENT, rws_socket_descriptor(socket, NULL));
    CHECK_STATUS(RWS_ERR_INVALID_ARGUMENT, rws_socket_header(socket, SIZE_MAX, &string, &string));
    /* After all that it still works. */
    CHECK_STATUS(RWS_OK, rws_socket_send_text(socket, LITERAL(REQUEST)));
    CHECK(read_response(socket) > 3);
    rws_socket_free(socket);
    rws_client_free(client);
}

static void *use_and_free(void *client) {
    for (int i = 0; i < 10; i++) {
        rws_socket *socket = open_socket(client);
        if (i % 2 == 0) {
            CHECK_STATUS(RWS_OK, rws_socket_send_text(socket, LITERAL(REQUEST)));
            CHECK(read_response(socket) > 3);
        }
        if (i % 4 == 0) rws_socket_close(socket, 1000, NULL, 0, PATIENCE_MS);
        rws_socket_free(socket);
    }
    return NULL;
}

static void many_threads(void) {
    rws_client *client = new_client();
    pthread_t threads[8];
    for (int i = 0; i < 8; i++)
        CHECK(pthread_create(&threads[i], NULL, use_and_free, client) == 0);
    for (int i = 0; i < 8; i++) pthread_join(threads[i], NULL);
    rws_client_free(client);
}

static void in_a_forked_child(void) {
    rws_client *client = new_client();
    rws_socket *socket = open_socket(client);
    CHECK_STATUS(RWS_OK, rws_socket_connect(socket, PATIENCE_MS));
    pid_t child = fork();
    if (child == 0) {
        alarm(25);
        rws_message message = RWS_MESSAGE_INIT;
        int ok = rws_socket_receive(socket, RWS_NO_LIMIT, &message) == RWS_ERR_FORKED &&
                 rws_socket_send_text(socket, "x", 1) == RWS_ERR_FORKED &&
                 rws_socket_close(socket, 1000, NULL, 0, 1000) == RWS_ERR_FORKED;
        rws_socket_free(socket);
        _exit(ok ? 42 : 1);
    }
    int status = 0;
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 42);
    CHECK_STATUS(RWS_OK, rws_socket_send_text(socket, LITERAL(REQUEST)));
    CHECK(read_response(socket) > 3);
    rws_socket_free(socket);
    rws_client_free(client);
}

int main(void) {
    static const struct test tests[] = {
        {"a response over a raw connection", a_response_over_a_raw_connection},
        {"over TLS, beside a session", over_tls_beside_a_session},
        {"a connection that cannot be made", a_connection_that_cannot_be_made},
        {"messages go to a callback", messages_go_to_a_callback},
        {"freed in its callback", freed_in_its_callback},
        {"the descriptor tells", the_descriptor_tells},
        {"handles in any order, freed twice, of another kind", handles_in_any_order},
        {"misuse is refused", misuse_is_refused},
        {"many threads", many_threads},
#ifndef __SANITIZE_THREAD__
        /* ThreadSanitizer does not support what a child of a process with threads does. */
        {"in a forked child", in_a_forked_child},
#endif
    };
    return RUN_TESTS(tests);
}
