/*
 * server [--cert FILE --key FILE]: a Responses API over WebSocket that costs next to nothing.
 *
 * Answers each response.create with a turn that was encoded before (turn.h); only the response's id is
 * written anew. The request's model says which: bench-stream-5000 is 5,000 deltas in large writes,
 * bench-flush-5000 a write for each event. A request that does not continue the connection's last
 * response gets its connection closed: a client that loses the chain cannot look fast.
 *
 * Prints "plain PORT" and, given a certificate, "tls PORT"; ends with its standard input.
 * server --crc DELTAS prints the CRC-32 of the text of one turn.
 */
#define _GNU_SOURCE
#include "turn.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zlib.h>

enum { REQUEST_MAX = 1 << 20, WRITE_MAX = 256 << 10, TURNS_MAX = 16 };

typedef struct connection {
    int descriptor;
    SSL *ssl;
    bool is_accepted, is_upgraded, is_flush, is_ending;
    buffer in;
    const turn *turn;      /* being sent */
    const turn *frames_of; /* and this connection's copy of it, kept for the next */
    char *frames;
    size_t sent, frame;
    uint64_t last_id;
    buffer out; /* anything but turns */
    size_t out_sent;
    uint32_t events;
} connection;

static int epoll;
static uint64_t next_id = 0x69214c8e51d0;
static turn *turns[TURNS_MAX];

static const turn *turn_of(int deltas) {
    for (int i = 0; i < TURNS_MAX; i++) {
        if (turns[i] == NULL) turns[i] = turn_new(deltas);
        if (turns[i]->deltas == deltas) return turns[i];
    }
    return NULL;
}

/* --- bytes in and out: > 0, 0 for "later", -1 for the end ---------------------------------------- */

static ssize_t ssl_result(connection *c, int result) {
    if (result > 0) return result;
    int error = SSL_get_error(c->ssl, result);
    ERR_clear_error();
    return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? 0 : -1;
}

static ssize_t receive(connection *c, void *data, size_t len) {
    if (c->ssl != NULL) return ssl_result(c, SSL_read(c->ssl, data, (int)len));
    ssize_t result = recv(c->descriptor, data, len, 0);
    if (result > 0) return result;
    return result < 0 && errno == EAGAIN ? 0 : -1;
}

static ssize_t transmit(connection *c, const void *data, size_t len) {
    if (c->ssl != NULL) return ssl_result(c, SSL_write(c->ssl, data, (int)len));
    ssize_t result = send(c->descriptor, data, len, MSG_NOSIGNAL);
    if (result >= 0) return result;
    return errno == EAGAIN ? 0 : -1;
}

static void watch(connection *c, uint32_t events) {
    if (c->events == events) return;
    struct epoll_event event = {.events = events, .data.ptr = c};
    epoll_ctl(epoll, c->events == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, c->descriptor, &event);
    c->events = events;
}

static void end(connection *c) {
    close(c->descriptor);
    SSL_free(c->ssl);
    free(c->in.data);
    free(c->out.data);
    free(c->frames);
    free(c);
}

/* false: the connection has ended. */
static bool flush(connection *c) {
    while (c->out_sent < c->out.len) {
        ssize_t sent = transmit(c, c->out.data + c->out_sent, c->out.len - c->out_sent);
        if (sent < 0) return false;
        if (sent == 0) return watch(c, EPOLLIN | EPOLLOUT), true;
        c->out_sent += (size_t)sent;
    }
    c->out.len = c->out_sent = 0;
    if (c->is_ending) return false;
    while (c->turn != NULL) {
        size_t stop = c->is_flush ? c->turn->ends[c->frame] : c->turn->frames.len;
        size_t len = stop - c->sent < WRITE_MAX ? stop - c->sent : WRITE_MAX;
        ssize_t sent = transmit(c, c->frames + c->sent, len);
        if (sent < 0) return false;
        if (sent == 0) return watch(c, EPOLLIN | EPOLLOUT), true;
        c->sent += (size_t)sent;
        if (c->sent == stop) c->frame++;
        if (c->sent == c->turn->frames.len) c->turn = NULL;
    }
    watch(c, EPOLLIN);
    return true;
}

