// SPDX-License-Identifier: Apache-2.0
/* storage/store.h — what the core tells the disk, and how it learns that it is true.
 *
 * The core tells of every change to durable things: messages that enter queues, settlements,
 * declarations. What it tells goes into the filling parcel (parcel.h). Whoever keeps the store (a
 * keeper: keeper.h on a disk) seals a parcel now and then, makes it durable, and says so. Parcels
 * are numbered from 1 and become durable in order. Whatever was promised to a client on account of
 * what was told goes out once store_durable has reached the number that store_barrier gave.
 *
 * Of messages the store knows nothing but a pointer: a reference that the core gives it, and takes
 * back by store_release when their parcel is durable, or at once when nothing need be written.
 *
 * The core looks at store_durable once a turn and seals nothing, so that its turn depends on two
 * numbers alone: what is durable, and what fills.
 *
 * Thread: core, the keeper's part included.   Blocks: never.
 */
#ifndef STORAGE_STORE_H
#define STORAGE_STORE_H

#include "storage/parcel.h"

enum {
    /* What may wait to be written before publishers wait as well. */
    STORE_FULL_BYTES = 8 * 1024 * 1024,
    /* What may wait before declarations, which do not, are refused. */
    STORE_REFUSE_BYTES = 64 * 1024 * 1024,
};

/* How long what nobody waits for may wait to be written: consumers' acknowledgements, publishes
 * without confirms. */
#define STORE_INTERVAL_NS UINT64_C(5000000)

struct store;

/* What the store asks of those it works for; all on the core's thread. */
struct store_owner {
    void (*release)(void *arg, void *message); /* a reference comes back */
    /* Is the message in the queue, or delivered from it and not settled? */
    bool (*is_live)(void *arg, struct store_target target);
    /* Is what was declared as this still there? */
    bool (*is_declared)(void *arg, uint64_t object, struct span what);
    void *arg;
};

/* ERR_NOMEM. */
MUST_USE enum err store_new(struct store **out);

/* Every reference must have been released: store_end. */
void store_free(struct store *s);

/* ---- The core's part ---- */

void store_set_owner(struct store *s, const struct store_owner *owner);

/* From here on nothing is taken any more, and every reference comes back. */
void store_end(struct store *s);

/* Makes room for what may not fail, from the beginning of a turn on: as many tellings as the answer
 * says, which is less than PARCEL_RESERVE only for want of memory. */
size_t store_reserve(struct store *s);

/* A message enters queues that are durable, all at once. `size` is about what it takes. A group
 * (0 = none) counts as a whole or not at all. The answer in `*token` goes into store_settle as long
 * as the message has entered no other queues. Takes the reference on OK. ERR_NOMEM. */
MUST_USE enum err store_publish(struct store *s, void *message, size_t size,
                                const struct store_target *targets, size_t n, uint64_t group,
                                uint64_t *token);

/* A message in a queue is done with; `token` 0 = not known. May release it. */
void store_settle(struct store *s, struct store_target target, uint64_t token, uint64_t group);

/* All of the queue's messages in this range are. */
void store_settle_range(struct store *s, uint64_t queue, uint64_t first, uint64_t last);

/* Something is there under a number that was never used, or no longer. ERR_NOMEM, also when very
 * much waits to be written. */
MUST_USE enum err store_declared(struct store *s, uint64_t object, struct span what);
void store_undeclared(struct store *s, uint64_t object);

/* A group that nothing has been told of, and: what was told of it counts. */
uint64_t store_begin(struct store *s);
void store_commit(struct store *s, uint64_t group);

/* Of the queue, messages up to this one may have been delivered: for a clean stop. */
void store_mark(struct store *s, struct store_target target);

/* The last word before a clean stop. */
void store_stopped(struct store *s);

/* The parcel with which everything told so far is durable. Somebody waits for it. */
uint64_t store_barrier(struct store *s);

/* The same parcel, and nobody waits; and the last one with a settlement in a group. */
uint64_t store_told(const struct store *s);
uint64_t store_grouped(const struct store *s);

/* All parcels up to this number are durable. */
uint64_t store_durable(const struct store *s);

/* The number of the parcel that fills. */
uint64_t store_filling(const struct store *s);

/* So much waits to be written that publishers should wait. */
bool store_is_full(const struct store *s);

/* From the turn: references in parcels up to `durable` come back. */
void store_release(struct store *s, uint64_t durable);

/* ---- The keeper's part ---- */

/* When the filling parcel is to be sealed: 0 = now, UINT64_MAX = there is nothing in it. */
uint64_t store_due_ns(const struct store *s);

/* The filling parcel gets its number and stays as it is until store_complete; another one fills.
 * NULL when memory is out. */
struct parcel *store_seal(struct store *s);

/* All sealed parcels up to this number are durable. */
void store_complete(struct store *s, uint64_t number);

/* The time of the turn, for store_due_ns. */
void store_tick(struct store *s, uint64_t now_ns);

/* From the start: groups up to this one have been. */
void store_set_last_group(struct store *s, uint64_t group);

const struct store_owner *store_owner(const struct store *s);

#endif
