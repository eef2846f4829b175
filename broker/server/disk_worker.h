// SPDX-License-Identifier: Apache-2.0
/* broker/server/disk_worker.h — the data directory and the thread that writes to it.
 *
 * Thread: main.
 */
#ifndef BROKER_SERVER_DISK_WORKER_H
#define BROKER_SERVER_DISK_WORKER_H

#include "broker/server/config.h"
#include "storage/keeper.h"

struct disk_worker;

/* Opens the data directory and finds out what is in it; `wake` is called on the disk's thread. On
 * an error `why` says what to do. What keeper_open answers. */
MUST_USE enum err disk_worker_new(struct disk_worker **out, const char *data,
                                  const struct config *config, struct env *env,
                                  void (*wake)(void *arg), void *wake_arg, char *why,
                                  size_t why_size);

struct keeper *disk_worker_keeper(struct disk_worker *w);

/* ERR_IO: the thread could not be started. */
MUST_USE enum err disk_worker_start(struct disk_worker *w);

/* Ends the thread once its piece of work is done. Idempotent. */
void disk_worker_join(struct disk_worker *w);

/* Joined, and its store ended. NULL is fine. */
void disk_worker_free(struct disk_worker *w);

#endif
