/*
 * cycles MODE URL COUNT CA_FILE LEAK: connects and closes COUNT times, and writes samples of what the process holds.
 *   client   a client for each connection: new, a session, connected, every fourth with a turn; freed in either order
 *   socket   raw connections of one client, closed in good order or cut by their free
 *   session  the server cuts each second request of a connection: a client's sessions reconnect in every turn
 * LEAK bytes of each cycle, and with a LEAK a descriptor, are lost on purpose.
 */
#define _GNU_SOURCE
#include <responsesws.h>

#include <dirent.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SAMPLES = 40, SESSION_TURNS = 10 };
static const int64_t patience_ms = 30000;
static const char settings[] = "{\"model\":\"rules\",\"store\":false}";
static const char input[] = "\"hello\"";

static void check(rws_status got, rws_status expected, const char *what) {
    if (got == expected) return;
    rws_error error = RWS_ERROR_INIT;
    rws_last_error(&error);
    fprintf(stderr, "%s: %s: %.*s\n", what, rws_status_name(got), (int)error.message.len, error.message.data);
    exit(1);
}

/* --- what the process holds --------------------------------------------------------------------- */

static int entries(const char *path) {
    int count = 0;
    DIR *directory = opendir(path);
    if (directory == NULL) return -1;
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) count += entry->d_name[0] != '.';
    closedir(directory);
    return count;
}

/* Until no connection is left of those that closed sessions had: what one holds (a compressor is 270 KiB) would count. */
static void await_rest(int descriptors) {
    for (int64_t waited = 0; entries("/proc/self/fd") > descriptors; waited++) {
        if (waited > patience_ms) {
            fprintf(stderr, "connections of closed sessions stay open\n");
            exit(1);
        }
        usleep(1000);
    }
}

static void sample(int cycles) {
    char line[256];
    long rss = 0, dirty = 0;
    FILE *file = fopen("/proc/self/smaps_rollup", "r");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        sscanf(line, "Rss: %ld", &rss);
        sscanf(line, "Private_Dirty: %ld", &dirty);
    }
    if (file != NULL) fclose(file);
    struct mallinfo2 heap = mallinfo2();
    printf("{\"turns\":%d,\"heap\":%zu,\"dirty\":%ld,\"rss\":%ld,\"descriptors\":%d,\"threads\":%d}\n", cycles,
           heap.uordblks + heap.hblkhd, dirty << 10, rss << 10, entries("/proc/self/fd"), entries("/proc/self/task"));
    fflush(stdout);
}

/* --- the cycles ----------------------------------------------------------------------------------- */

static rws_client_options options = RWS_CLIENT_OPTIONS_INIT;

static rws_client *new_client(void) {
    rws_client *client;
    check(rws_client_new(&options, &client), RWS_OK, "client");
    return client;
}

static rws_session *new_session(rws_client *client, const rws_identity *identity) {
    rws_session *session;
    check(rws_session_new_as(client, settings, sizeof settings - 1, identity, &session), RWS_OK, "session");
    return session;
}

/* With a key of its own, and so a connection that no other session may use, and a rate of dials of its own. */
static rws_session *new_stranger(rws_client *client, int number) {
    char key[32];
    snprintf(key, sizeof key, "key-%d", number);
    rws_identity identity = RWS_IDENTITY_INIT;
    identity.api_key = key;
    return new_session(client, &identity);
}

static void take_turn(rws_session *session) {
    rws_turn *turn;
    check(rws_turn_start(session, input, sizeof input - 1, NULL, &turn), RWS_OK, "start");
    check(rws_turn_wait(turn, patience_ms), RWS_DONE, "turn");
    rws_turn_free(turn);
}

static void client_cycle(int cycle) {
    rws_client *client = new_client();
    rws_session *session = new_session(client, NULL);
    check(rws_session_connect(session, patience_ms), RWS_OK, "connect");
    if (cycle % 4 == 0) take_turn(session);
    if (cycle % 3 == 0) check(rws_client_close(client, patience_ms), RWS_OK, "close");
    if (cycle % 2 == 0) {
        rws_session_free(session);
        rws_client_free(client);
    } else {
        rws_client_free(client);
        rws_session_free(session);
    }
}

static void socket_cycle(rws_client *client, int cycle) {
    rws_socket *socket;
    check(rws_socket_new(client, NULL, &socket), RWS_OK, "socket");
    check(rws_socket_connect(socket, patience_ms), RWS_OK, "connect");
    if (cycle % 2 == 0) check(rws_socket_close(socket, 1000, NULL, 0, patience_ms), RWS_OK, "close");
    rws_socket_free(socket);
}

static void leak(size_t bytes) {
    char *lost = bytes > 0 ? malloc(bytes) : NULL;
    if (lost == NULL) return;
    memset(lost, 1, bytes);
    if (dup(STDOUT_FILENO) < 0) exit(1);
}

int main(int argc, char **argv) {
    if (argc < 6) return 2;
    const char *mode = argv[1];
    int count = atoi(argv[3]);
    options.base_url = argv[2];
    options.api_key = "any";
    options.proxy = "";
    options.ca_file = argv[4][0] != 0 ? argv[4] : NULL;
    options.retry_backoff_ms = -1;
    int is_client = strcmp(mode, "client") == 0, is_session = strcmp(mode, "session") == 0;
    if (is_session) {
        /* Else the last connection of each key would wait for another session with that key. */
        options.idle_timeout_ms = 20;
        /* An alarm that is not needed any more is forgotten when it would have rung: here within the run. */
        options.first_event_timeout_ms = options.event_gap_timeout_ms = options.connection_age_limit_ms = 5000;
    }
    rws_client *client = is_client ? NULL : new_client();
    rws_session *session = NULL;
    int at_rest = entries("/proc/self/fd");
    for (int cycle = 1; cycle <= count; cycle++) {
        if (is_client) {
            client_cycle(cycle);
        } else if (is_session) {
            if (session == NULL) session = new_stranger(client, cycle);
            take_turn(session);
        } else {
            socket_cycle(client, cycle);
        }
        leak((size_t)atoi(argv[5]));
        /* Between sessions, so that no history counts. */
        if (is_session && cycle % SESSION_TURNS == 0) {
            rws_session_free(session);
            session = NULL;
        }
        if (session != NULL || cycle % (count / SAMPLES) != 0) continue;
        if (is_session) await_rest(at_rest);
        sample(cycle);
    }
    rws_session_free(session);
    rws_client_free(client);
    return 0;
}
