/* What both clients on libresponsesws need. */
#ifndef BENCH_OURS_H
#define BENCH_OURS_H

#include <responsesws.h>
#include <stdio.h>
#include <stdlib.h>

static inline void check(rws_status status, rws_status expected, const char *what) {
    rws_error error = RWS_ERROR_INIT;
    if (status == expected) return;
    rws_last_error(&error);
    fprintf(stderr, "%s: %s: %.*s\n", what, rws_status_name(status), (int)error.message.len,
            error.message.data);
    exit(1);
}

#endif
