/*
 * agent [--url URL] [DIRECTORY [QUESTION]]
 *
 * An agent that explores a directory over one WebSocket: the model asks for list_files, read_file and
 * search, this program runs them and sends back only what they returned. Each turn reports the bytes
 * sent against the bytes that the same request would have needed over HTTP.
 *
 * Against the service: $OPENAI_API_KEY, and if wanted $OPENAI_BASE_URL and $RWS_MODEL.
 */
#define _XOPEN_SOURCE 700
#include <cjson/cJSON.h>
#include <responsesws.h>

#include <dirent.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { TURNS_MAX = 100, ENTRIES_MAX = 400, LINES_MAX = 200, HITS_MAX = 60 };

static const char question_default[] =
    "How does this project work? Name the parts, follow one request through them, and cite files "
    "and lines.";

static const char settings_format[] =
    "{\"model\":\"%s\",\"store\":false,"
    "\"instructions\":\"You explore a source tree with your tools before you answer. Read what you "
    "cite; cite as path:line.\","
    "\"tools\":["
    "{\"type\":\"function\",\"name\":\"list_files\",\"strict\":true,"
    "\"description\":\"List a directory: one path a line, relative to the root; directories end with "
    "'/'.\",\"parameters\":{\"type\":\"object\",\"properties\":{"
    "\"path\":{\"type\":\"string\",\"description\":\"A directory, relative to the root; '.' is the "
    "root.\"}},\"required\":[\"path\"],\"additionalProperties\":false}},"
    "{\"type\":\"function\",\"name\":\"read_file\",\"strict\":true,"
    "\"description\":\"Read lines of a text file, numbered from 1, both ends included.\","
    "\"parameters\":{\"type\":\"object\",\"properties\":{\"path\":{\"type\":\"string\"},"
    "\"start_line\":{\"type\":\"integer\"},\"end_line\":{\"type\":\"integer\",\"description\":\"At most "
    "200 lines are returned.\"}},"
    "\"required\":[\"path\",\"start_line\",\"end_line\"],\"additionalProperties\":false}},"
    "{\"type\":\"function\",\"name\":\"search\",\"strict\":true,"
    "\"description\":\"Find lines that contain a text, whatever its case: 'path:line: text' for "
    "each.\",\"parameters\":{\"type\":\"object\",\"properties\":{"
    "\"pattern\":{\"type\":\"string\",\"description\":\"Plain text, no regular expression.\"},"
    "\"path\":{\"type\":\"string\",\"description\":\"A file or directory to search; '.' is all.\"}},"
    "\"required\":[\"pattern\",\"path\"],\"additionalProperties\":false}}]}";

/* --- a text that grows ------------------------------------------------------------------------- */

struct text {
    char *data; /* NUL-terminated */
    size_t length, capacity;
};

static void append_bytes(struct text *text, const char *bytes, size_t length) {
    if (text->capacity - text->length <= length) {
        text->capacity = (text->length + length + 1) * 2;
        text->data = realloc(text->data, text->capacity);
        if (text->data == NULL) abort();
    }
    memcpy(text->data + text->length, bytes, length);
    text->length += length;
    text->data[text->length] = '\0';
}

static void append(struct text *text, const char *format, ...) {
    char part[4096];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(part, sizeof(part), format, arguments);
    va_end(arguments);
    if (length > 0) {
        size_t bytes = (size_t)length;
        append_bytes(text, part, bytes < sizeof(part) ? bytes : sizeof(part) - 1);
    }
}

/* Bytes of the UTF-8 character at bytes, 0 when there is none. */
static size_t character_length(const unsigned char *bytes, size_t left) {
    size_t length = bytes[0] < 0x80 ? 1 : bytes[0] >= 0xC2 && bytes[0] < 0xE0 ? 2
                  : bytes[0] >= 0xE0 && bytes[0] < 0xF0 ? 3 : bytes[0] >= 0xF0 && bytes[0] < 0xF5 ? 4 : 0;
    if (length == 0 || length > left) return 0;
    for (size_t i = 1; i < length; i++)
        if ((bytes[i] & 0xC0) != 0x80) return 0;
    if (bytes[0] == 0xE0 && bytes[1] < 0xA0) return 0;
    if (bytes[0] == 0xED && bytes[1] > 0x9F) return 0;
    if (bytes[0] == 0xF0 && bytes[1] < 0x90) return 0;
    if (bytes[0] == 0xF4 && bytes[1] > 0x8F) return 0;
    return length;
}

/* Files hold what they like, JSON is UTF-8: each byte that is not becomes U+FFFD. */
static void append_line(struct text *text, const char *line, size_t length) {
    for (size_t at = 0, step; at < length; at += step) {
        step = character_length((const unsigned char *)line + at, length - at);
        if (step > 0) append_bytes(text, line + at, step);
        else append_bytes(text, "\xEF\xBF\xBD", 3), step = 1;
    }
    append_bytes(text, "\n", 1);
}

