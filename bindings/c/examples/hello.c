/* hello [URL]: asks one question and prints the answer as it streams. Without a URL it asks the
 * service, with $OPENAI_API_KEY.
 * cc hello.c -IInclude -Lbuild/lib -lresponsesws -Wl,-rpath,$PWD/build/lib -o hello */
#include <responsesws.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv) {
    const char *settings = "{\"model\": \"gpt-5.2\", \"store\": false}";
    const char *input = "\"Say hello to a C program.\"";
    rws_client_options options = RWS_CLIENT_OPTIONS_INIT;
    rws_client *client = NULL;
    rws_session *session = NULL;
    rws_turn *turn = NULL;
    if (argc > 1) options.base_url = argv[1];

    rws_status status = rws_client_new(&options, &client);
    if (status == RWS_OK) status = rws_session_new(client, settings, strlen(settings), &session);
    if (status == RWS_OK) status = rws_turn_start(session, input, strlen(input), NULL, &turn);

    rws_event event = RWS_EVENT_INIT;
    while (status == RWS_OK && (status = rws_turn_next(turn, RWS_NO_LIMIT, &event)) == RWS_OK)
        fwrite(event.delta.data, 1, event.delta.len, stdout);
    if (status == RWS_DONE) puts("");

    if (status < 0) {
        rws_error error = RWS_ERROR_INIT;
        if (turn != NULL) rws_turn_error(turn, &error);
        else rws_last_error(&error);
        fprintf(stderr, "%.*s\n", (int)error.message.len, error.message.data);
    }
    rws_turn_free(turn);
    rws_session_free(session);
    rws_client_free(client);
    return status == RWS_DONE ? 0 : 1;
}
