// SPDX-License-Identifier: Apache-2.0
#include "broker/cli/perf_options.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"

enum perf_type { PERF_text, PERF_count, PERF_real, PERF_flag };

struct perf_row {
    enum perf_type type;
    size_t offset;
    int letter;
    const char *name;
    const char *argument;
    const char *value;
    const char *help;
};

#define PERF_ROW(type, field, letter, name, argument, value, help) \
    {PERF_##type, offsetof(struct perf_options, field), letter, name, argument, value, help},
static const struct perf_row PERF_ROWS[] = {PERF_OPTIONS(PERF_ROW)};
#undef PERF_ROW
enum { PERF_N_ROWS = sizeof(PERF_ROWS) / sizeof(PERF_ROWS[0]) };

/* What getopt answers for a row without a letter, and for the two options that are not rows. */
enum { PERF_LONG_ONLY = 1000, PERF_ASKS_HELP = 2000, PERF_ASKS_VERSION };

static bool perf_store(struct perf_options *o, const struct perf_row *row, const char *value)
{
    void *at = (char *)o + row->offset;
    char *end;
    errno = 0;
    switch (row->type) {
    case PERF_text: *(const char **)at = value; return true;
    case PERF_flag: *(bool *)at = value != NULL && value[0] != 0; return true;
    case PERF_count:
        *(uint64_t *)at = strtoull(value, &end, 10);
        return end != value && *end == 0 && errno == 0 && strchr(value, '-') == NULL;
    case PERF_real:
        *(double *)at = strtod(value, &end);
        return end != value && *end == 0 && errno == 0 && *(double *)at >= 0;
    }
    return false;
}

/* The words of -f. */
static bool perf_read_flag(struct perf_options *o)
{
    const char *at = o->flag;
    while (*at != 0) {
        struct span word = span_of(at, strcspn(at, ","));
        if (span_eq(word, SPAN_LIT("persistent")))
            o->persistent = true;
        else if (span_eq(word, SPAN_LIT("mandatory")))
            o->mandatory = true;
        else
            return false;
        at += word.size + (at[word.size] == ',');
    }
    return true;
}

/* NULL, or why the options do not go together. */
static const char *perf_objection(struct perf_options *o)
{
    if (!perf_read_flag(o))
        return "-f knows persistent and mandatory";
    if (client_address_parse(&o->address, o->uri) != OK)
        return "the URI is not of the form amqp://USER:PASSWORD@HOST:PORT/VHOST";
    if (o->latency && o->size < 8)
        return "--latency needs bodies of 8 bytes or more";
    if (o->ack_every == 0 || o->pipeline == 0)
        return "-A and --pipeline start at 1";
    if (o->prefetch > UINT16_MAX)
        return "-q is at most 65535";
    if (!o->auto_ack && o->prefetch != 0 && o->ack_every > o->prefetch)
        return "-A beyond -q would wait for ever";
    if (o->queue_pattern[0] != 0 && o->queue_to < o->queue_from)
        return "--queue-pattern-to is before --queue-pattern-from";
    if (o->burst != 0 && o->rate != 0)
        return "--burst and --rate exclude each other";
    if (o->confirm > 1000000)
        return "-c is at most 1000000";
    if (o->producers > 100000 || o->consumers > 100000 || o->hold > 100000)
        return "at most 100000 connections of a kind";
    if (o->size > BODY_SIZE_CEILING)
        return "-s is at most 512 MiB";
    return NULL;
}

static void perf_defaults(struct perf_options *o)
{
    *o = (struct perf_options){.uri = NULL};
    for (size_t i = 0; i < PERF_N_ROWS; i++) {
        bool stored = perf_store(o, &PERF_ROWS[i], PERF_ROWS[i].value);
        ASSERT(stored);
    }
}

static const struct perf_row *perf_row_of(int got)
{
    for (size_t i = 0; i < PERF_N_ROWS; i++)
        if (PERF_ROWS[i].letter == got || PERF_LONG_ONLY + (int)i == got)
            return &PERF_ROWS[i];
    return NULL;
}

/* The tables that getopt wants, from ours. */
static void perf_getopt_tables(struct option *names, char *letters)
{
    for (size_t i = 0; i < PERF_N_ROWS; i++) {
        const struct perf_row *row = &PERF_ROWS[i];
        bool has_value = row->type != PERF_flag;
        names[i] = (struct option){row->name, has_value ? required_argument : no_argument, NULL,
                                   row->letter != 0 ? row->letter : PERF_LONG_ONLY + (int)i};
        if (row->letter != 0)
            *letters++ = (char)row->letter;
        if (row->letter != 0 && has_value)
            *letters++ = ':';
    }
    names[PERF_N_ROWS] = (struct option){"help", no_argument, NULL, PERF_ASKS_HELP};
    names[PERF_N_ROWS + 1] = (struct option){"version", no_argument, NULL, PERF_ASKS_VERSION};
    names[PERF_N_ROWS + 2] = (struct option){NULL, 0, NULL, 0};
    *letters = 0;
}

enum perf_wish perf_options_parse(struct perf_options *o, int argc, char **argv, char *why,
                                  size_t why_size)
{
    struct option names[PERF_N_ROWS + 3];
    char letters[2 * PERF_N_ROWS + 1];
    perf_defaults(o);
    perf_getopt_tables(names, letters);
    /* With an address behind it -h is --uri, as in RabbitMQ's perf-test. */
    if (argc == 2 && strcmp(argv[1], "-h") == 0)
        return PERF_HELP;
    for (int got; (got = getopt_long(argc, argv, letters, names, NULL)) != -1;) {
        if (got == PERF_ASKS_HELP)
            return PERF_HELP;
        if (got == PERF_ASKS_VERSION)
            return PERF_VERSION;
        const struct perf_row *row = perf_row_of(got);
        if (row == NULL) {
            snprintf(why, why_size, "see whippet-perf --help");
            return PERF_WRONG;
        }
        if (!perf_store(o, row, row->type == PERF_flag ? "yes" : optarg)) {
            snprintf(why, why_size, "--%s: '%s' is no number", row->name, optarg);
            return PERF_WRONG;
        }
    }
    if (optind < argc) {
        snprintf(why, why_size, "'%s' is not an option", argv[optind]);
        return PERF_WRONG;
    }
    const char *objection = perf_objection(o);
    if (objection == NULL)
        return PERF_RUN;
    snprintf(why, why_size, "%s", objection);
    return PERF_WRONG;
}

void perf_options_print(FILE *to)
{
    for (size_t i = 0; i < PERF_N_ROWS; i++) {
        const struct perf_row *row = &PERF_ROWS[i];
        char left[64];
        snprintf(left, sizeof(left), "%c%c%s --%s %s", row->letter == 0 ? ' ' : '-',
                 row->letter == 0 ? ' ' : row->letter, row->letter == 0 ? " " : ",", row->name,
                 row->argument);
        bool shown = row->type != PERF_flag && row->value[0] != 0 && strcmp(row->value, "0") != 0;
        fprintf(to, "  %-34s %s%s%s%s\n", left, row->help, shown ? " (" : "",
                shown ? row->value : "", shown ? ")" : "");
    }
}
