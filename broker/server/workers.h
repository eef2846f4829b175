// SPDX-License-Identifier: Apache-2.0
/* broker/server/workers.h — the step functions on real threads.
 *
 * With io_threads = 0 one thread alternates: wait, io_read, core_step, io_write. With N, each I/O
 * thread has its own loop and link, and the calling thread is the core's.
 *
 * Thread: main.
 */
#ifndef BROKER_SERVER_WORKERS_H
#define BROKER_SERVER_WORKERS_H

#include "broker/core/core.h"
#include "broker/net/io.h"
#include "broker/server/config.h"

struct workers;

/* Makes core, links and I/O sides, listening on `listener`; `observer` is the core's, NULL = none.
 * ERR_NOMEM, ERR_IO. */
MUST_USE enum err workers_new(struct workers **out, const struct config *config, struct env *env,
                              const struct users *users, struct loop_listener *listener,
                              const struct core_observer *observer);
void workers_free(struct workers *w);

/* Serves until workers_stop; then closes all connections in an orderly way. ERR_IO when a thread
 * could not be started. */
MUST_USE enum err workers_run(struct workers *w);

/* From a signal handler or another thread. */
void workers_stop(struct workers *w);

#endif
