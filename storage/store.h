// SPDX-License-Identifier: Apache-2.0
/* storage/store.h — what the core tells the disk, and how it learns that it is true.
 *
 * The core appends records; each call answers with the batch it went into. Whatever was promised to
 * a client on account of a record goes out once store_durable has reached that batch. Batches
 * become durable in order. Appending never waits, and seals no batch.
 *
 * This store keeps nothing: a batch is durable `delay` steps after it was sealed. In the broker the
 * delay is nought, in a simulation it is drawn from the seed, so that everything above lives with
 * promises that are kept late.
 *
 * Thread: core (store_append, store_filling, store_durable); store_step on the disk thread's turn.
 */
#ifndef STORAGE_STORE_H
#define STORAGE_STORE_H

#include "base/assert.h"
#include "base/err.h"
#include "base/span.h"

struct store;

struct store_options {
    /* Steps until a sealed batch is durable; NULL = 0. */
    uint64_t (*delay)(void *arg);
    void *delay_arg;
};

/* ERR_NOMEM. */
MUST_USE enum err store_open(struct store **out, const struct store_options *options);
void store_close(struct store *s);

/* Adds an opaque record to the filling batch and returns its number. Batches count from 1. */
uint64_t store_append(struct store *s, struct span record);

/* The batch that store_append answers with, until the next store_step. */
uint64_t store_filling(const struct store *s);

/* All batches up to this number are durable. */
uint64_t store_durable(const struct store *s);

/* Seals the filling batch and completes those that are due. True when some are still on their way.
 */
bool store_step(struct store *s);

#endif
