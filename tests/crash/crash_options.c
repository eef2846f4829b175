// SPDX-License-Identifier: Apache-2.0
#include "tests/crash/crash_options.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Columns: type, field, name, default, help. */
#define CRASH_OPTIONS(O)                                                                     \
    O(text, broker, "broker", "build/release/bin/whippet", "command of the broker")          \
    O(text, directory, "dir", "build/crash", "where the broker's data and log are")          \
    O(number, cycles, "cycles", 100, "load, kill, start, compare")                           \
    O(number, recovery, "recovery", 50, "as many with kills during the start besides")       \
    O(number, stops, "stops", 10, "as many with SIGTERM instead, after all connections")     \
    O(number, seconds, "seconds", 0, "no new cycle after that many; 0: no limit")            \
    O(number, seed, "seed", 0, "of everything that is drawn; 0: a new one")                  \
    O(number, ack_interval_ms, "ack-interval", 100, "an ack taken so many ms ago must last") \
    O(number, load_ms, "load-ms", 1500, "longest load before a kill")                        \
    O(number, start_ms, "start-ms", 30000, "longest start of the broker")                    \
    O(flag, lax, "lax", 0, "demand no more of acks and transactions than RabbitMQ keeps")    \
    O(flag, alive, "alive", 0, "neither kill nor stop it, only end the connections")         \
    O(flag, keep, "keep", 0, "keep the data even when nothing is found")                     \
    O(flag, self_test, "self-test", 0, "the checker against scripted histories")             \
    O(flag, help, "help", 0, "this")

enum option_type { OPTION_text, OPTION_number, OPTION_flag };

struct option_row {
    const char *name;
    enum option_type type;
    size_t offset;
    const char *help;
};

#define OPTION_ROW(type, field, name, standard, help) \
    {name, OPTION_##type, offsetof(struct crash_options, field), help},
static const struct option_row OPTIONS[] = {CRASH_OPTIONS(OPTION_ROW)};
#undef OPTION_ROW

enum { N_OPTIONS = sizeof(OPTIONS) / sizeof(OPTIONS[0]) };

static bool crash_options_number(const char *text, uint64_t *v)
{
    char *end;
    errno = 0;
    *v = strtoull(text, &end, 10);
    return *text >= '0' && *text <= '9' && *end == 0 && errno == 0;
}

/* Takes one argument, and its value when it has one. */
static bool crash_options_take(struct crash_options *o, char **argv, int *i)
{
    for (size_t k = 0; k < N_OPTIONS; k++) {
        const struct option_row *row = &OPTIONS[k];
        void *at = (char *)o + row->offset;
        if (strncmp(argv[*i], "--", 2) != 0 || strcmp(argv[*i] + 2, row->name) != 0)
            continue;
        if (row->type == OPTION_flag) {
            *(bool *)at = true;
            return true;
        }
        const char *value = argv[++*i];
        if (value != NULL && row->type == OPTION_text) {
            *(const char **)at = value;
            return true;
        }
        if (value != NULL && crash_options_number(value, at))
            return true;
        fprintf(stderr, "whippet-crash: --%s needs a %s\n", row->name,
                row->type == OPTION_text ? "text" : "number");
        return false;
    }
    fprintf(stderr, "whippet-crash: no such option: %s\n", argv[*i]);
    return false;
}

bool crash_options_parse(struct crash_options *o, int argc, char **argv)
{
#define OPTION_DEFAULT(type, field, name, standard, help) .field = standard,
    *o = (struct crash_options){CRASH_OPTIONS(OPTION_DEFAULT)};
#undef OPTION_DEFAULT
    for (int i = 1; i < argc; i++)
        if (!crash_options_take(o, argv, &i))
            return false;
    return true;
}

void crash_options_help(void)
{
    printf("Usage: whippet-crash [OPTION]...\n\n"
           "Loads a broker, kills it with SIGKILL, starts it again, and compares what is there\n"
           "with what it had promised.\n\n");
    for (size_t k = 0; k < N_OPTIONS; k++) {
        char name[32];
        static const char *const VALUE[] = {" TEXT", " N", ""};
        snprintf(name, sizeof(name), "--%s%s", OPTIONS[k].name, VALUE[OPTIONS[k].type]);
        printf("  %-20s %s\n", name, OPTIONS[k].help);
    }
}