/* --- what the client says ------------------------------------------------------------------------- */

static void close_with(connection *c, int code, const char *reason) {
    uint8_t frame[2 + 125] = {0x88, (uint8_t)(2 + strlen(reason)), (uint8_t)(code >> 8), (uint8_t)code};
    memcpy(frame + 4, reason, strlen(reason));
    buffer_add(&c->out, frame, 4 + strlen(reason));
    c->is_ending = true;
}

static void create_response(connection *c, const char *text, size_t len) {
    char mode[16];
    int deltas;
    const char *model = memmem(text, len, "\"bench-", 7);
    if (model == NULL || sscanf(model, "\"bench-%15[a-z]-%d\"", mode, &deltas) != 2 || deltas < 1 ||
        turn_of(deltas) == NULL) {
        close_with(c, 1008, "unknown model");
        return;
    }

    static const char name[] = "\"previous_response_id\"";
    const char *previous = memmem(text, len, name, sizeof name - 1);
    const char *resp = previous == NULL ? NULL : memmem(previous, len - (size_t)(previous - text), "resp_", 5);
    char last[ID_DIGITS + 1];
    snprintf(last, sizeof last, "%048llx", (unsigned long long)c->last_id);
    bool continues = resp != NULL && resp + 5 + ID_DIGITS <= text + len && memcmp(resp + 5, last, ID_DIGITS) == 0;
    if ((c->last_id != 0 && !continues) || c->turn != NULL) {
        close_with(c, 1008, c->turn != NULL ? "a response is in flight" : "not the last response's id");
        return;
    }

    c->turn = turn_of(deltas);
    if (c->frames_of != c->turn) {
        free(c->frames);
        c->frames = malloc(c->turn->frames.len);
        if (c->frames == NULL) abort();
        memcpy(c->frames, c->turn->frames.data, c->turn->frames.len);
        c->frames_of = c->turn;
    }
    c->last_id = next_id++;
    turn_set_id(c->turn, c->frames, c->last_id);
    c->is_flush = strcmp(mode, "flush") == 0;
    c->sent = c->frame = 0;
}

static void frame(connection *c, int opcode, const char *payload, size_t len) {
    uint8_t pong[2] = {0x8A, (uint8_t)len};
    if (opcode == 1) {
        create_response(c, payload, len);
    } else if (opcode == 8) {
        close_with(c, 1000, "");
    } else if (opcode == 9) {
        buffer_add(&c->out, pong, 2);
        buffer_add(&c->out, payload, len);
    }
}

/* How many bytes of the input were used; SIZE_MAX: the client broke the protocol. */
static size_t frames(connection *c) {
    size_t used = 0;
    while (!c->is_ending && c->in.len - used >= 2) {
        uint8_t *at = (uint8_t *)c->in.data + used;
        size_t available = c->in.len - used, header = 2, len = at[1] & 0x7F;
        size_t extra = len == 126 ? 2 : len == 127 ? 8 : 0;
        if (!(at[0] & 0x80) || !(at[1] & 0x80)) return SIZE_MAX;
        if (available < header + extra + 4) break;
        if (extra > 0) len = 0;
        for (size_t i = 0; i < extra; i++) len = len << 8 | at[header + i];
        header += extra + 4;
        if (len > REQUEST_MAX) return SIZE_MAX;
        if (available - header < len) break;
        for (size_t i = 0; i < len; i++) at[header + i] ^= at[header - 4 + i % 4];
        frame(c, at[0] & 0x0F, (char *)at + header, len);
        used += header + len;
    }
    return used;
}

static size_t upgrade(connection *c) {
    static const char name[] = "sec-websocket-key:", guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    char *stop = memmem(c->in.data, c->in.len, "\r\n\r\n", 4);
    if (stop == NULL) return 0;
    stop[2] = '\0';
    char *key = strcasestr(c->in.data, name);
    if (key == NULL) return SIZE_MAX;
    key += sizeof name - 1;
    key += strspn(key, " ");
    char joined[128];
    unsigned char digest[EVP_MAX_MD_SIZE], accept[64];
    snprintf(joined, sizeof joined, "%.*s%s", (int)strcspn(key, " \r"), key, guid);
    EVP_Digest(joined, strlen(joined), digest, NULL, EVP_sha1(), NULL);
    EVP_EncodeBlock(accept, digest, 20);
    buffer_format(&c->out,
                  "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                  "Sec-WebSocket-Accept: %s\r\n\r\n",
                  accept);
    c->is_upgraded = true;
    return (size_t)(stop + 4 - c->in.data);
}

