/*
 * The turn that the benchmark's server sends and its clients must have read: one answer of the real
 * shape, encoded once as WebSocket frames. Its text is a function of the number of deltas alone.
 */
#ifndef BENCH_TURN_H
#define BENCH_TURN_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* "resp_" and the digits that turn_set_id() writes. */
enum { ID_DIGITS = 48, ID_COUNT = 3 };

typedef struct buffer {
    char *data;
    size_t len, capacity;
} buffer;

typedef struct turn {
    int deltas;
    buffer frames;
    size_t *ends; /* of each frame */
    size_t count;
    size_t ids[ID_COUNT]; /* where the digits of the response's id are */
} turn;

static void buffer_add(buffer *b, const void *data, size_t len) {
    if (b->capacity - b->len < len) {
        b->capacity = (b->len + len) * 2;
        b->data = realloc(b->data, b->capacity);
        if (b->data == NULL) abort();
    }
    memcpy(b->data + b->len, data, len);
    b->len += len;
}

static void buffer_format(buffer *b, const char *format, ...) {
    char text[8192];
    va_list arguments;
    va_start(arguments, format);
    int len = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (len < 0 || (size_t)len >= sizeof text) abort();
    buffer_add(b, text, (size_t)len);
}

/* The index-th delta as it stands in JSON. Tokens of usual length; some with an escape, some beyond
 * ASCII, because readers have slower ways for those. */
static const char *delta_json(int index) {
    static const char *const words[] = {
        " the", " connection", " keeps", " its", " state", ",", " so", " each", " turn", " sends",
        " only", " what", " is", " new", ".", " caf\u00e9", " and", " then", "\\n\\n", " tokens",
        " arrive", " one", " by", " one", " \\\"as", " they", " are", "\\\"", " made", " \u2014", " quickly",
    };
    return words[(unsigned)index * 7u % (sizeof words / sizeof *words)];
}

static void text_json(buffer *b, int deltas) {
    for (int i = 0; i < deltas; i++) buffer_add(b, delta_json(i), strlen(delta_json(i)));
}

/* The same text unescaped: what a client ends up with. */
static inline void text_plain(buffer *b, int deltas) {
    for (int i = 0; i < deltas; i++)
        for (const char *at = delta_json(i); *at != '\0'; at++) {
            char byte = *at;
            if (byte == '\\') byte = *++at == 'n' ? '\n' : *at;
            buffer_add(b, &byte, 1);
        }
}

/* Takes the text: json is empty afterwards. */
static void turn_add_frame(turn *t, buffer *json) {
    uint8_t header[10] = {0x81};
    size_t header_len = 2;
    if (json->len < 126) {
        header[1] = (uint8_t)json->len;
    } else if (json->len <= 0xFFFF) {
        header[1] = 126;
        header_len = 4;
    } else {
        header[1] = 127;
        header_len = 10;
    }
    for (size_t i = 2; i < header_len; i++)
        header[i] = (uint8_t)(json->len >> 8 * (header_len - 1 - i));
    buffer_add(&t->frames, header, header_len);
    buffer_add(&t->frames, json->data, json->len);
    t->ends[t->count++] = t->frames.len;
    json->len = 0;
}

static const char id_placeholder[] = "resp_@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@";
static const char item_id[] = "msg_0a6c1f3b9d2e48570069214c8e51d081a3b7f60c2d94e8b57f";

/* A response object with the members that the service sends, up to its "output". */
static void response_json(buffer *b, const char *status, const char *completed_at) {
    buffer_format(
        b,
        "{\"id\":\"%s\",\"object\":\"response\",\"created_at\":1763706000,\"status\":\"%s\","
        "\"background\":false,\"completed_at\":%s,\"error\":null,\"frequency_penalty\":0.0,"
        "\"incomplete_details\":null,\"instructions\":\"You are a helpful agent.\","
        "\"max_output_tokens\":null,\"max_tool_calls\":null,\"model\":\"bench\","
        "\"parallel_tool_calls\":true,\"presence_penalty\":0.0,\"previous_response_id\":null,"
        "\"prompt_cache_key\":null,\"prompt_cache_retention\":null,"
        "\"reasoning\":{\"effort\":\"none\",\"summary\":null},\"safety_identifier\":null,"
        "\"service_tier\":\"auto\",\"store\":false,\"temperature\":1.0,"
        "\"text\":{\"format\":{\"type\":\"text\"},\"verbosity\":\"medium\"},\"tool_choice\":\"auto\","
        "\"tools\":[],\"top_logprobs\":0,\"top_p\":1.0,\"truncation\":\"disabled\",\"user\":null,"
        "\"metadata\":{},\"output\":",
        id_placeholder, status, completed_at);
}

