// SPDX-License-Identifier: Apache-2.0
/* broker/cli/perf_steps.h — what a broker is asked for besides messages: connections and queues.
 *
 * Thread: one.   Blocks: for the whole run.
 */
#ifndef BROKER_CLI_PERF_STEPS_H
#define BROKER_CLI_PERF_STEPS_H

#include "broker/cli/perf_report.h"

/* Each runs to its end; ERR_IO, ERR_NOMEM with a sentence in `why`. */

/* options.hold connections, each with a channel and a consumer; each publishes one message, and
 * when all have arrived everything is idle for options.time seconds before memory is looked at. */
MUST_USE enum err steps_hold(const struct perf_options *o, struct perf_result *r, char *why,
                             size_t why_size);

/* options.connect times: connect, open a channel, close the connection. */
MUST_USE enum err steps_connect(const struct perf_options *o, struct perf_result *r, char *why,
                                size_t why_size);

/* Declares options.declare queues, options.pipeline at a time, and deletes them afterwards. */
MUST_USE enum err steps_declare(const struct perf_options *o, struct perf_result *r, char *why,
                                size_t why_size);

#endif