/* --- the tools --------------------------------------------------------------------------------- */

static const char *root;

/* Paths come from the model: nothing outside the root, nothing hidden, no build output. */
static int is_allowed(const char *path) {
    static const char *const left_out[] = {"build", "node_modules", "__pycache__", "venv", "target", "dist"};
    if (path[0] == '/') return 0;
    for (const char *part = path; part != NULL; part = strchr(part, '/')) {
        if (*part == '/') part++;
        size_t length = strcspn(part, "/");
        if (part[0] == '.' && length > 1) return 0;
        for (size_t i = 0; i < sizeof(left_out) / sizeof(left_out[0]); i++)
            if (strlen(left_out[i]) == length && memcmp(part, left_out[i], length) == 0) return 0;
    }
    return 1;
}

/* "a" and "b" to "a/b"; "." is the root and leaves no trace in a path. */
static char *joined(const char *directory, const char *name) {
    struct text path = {0};
    if (strcmp(directory, ".") == 0) append(&path, "%s", name);
    else append(&path, "%s/%s", directory, name);
    return path.data;
}

/* The whole file, NUL-terminated; NULL when it is no text file that may be read. */
static char *contents(const char *path, size_t *length_out) {
    struct stat information;
    char *full = joined(root, path), *data = NULL;
    /* A symbolic link could lead out of the root. */
    if (is_allowed(path) && lstat(full, &information) == 0 && S_ISREG(information.st_mode) &&
        information.st_size <= 2 << 20) {
        FILE *file = fopen(full, "rb");
        size_t size = (size_t)information.st_size;
        if (file != NULL && (data = malloc(size + 1)) != NULL) {
            *length_out = fread(data, 1, size, file);
            data[*length_out] = '\0';
            if (memchr(data, '\0', *length_out) != NULL) {
                free(data);
                data = NULL;
            }
        }
        if (file != NULL) fclose(file);
    }
    free(full);
    return data;
}

static int by_name(const void *left, const void *right) {
    return strcmp(*(char *const *)left, *(char *const *)right);
}

/* The names in a directory, sorted; directories end with a slash. -1: it cannot be read. */
static int entries_of(const char *path, char **names, int limit) {
    char *full = joined(root, path);
    DIR *directory = is_allowed(path) ? opendir(full) : NULL;
    int count = 0;
    struct dirent *entry;
    while (directory != NULL && count < limit && (entry = readdir(directory)) != NULL) {
        struct stat information;
        char *inside = joined(path, entry->d_name), *absolute = joined(full, entry->d_name);
        if (entry->d_name[0] != '.' && is_allowed(inside) && lstat(absolute, &information) == 0 &&
            (S_ISREG(information.st_mode) || S_ISDIR(information.st_mode))) {
            struct text name = {0};
            append(&name, "%s%s", inside, S_ISDIR(information.st_mode) ? "/" : "");
            names[count++] = name.data;
        }
        free(inside);
        free(absolute);
    }
    free(full);
    if (directory == NULL) return -1;
    closedir(directory);
    qsort(names, (size_t)count, sizeof(names[0]), by_name);
    return count;
}

static void list_files(const char *path, struct text *output) {
    char *names[ENTRIES_MAX];
    int count = entries_of(path, names, ENTRIES_MAX);
    if (count < 0) append(output, "error: %s is no directory that can be read\n", path);
    for (int i = 0; i < count; i++) {
        append(output, "%s\n", names[i]);
        free(names[i]);
    }
    if (count == 0) append(output, "(empty)\n");
    if (count == ENTRIES_MAX) append(output, "(there may be more)\n");
}

static void read_file(const char *path, int first, int last, struct text *output) {
    size_t length = 0;
    char *data = contents(path, &length);
    if (data == NULL) {
        append(output, "error: %s is no text file that can be read\n", path);
        return;
    }
    int total = length > 0 && data[length - 1] != '\n';
    for (size_t i = 0; i < length; i++) total += data[i] == '\n';
    if (first < 1) first = 1;
    if (last > total) last = total;
    if (first > last) {
        append(output, "error: %s has %d lines; none of them is in that range\n", path, total);
        free(data);
        return;
    }
    if (last - first >= LINES_MAX) last = first + LINES_MAX - 1;
    append(output, "%s: lines %d-%d of %d\n", path, first, last, total);
    int number = 1;
    for (char *line = data, *end; number <= last && line < data + length; line = end + 1, number++) {
        end = memchr(line, '\n', (size_t)(data + length - line));
        if (end == NULL) end = data + length;
        if (number < first) continue;
        append(output, "%d: ", number);
        append_line(output, line, (size_t)(end - line));
    }
    free(data);
}

