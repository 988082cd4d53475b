/* canary NAME: makes one mistake, in Swift through canary.swift or in C here. */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void canary_overflow(int32_t past);
void canary_use_after_free(void);
void canary_leak(void);
void canary_race(void);

static volatile char sink;
static int shared;

static void *race_in_swift(void *unused) {
    (void)unused;
    canary_race();
    return NULL;
}

static void *race_in_c(void *unused) {
    (void)unused;
    for (int i = 0; i < 1000; i++) shared++;
    return NULL;
}

static void on_two_threads(void *(*body)(void *)) {
    pthread_t first, second;
    if (pthread_create(&first, NULL, body, NULL) != 0) exit(3);
    if (pthread_create(&second, NULL, body, NULL) != 0) exit(3);
    pthread_join(first, NULL);
    pthread_join(second, NULL);
}

/* Volatile: the optimiser removes an allocation whose use it can see through. */
static void leak_in_c(void) {
    char *volatile bytes = malloc(2424);
    if (bytes == NULL) exit(3);
    sink = bytes[2423] = 1;
}

static void overflow_in_c(int past) {
    char *volatile bytes = malloc(16);
    if (bytes == NULL) exit(3);
    sink = bytes[15 + past];
    free(bytes);
}

/* On a thread that ends: a pointer left behind on a live stack is no leak to LeakSanitizer. */
static void *leak_on_thread(void *leak) {
    if (leak != NULL) leak_in_c();
    else canary_leak();
    return NULL;
}

static void leak(void *in_c) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, leak_on_thread, in_c) != 0) exit(3);
    pthread_join(thread, NULL);
}

int main(int argc, char **argv) {
    const char *name = argc == 2 ? argv[1] : "";
    if (strcmp(name, "none") == 0) {
        canary_overflow(0);
        overflow_in_c(0);
    } else if (strcmp(name, "overflow") == 0) {
        canary_overflow(argc - 1);
    } else if (strcmp(name, "use-after-free") == 0) {
        canary_use_after_free();
    } else if (strcmp(name, "leak") == 0) {
        leak(NULL);
    } else if (strcmp(name, "race") == 0) {
        on_two_threads(race_in_swift);
    } else if (strcmp(name, "c-overflow") == 0) {
        overflow_in_c(argc - 1);
    } else if (strcmp(name, "c-leak") == 0) {
        leak(&shared);
    } else if (strcmp(name, "c-race") == 0) {
        on_two_threads(race_in_c);
    } else {
        return 2;
    }
    puts("done");
    return 0;
}
