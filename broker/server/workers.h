// SPDX-License-Identifier: Apache-2.0
/* broker/server/workers.h — the step functions on real threads.
 *
 * With io_threads = 0 one thread alternates: wait, io_read, core_step, io_write. With N, each I/O
 * thread has its own loop and link, and the calling thread is the core's. The disk has a thread of
 * its own either way.
 *
 * Thread: main.
 */
#ifndef BROKER_SERVER_WORKERS_H
#define BROKER_SERVER_WORKERS_H

#include "broker/core/core.h"
#include "broker/net/io.h"
#include "broker/server/config.h"

struct workers;

/* Where the parts of a server are that it does not make itself. */
struct workers_options {
    const struct config *config;
    const char *data; /* the data directory, which is there */
    struct env *env;
    const struct users *users;
    struct loop_listener *listener;
    const struct core_observer *observer; /* the core's, NULL = none */
};

/* Makes core, links, I/O sides and store, and has the core as it was when the store was closed.
 * On an error `why` may say what to do. ERR_NOMEM, ERR_IO, ERR_TAKEN, ERR_FUTURE, ERR_FULL,
 * ERR_LIMIT. */
MUST_USE enum err workers_new(struct workers **out, const struct workers_options *options,
                              char *why, size_t why_size);
void workers_free(struct workers *w);

/* Serves until workers_stop; then closes all connections in an orderly way. ERR_IO when a thread
 * could not be started. */
MUST_USE enum err workers_run(struct workers *w);

/* From a signal handler or another thread. */
void workers_stop(struct workers *w);

/* Likewise: has what was counted written to the log. */
void workers_tell(struct workers *w);

#endif