static char lowered(char byte) { return byte >= 'A' && byte <= 'Z' ? (char)(byte + 32) : byte; }

static int contains(const char *line, size_t length, const char *pattern) {
    size_t wanted = strlen(pattern);
    for (size_t start = 0; start + wanted <= length; start++) {
        size_t same = 0;
        while (same < wanted && lowered(line[start + same]) == lowered(pattern[same])) same++;
        if (same == wanted) return 1;
    }
    return 0;
}

static void search_file(const char *path, const char *pattern, struct text *output, int *hits) {
    size_t length = 0;
    char *data = contents(path, &length);
    if (data == NULL) return;
    int number = 1;
    for (char *line = data, *end; line < data + length; line = end + 1, number++) {
        end = memchr(line, '\n', (size_t)(data + length - line));
        if (end == NULL) end = data + length;
        if (*hits >= HITS_MAX) break;
        if (!contains(line, (size_t)(end - line), pattern)) continue;
        *hits += 1;
        append(output, "%s:%d: ", path, number);
        append_line(output, line, (size_t)(end - line));
    }
    free(data);
}

static void search_directory(const char *path, const char *pattern, struct text *output, int *hits) {
    char *names[ENTRIES_MAX];
    int count = entries_of(path, names, ENTRIES_MAX);
    for (int i = 0; i < count; i++) {
        size_t length = strlen(names[i]);
        if (*hits < HITS_MAX && names[i][length - 1] == '/') {
            names[i][length - 1] = '\0';
            search_directory(names[i], pattern, output, hits);
        } else if (*hits < HITS_MAX) {
            search_file(names[i], pattern, output, hits);
        }
        free(names[i]);
    }
}

static void search(const char *path, const char *pattern, struct text *output) {
    int hits = 0;
    if (pattern[0] == '\0') {
        append(output, "error: the pattern is empty\n");
        return;
    }
    search_file(path, pattern, output, &hits);
    if (hits == 0) search_directory(path, pattern, output, &hits);
    if (hits == 0) append(output, "(no matches)\n");
    if (hits == HITS_MAX) append(output, "(there may be more)\n");
}

/* --- the loop ---------------------------------------------------------------------------------- */

static const char *text_member(const cJSON *object, const char *name, const char *otherwise) {
    const cJSON *member = cJSON_GetObjectItemCaseSensitive(object, name);
    return cJSON_IsString(member) ? member->valuestring : otherwise;
}

/* A path without "./" before it and slashes after it. */
static const char *path_member(const cJSON *object, const char *otherwise) {
    cJSON *member = cJSON_GetObjectItemCaseSensitive(object, "path");
    if (!cJSON_IsString(member)) return otherwise;
    char *path = member->valuestring;
    size_t length = strlen(path);
    while (length > 1 && path[length - 1] == '/') path[--length] = '\0';
    return strncmp(path, "./", 2) == 0 ? path + 2 : path;
}

static int line_member(const cJSON *object, const char *name, int otherwise) {
    const cJSON *member = cJSON_GetObjectItemCaseSensitive(object, name);
    return cJSON_IsNumber(member) ? member->valueint : otherwise;
}

static int is_text(rws_string string, const char *text) {
    return string.len == strlen(text) && memcmp(string.data, text, string.len) == 0;
}

/* Runs one tool call; its output goes into the answer's array of input items. */
static void run_call(const rws_call *call, cJSON *answers) {
    struct text output = {0};
    cJSON *arguments = NULL;
    append(&output, "%s", "");
    if (rws_json_tree(call->arguments, &arguments) != RWS_OK) {
        append(&output, "error: the arguments are no JSON\n");
    } else if (is_text(call->name, "list_files")) {
        list_files(path_member(arguments, "."), &output);
    } else if (is_text(call->name, "read_file")) {
        read_file(path_member(arguments, ""), line_member(arguments, "start_line", 1),
                  line_member(arguments, "end_line", LINES_MAX), &output);
    } else if (is_text(call->name, "search")) {
        search(path_member(arguments, "."), text_member(arguments, "pattern", ""), &output);
    } else {
        append(&output, "error: there is no such tool\n");
    }
    printf("  %.*s %.*s -> %zu bytes\n", (int)call->name.len, call->name.data,
           (int)call->arguments.len, call->arguments.data, output.length);
    char *call_id = strndup(call->call_id.data, call->call_id.len);
    cJSON *item = cJSON_CreateObject();
    cJSON_AddStringToObject(item, "type", "function_call_output");
    cJSON_AddStringToObject(item, "call_id", call_id);
    cJSON_AddStringToObject(item, "output", output.data);
    cJSON_AddItemToArray(answers, item);
    free(call_id);
    free(output.data);
    cJSON_Delete(arguments);
}

