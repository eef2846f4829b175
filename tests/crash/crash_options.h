// SPDX-License-Identifier: Apache-2.0
/* tests/crash/crash_options.h — what whippet-crash is asked to do.
 *
 * Thread: one.   Blocks: never.   Allocates: never.
 */
#ifndef TESTS_CRASH_CRASH_OPTIONS_H
#define TESTS_CRASH_CRASH_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

struct crash_options {
    const char *broker;       /* command, to which --listen and --data are added */
    const char *directory;    /* below which runs have theirs */
    uint64_t cycles;          /* load, kill, start, compare */
    uint64_t recovery;        /* the same with kills during the start */
    uint64_t stops;           /* the same with connections closed in order, and SIGTERM */
    uint64_t seconds;         /* no new cycle after that; 0 = no limit */
    uint64_t seed;            /* 0 = from the clock */
    uint64_t ack_interval_ms; /* an ack that was known taken so long before the kill must last */
    uint64_t load_ms;         /* longest load of a cycle */
    uint64_t start_ms;        /* longest start of the broker */
    bool lax;   /* demand neither lasting acks nor whole transactions without commit-ok */
    bool alive; /* close the connections in order, and leave the broker alive */
    bool keep;  /* the directory, whatever comes out */
    bool self_test;
    bool help;
};

/* False when the arguments are wrong: a sentence is on stderr. */
bool crash_options_parse(struct crash_options *o, int argc, char **argv);

void crash_options_help(void);

#endif
