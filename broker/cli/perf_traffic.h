// SPDX-License-Identifier: Apache-2.0
/* broker/cli/perf_traffic.h — producers and consumers at work: who may send when, and until when.
 *
 * One thread serves all connections. In each turn the grants follow the clock (rates, bursts,
 * counts), whoever may send does so once, and then whoever has input is read once.
 *
 * Thread: one.   Blocks: for the whole run.
 */
#ifndef BROKER_CLI_PERF_TRAFFIC_H
#define BROKER_CLI_PERF_TRAFFIC_H

#include "broker/cli/perf_report.h"

/* Runs to its end, which may also be SIGINT or SIGTERM. ERR_IO, ERR_NOMEM with a sentence in `why`.
 */
MUST_USE enum err traffic_run(const struct perf_options *o, struct perf_result *r, char *why,
                              size_t why_size);

#endif