static bool read_all(connection *c) {
    if (c->ssl != NULL && !c->is_accepted) {
        ssize_t result = ssl_result(c, SSL_accept(c->ssl));
        if (result <= 0) return result == 0;
        c->is_accepted = true;
    }
    for (;;) {
        char data[16 << 10];
        ssize_t received = receive(c, data, sizeof data);
        if (received < 0) return false;
        if (received == 0) break;
        buffer_add(&c->in, data, (size_t)received);
    }
    for (;;) {
        size_t used = c->is_upgraded ? frames(c) : upgrade(c);
        if (used == SIZE_MAX) return false;
        if (used == 0) break;
        memmove(c->in.data, c->in.data + used, c->in.len - used);
        c->in.len -= used;
    }
    return true;
}

/* --- the loop ------------------------------------------------------------------------------------- */

static int listener(const char *name) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (bind(descriptor, (struct sockaddr *)&address, len) != 0 || listen(descriptor, 4096) != 0 ||
        getsockname(descriptor, (struct sockaddr *)&address, &len) != 0) {
        perror("listen");
        exit(1);
    }
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, &event);
    printf("%s %d\n", name, ntohs(address.sin_port));
    return descriptor;
}

static void accept_all(int from, SSL_CTX *tls) {
    for (;;) {
        int descriptor = accept4(from, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC), on = 1;
        if (descriptor < 0) return;
        setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        connection *c = calloc(1, sizeof *c);
        if (c == NULL) abort();
        c->descriptor = descriptor;
        if (tls != NULL) {
            c->ssl = SSL_new(tls);
            SSL_set_fd(c->ssl, descriptor);
        }
        watch(c, EPOLLIN);
    }
}

static SSL_CTX *tls_context(const char *certificate, const char *key) {
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                  SSL_MODE_RELEASE_BUFFERS);
    if (SSL_CTX_use_certificate_chain_file(context, certificate) != 1 ||
        SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1) {
        ERR_print_errors_fp(stderr);
        exit(1);
    }
    return context;
}

static void print_crc(int deltas) {
    buffer text = {0};
    text_plain(&text, deltas);
    printf("%08lx %zu\n", crc32(0, (const Bytef *)text.data, (uInt)text.len), text.len);
    free(text.data);
}

int main(int argc, char **argv) {
    const char *certificate = NULL, *key = NULL;
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--crc") == 0) {
            print_crc(atoi(argv[i + 1]));
            return 0;
        }
        if (strcmp(argv[i], "--cert") == 0) certificate = argv[i + 1];
        if (strcmp(argv[i], "--key") == 0) key = argv[i + 1];
    }
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    signal(SIGPIPE, SIG_IGN);

    epoll = epoll_create1(EPOLL_CLOEXEC);
    SSL_CTX *tls = certificate == NULL ? NULL : tls_context(certificate, key);
    int plain_listener = listener("plain"), tls_listener = tls == NULL ? -1 : listener("tls");
    fflush(stdout);
    struct epoll_event input = {.events = EPOLLIN | EPOLLHUP, .data.ptr = &epoll};
    epoll_ctl(epoll, EPOLL_CTL_ADD, STDIN_FILENO, &input);

    for (;;) {
        struct epoll_event events[256];
        int count = epoll_wait(epoll, events, 256, -1);
        for (int i = 0; i < count; i++) {
            connection *c = events[i].data.ptr;
            if (events[i].data.ptr == &epoll) return 0;
            if (c == NULL) {
                accept_all(plain_listener, NULL);
                if (tls_listener >= 0) accept_all(tls_listener, tls);
                continue;
            }
            bool lives = !(events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) || read_all(c);
            if (!lives || !flush(c)) end(c);
        }
    }
}
