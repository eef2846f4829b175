// SPDX-License-Identifier: Apache-2.0
/* The command line of whippet-perf. */
#include "broker/cli/perf_options.h"

#include <getopt.h>
#include <string.h>

#include "tests/base/suite.h"

enum { ARGS_MAX = 64 };

/* Parses words that are separated by blanks. */
static enum perf_wish parse(struct perf_options *o, const char *words, char *why, size_t why_size)
{
    static char copy[512];
    static char program[] = "whippet-perf";
    char *argv[ARGS_MAX + 1] = {program};
    int argc = 1;
    snprintf(copy, sizeof(copy), "%s", words);
    char *rest = copy;
    for (char *word; argc < ARGS_MAX && (word = strsep(&rest, " ")) != NULL;)
        argv[argc++] = word;
    optind = 0; /* getopt starts over */
    opterr = 0;
    return perf_options_parse(o, words[0] == 0 ? 1 : argc, argv, why, why_size);
}

START_TEST(defaults_are_one_of_each)
{
    struct perf_options o;
    char why[256];
    ck_assert_int_eq(parse(&o, "", why, sizeof(why)), PERF_RUN);
    ck_assert_uint_eq(o.producers, 1);
    ck_assert_uint_eq(o.consumers, 1);
    ck_assert_uint_eq(o.ack_every, 1);
    ck_assert_uint_eq(o.size, 16);
    ck_assert_str_eq(o.address.port, "5672");
    ck_assert(!o.persistent && !o.auto_ack && !o.latency);
}
END_TEST

START_TEST(letters_and_names_mean_the_same)
{
    static const char *const LINES[] = {
        "-x 3 -y 4 -s 1024 -c 100 -q 500 -A 50 -f persistent -z 2.5 -C 7 -a -h amqp://h:1",
        "--producers 3 --consumers=4 --size 1024 --confirm 100 --qos 500 --multi-ack-every 50 "
        "--flag persistent"};
    for (size_t i = 0; i < 2; i++) {
        struct perf_options o;
        char why[256];
        ck_assert_int_eq(parse(&o, LINES[i], why, sizeof(why)), PERF_RUN);
        ck_assert_uint_eq(o.producers, 3);
        ck_assert_uint_eq(o.consumers, 4);
        ck_assert_uint_eq(o.size, 1024);
        ck_assert_uint_eq(o.confirm, 100);
        ck_assert_uint_eq(o.prefetch, 500);
        ck_assert_uint_eq(o.ack_every, 50);
        ck_assert(o.persistent && !o.mandatory);
        if (i == 0) {
            ck_assert(o.time == 2.5 && o.auto_ack);
            ck_assert_uint_eq(o.pmessages, 7);
            ck_assert_str_eq(o.address.host, "h");
        }
    }
}
END_TEST

START_TEST(the_last_of_an_option_counts)
{
    struct perf_options o;
    char why[256];
    ck_assert_int_eq(parse(&o, "--hold 5000 --hold 1000", why, sizeof(why)), PERF_RUN);
    ck_assert_uint_eq(o.hold, 1000);
}
END_TEST

#define BACKWARDS "--queue-pattern q%d --queue-pattern-from 3"

START_TEST(what_makes_no_sense_is_refused_with_a_sentence)
{
    static const char *const WRONG[] = {
        "-x zz",        "-x -1",          "-x",           "--nonsense",
        "word",         "-A 0",           "-A 50 -q 10",  "-q 70000",
        "-z -1",        "-f durable",     "-h http://h",  "--latency -s 7",
        "--pipeline 0", "--burst 1 -r 1", "-s 999999999", BACKWARDS};
    for (size_t i = 0; i < sizeof(WRONG) / sizeof(WRONG[0]); i++) {
        struct perf_options o;
        char why[256] = "";
        ck_assert_msg(parse(&o, WRONG[i], why, sizeof(why)) == PERF_WRONG, "%s is taken", WRONG[i]);
        ck_assert_msg(why[0] != 0, "%s is refused without a word", WRONG[i]);
    }
}
END_TEST

SUITE("perf_options", defaults_are_one_of_each, letters_and_names_mean_the_same,
      the_last_of_an_option_counts, what_makes_no_sense_is_refused_with_a_sentence)
