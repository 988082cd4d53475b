/*
 * The limit: what the machine itself takes to receive a turn. recv() or SSL_read() into one buffer,
 * frame headers, and memmem() for the terminal event; no JSON is read but the id and the text in that
 * event. No library can be faster; the others are measured in multiples of this.
 */
#define _GNU_SOURCE
#include "client.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

static int descriptor;
static SSL *ssl;
static char *in;
static size_t in_start, in_end, in_capacity = 256 << 10;

static size_t receive(void *data, size_t len) {
    ssize_t received = ssl != NULL ? SSL_read(ssl, data, (int)len) : recv(descriptor, data, len, 0);
    if (received <= 0) bench_fail("the connection ended");
    return (size_t)received;
}

static void transmit(const void *data, size_t len) {
    ssize_t sent = ssl != NULL ? SSL_write(ssl, data, (int)len) : send(descriptor, data, len, MSG_NOSIGNAL);
    if (sent != (ssize_t)len) bench_fail("the request could not be sent");
}

static void open_connection(const bench *b) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(b->port)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int on = 1;
    descriptor = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(descriptor, (struct sockaddr *)&address, sizeof address) != 0) bench_fail("connect");
    setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (b->is_tls) {
        SSL_CTX *context = SSL_CTX_new(TLS_client_method());
        SSL_CTX_load_verify_locations(context, b->ca_file, NULL);
        SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
        ssl = SSL_new(context);
        SSL_set_fd(ssl, descriptor);
        if (SSL_connect(ssl) != 1) bench_fail("TLS");
    }
    static const char head[] =
        "GET /v1/responses HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    transmit(head, sizeof head - 1);
    char *end = NULL;
    while (end == NULL) {
        in_end += receive(in + in_end, in_capacity - in_end);
        end = memmem(in, in_end, "\r\n\r\n", 4);
    }
    if (memcmp(in, "HTTP/1.1 101", 12) != 0) bench_fail("no upgrade");
    in_start = (size_t)(end + 4 - in);
}

static void send_request(const bench *b, const char *id, size_t id_len) {
    char frame[1024];
    int len = bench_request(b, id, id_len, frame + 8, sizeof frame - 8);
    /* The mask is zero, which leaves the payload as it is. */
    memcpy(frame, (char[]){(char)0x81, (char)(0x80 | 126), (char)(len >> 8), (char)len, 0, 0, 0, 0}, 8);
    transmit(frame, (size_t)len + 8);
}

/* The next message. Borrowed until the next call. */
static const char *next_message(size_t *len_out) {
    for (;;) {
        const uint8_t *at = (uint8_t *)in + in_start;
        size_t available = in_end - in_start, header = 2, len = 0;
        if (available >= 2) {
            len = at[1];
            if (len == 126) header = 4;
            if (len == 127) header = 10;
            if (available >= header) {
                if (header > 2) len = 0;
                for (size_t i = 2; i < header; i++) len = len << 8 | at[i];
                if (available - header >= len) {
                    in_start += header + len;
                    *len_out = len;
                    return (const char *)at + header;
                }
            }
        }
        memmove(in, in + in_start, available);
        in_start = 0;
        in_end = available;
        if (in_capacity - in_end < header + len) {
            in_capacity = in_capacity * 2 + len;
            in = realloc(in, in_capacity);
            if (in == NULL) bench_fail("out of memory");
        }
        in_end += receive(in + in_end, in_capacity - in_end);
    }
}

static void take_text(bench *b, const char *json, size_t len) {
    static const char name[] = "\"text\":\"";
    const char *at = memmem(json, len, name, sizeof name - 1);
    if (at == NULL) bench_fail("no text");
    for (at += sizeof name - 1; *at != '"'; at++) {
        char byte = *at;
        if (byte == '\\') byte = *++at == 'n' ? '\n' : *at;
        bench_delta(b, &byte, 1);
    }
}

int main(int argc, char **argv) {
    static const char terminal[] = "\"response.completed\"", id_name[] = "\"id\":\"";
    bench b = bench_new(argc, argv);
    char id[128];
    size_t id_len = 0;
    in = malloc(in_capacity);
    if (in == NULL) bench_fail("out of memory");
    open_connection(&b);
    while (bench_begin(&b)) {
        send_request(&b, id, id_len);
        for (;;) {
            size_t len;
            const char *json = next_message(&len);
            b.events++;
            if (memmem(json, len, terminal, sizeof terminal - 1) == NULL) continue;
            const char *at = memmem(json, len, id_name, sizeof id_name - 1);
            if (at == NULL) bench_fail("no id");
            at += sizeof id_name - 1;
            id_len = strcspn(at, "\"");
            if (id_len > sizeof id) bench_fail("a long id");
            memcpy(id, at, id_len);
            take_text(&b, json, len);
            break;
        }
        bench_end(&b);
    }
    bench_report(&b);
    return 0;
}