static void part_json(buffer *b, int deltas) {
    buffer_format(b, "{\"type\":\"output_text\",\"annotations\":[],\"logprobs\":[],\"text\":\"");
    text_json(b, deltas);
    buffer_format(b, "\"}");
}

static void item_json(buffer *b, int deltas) {
    buffer_format(b, "{\"id\":\"%s\",\"type\":\"message\",\"status\":\"completed\",\"content\":[", item_id);
    part_json(b, deltas);
    buffer_format(b, "],\"role\":\"assistant\"}");
}

static turn *turn_new(int deltas) {
    turn *t = calloc(1, sizeof *t);
    buffer json = {0};
    int sequence = 0;
    if (t == NULL) abort();
    t->deltas = deltas;
    t->ends = calloc((size_t)deltas + 8, sizeof *t->ends);
    if (t->ends == NULL) abort();

    static const char *const beginnings[] = {"created", "in_progress"};
    for (int i = 0; i < 2; i++) {
        buffer_format(&json, "{\"type\":\"response.%s\",\"response\":", beginnings[i]);
        response_json(&json, "in_progress", "null");
        buffer_format(&json, "[],\"usage\":null},\"sequence_number\":%d}", sequence++);
        turn_add_frame(t, &json);
    }
    buffer_format(
        &json,
        "{\"type\":\"response.output_item.added\",\"item\":{\"id\":\"%s\",\"type\":\"message\","
        "\"status\":\"in_progress\",\"content\":[],\"role\":\"assistant\"},\"output_index\":0,"
        "\"sequence_number\":%d}",
        item_id, sequence++);
    turn_add_frame(t, &json);
    buffer_format(
        &json,
        "{\"type\":\"response.content_part.added\",\"content_index\":0,\"item_id\":\"%s\","
        "\"output_index\":0,\"part\":{\"type\":\"output_text\",\"annotations\":[],\"logprobs\":[],"
        "\"text\":\"\"},\"sequence_number\":%d}",
        item_id, sequence++);
    turn_add_frame(t, &json);

    for (int i = 0; i < deltas; i++) {
        buffer_format(
            &json,
            "{\"type\":\"response.output_text.delta\",\"content_index\":0,\"delta\":\"%s\","
            "\"item_id\":\"%s\",\"logprobs\":[],\"obfuscation\":\"%.*s\",\"output_index\":0,"
            "\"sequence_number\":%d}",
            delta_json(i), item_id, 16 - (int)strlen(delta_json(i)), "aK3xQ9vTz1LmN7pR", sequence++);
        turn_add_frame(t, &json);
    }

    buffer_format(
        &json,
        "{\"type\":\"response.output_text.done\",\"content_index\":0,\"item_id\":\"%s\","
        "\"logprobs\":[],\"output_index\":0,\"sequence_number\":%d,\"text\":\"",
        item_id, sequence++);
    text_json(&json, deltas);
    buffer_format(&json, "\"}");
    turn_add_frame(t, &json);
    buffer_format(
        &json,
        "{\"type\":\"response.content_part.done\",\"content_index\":0,\"item_id\":\"%s\","
        "\"output_index\":0,\"part\":",
        item_id);
    part_json(&json, deltas);
    buffer_format(&json, ",\"sequence_number\":%d}", sequence++);
    turn_add_frame(t, &json);
    buffer_format(&json, "{\"type\":\"response.output_item.done\",\"item\":");
    item_json(&json, deltas);
    buffer_format(&json, ",\"output_index\":0,\"sequence_number\":%d}", sequence++);
    turn_add_frame(t, &json);
    buffer_format(&json, "{\"type\":\"response.completed\",\"response\":");
    response_json(&json, "completed", "1763706002");
    buffer_format(&json, "[");
    item_json(&json, deltas);
    buffer_format(
        &json,
        "],\"usage\":{\"input_tokens\":1200,\"input_tokens_details\":{\"cached_tokens\":1024},"
        "\"output_tokens\":%d,\"output_tokens_details\":{\"reasoning_tokens\":0},"
        "\"total_tokens\":%d}},\"sequence_number\":%d}",
        deltas, deltas + 1200, sequence++);
    turn_add_frame(t, &json);
    free(json.data);

    size_t found = 0;
    for (size_t at = 0; at + sizeof id_placeholder <= t->frames.len && found < ID_COUNT; at++)
        if (memcmp(t->frames.data + at, id_placeholder, sizeof id_placeholder - 1) == 0)
            t->ids[found++] = at + 5;
    return t;
}

/* Writes the id of the response into frames that were copied from the turn's. */
static void turn_set_id(const turn *t, char *frames, uint64_t id) {
    char digits[ID_DIGITS + 1];
    snprintf(digits, sizeof digits, "%048llx", (unsigned long long)id);
    for (int i = 0; i < ID_COUNT; i++) memcpy(frames + t->ids[i], digits, ID_DIGITS);
}

#endif
