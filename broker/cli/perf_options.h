// SPDX-License-Identifier: Apache-2.0
/* broker/cli/perf_options.h — what whippet-perf was asked to do.
 *
 * Thread: any.
 */
#ifndef BROKER_CLI_PERF_OPTIONS_H
#define BROKER_CLI_PERF_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "broker/cli/client.h"
#include "broker/cli/perf_options.def"

#define PERF_TYPE_text                                               const char *
#define PERF_TYPE_count                                              uint64_t
#define PERF_TYPE_real                                               double
#define PERF_TYPE_flag                                               bool
#define PERF_FIELD(type, field, letter, name, argument, value, help) PERF_TYPE_##type field;
struct perf_options {
    PERF_OPTIONS(PERF_FIELD)
    bool persistent; /* from `flag` */
    bool mandatory;
    struct client_address address; /* from `uri` */
};
#undef PERF_FIELD

enum perf_wish { PERF_RUN, PERF_HELP, PERF_VERSION, PERF_WRONG };

/* Texts borrow `argv`. PERF_WRONG after a sentence in `why`. */
enum perf_wish perf_options_parse(struct perf_options *o, int argc, char **argv, char *why,
                                  size_t why_size);

void perf_options_print(FILE *to);

#endif