static int report_failure(const char *what, rws_turn *turn, rws_status status) {
    rws_error error = RWS_ERROR_INIT;
    if (turn == NULL || rws_turn_error(turn, &error) != RWS_OK) rws_last_error(&error);
    fprintf(stderr, "\n%s: %s: %.*s\n", what, rws_status_name(status), (int)error.message.len,
            error.message.data);
    return 1;
}

static struct {
    int turns;
    size_t calls;
    uint64_t sent, over_http;
    int64_t microseconds;
} total;

static void report_turn(rws_turn *turn) {
    rws_stats stats = RWS_STATS_INIT;
    if (rws_turn_stats(turn, &stats) != RWS_OK) return;
    total.turns += 1;
    total.sent += stats.request_bytes;
    total.over_http += stats.full_request_bytes;
    total.microseconds += stats.end_us;
    printf("[turn %d] sent %llu bytes, over HTTP %llu; first event %.1f ms, total %.1f ms\n",
           total.turns, (unsigned long long)stats.request_bytes,
           (unsigned long long)stats.full_request_bytes, (double)stats.first_event_us / 1000,
           (double)stats.end_us / 1000);
}

/* One turn: streams its text, runs its calls. The next input, to be freed; NULL when there is none. */
static char *run_turn(rws_turn *turn, int *failed_out) {
    rws_event event = RWS_EVENT_INIT;
    rws_result result = RWS_RESULT_INIT;
    rws_status status;
    int has_text = 0;
    while ((status = rws_turn_next(turn, RWS_NO_LIMIT, &event)) == RWS_OK) {
        if (event.kind != RWS_EVENT_OUTPUT_TEXT_DELTA) continue;
        fwrite(event.delta.data, 1, event.delta.len, stdout);
        fflush(stdout);
        has_text = 1;
    }
    if (has_text) puts("");
    if (status == RWS_DONE) status = rws_turn_result(turn, &result);
    if (status != RWS_OK) {
        *failed_out = report_failure("the turn failed", turn, status);
        return NULL;
    }
    cJSON *answers = cJSON_CreateArray();
    for (size_t i = 0; i < result.call_count; i++) {
        rws_call call = RWS_CALL_INIT;
        if (rws_turn_call(turn, i, &call) == RWS_OK) run_call(&call, answers);
    }
    report_turn(turn);
    total.calls += result.call_count;
    char *input = result.call_count > 0 ? cJSON_PrintUnformatted(answers) : NULL;
    cJSON_Delete(answers);
    return input;
}

static int explore(rws_session *session, const char *question) {
    cJSON *first = cJSON_CreateString(question);
    char *input = cJSON_PrintUnformatted(first);
    int failed = 0;
    cJSON_Delete(first);
    for (int i = 0; input != NULL && i < TURNS_MAX; i++) {
        rws_turn *turn = NULL;
        rws_status status = rws_turn_start(session, input, strlen(input), NULL, &turn);
        cJSON_free(input);
        input = NULL;
        if (status != RWS_OK) return report_failure("the turn did not start", NULL, status);
        input = run_turn(turn, &failed);
        rws_turn_free(turn);
    }
    if (input != NULL) {
        fprintf(stderr, "no answer after %d turns\n", TURNS_MAX);
        cJSON_free(input);
        failed = 1;
    }
    return failed;
}

int main(int argc, char **argv) {
    rws_client_options options = RWS_CLIENT_OPTIONS_INIT;
    rws_client *client = NULL;
    rws_session *session = NULL;
    int at = 1;
    if (at + 1 < argc && strcmp(argv[at], "--url") == 0) {
        options.base_url = argv[at + 1];
        options.api_key = "";
        at += 2;
    }
    root = at < argc ? argv[at++] : ".";
    const char *question = at < argc ? argv[at] : question_default;
    const char *model = getenv("RWS_MODEL");
    /* The local server's model of this name explores; see docs/explorer-tools.md. */
    if (model == NULL) model = options.base_url != NULL ? "explorer" : "gpt-5.2";

    struct text settings = {0};
    append(&settings, settings_format, model);
    printf("%s\n\n", question);
    rws_status status = rws_client_new(&options, &client);
    if (status == RWS_OK)
        status = rws_session_new(client, settings.data, settings.length, &session);
    int failed = status == RWS_OK ? explore(session, question)
                                  : report_failure("no session", NULL, status);
    printf("\n%d turns, %zu tool calls, %.1f ms over one connection: sent %llu bytes, "
           "HTTP would have sent %llu\n", total.turns, total.calls,
           (double)total.microseconds / 1000, (unsigned long long)total.sent,
           (unsigned long long)total.over_http);
    rws_session_free(session);
    rws_client_close(client, 2000);
    rws_client_free(client);
    free(settings.data);
    return failed;
}
