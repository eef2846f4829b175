// SPDX-License-Identifier: Apache-2.0
/* broker/cli/perf_topology.h — the queues and the exchange that a run uses, and their names.
 *
 * Queues are numbered from 0 here; a name or key pattern gets the number that the options say.
 *
 * Thread: one.   Blocks: while the broker answers.
 */
#ifndef BROKER_CLI_PERF_TOPOLOGY_H
#define BROKER_CLI_PERF_TOPOLOGY_H

#include "broker/cli/perf_options.h"

enum { PERF_NAME_MAX = 256 };

size_t topology_n_queues(const struct perf_options *o);

/* Writes the name or key for queue `index`, at most 255 bytes. */
void topology_queue(const struct perf_options *o, size_t index, char name[PERF_NAME_MAX]);
void topology_routing_key(const struct perf_options *o, size_t index, char key[PERF_NAME_MAX]);

/* Declares and binds. ERR_IO, ERR_NOMEM. */
MUST_USE enum err topology_declare(const struct perf_options *o, struct client *c);

/* Deletes what topology_declare made. ERR_IO, ERR_NOMEM. */
MUST_USE enum err topology_delete(const struct perf_options *o, struct client *c);

#endif
