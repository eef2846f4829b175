// SPDX-License-Identifier: Apache-2.0
/* broker/core/unsettled.h — what a channel was handed and has not settled, by delivery tag.
 *
 * Tags only grow, so entries are appended to chunks and found by halving. A chunk whose entries are
 * all settled is freed wherever it lies: one message that is never acknowledged pins one chunk, not
 * everything that came after it.
 *
 * An entry names its queue and consumer by slot index alone. That is safe because both structs
 * stay in their slot until no entry names them (queue.n_unsettled, consumer.n_unsettled).
 *
 * Thread: core.   Allocates: unsettled_push.
 */
#ifndef BROKER_CORE_UNSETTLED_H
#define BROKER_CORE_UNSETTLED_H

#include "base/deque.h"
#include "broker/link/message.h"

#define UNSETTLED_BY_GET UINT32_MAX

struct unsettled_entry {
    uint64_t tag; /* UNSETTLED_HELD is set while a transaction holds its settlement */
    uint64_t seq;
    struct message *message; /* a reference */
    uint32_t queue;          /* UINT32_MAX = settled */
    uint32_t consumer;       /* or UNSETTLED_BY_GET */
};

struct unsettled {
    struct deque chunks; /* struct unsettled_part */
    size_t n;            /* entries not settled, held ones included */
    size_t n_empty;      /* parts whose chunk is gone */
};

void unsettled_init(struct unsettled *u);

/* All entries must have been removed. */
void unsettled_fini(struct unsettled *u);

/* `e->tag` is above all earlier ones. ERR_NOMEM. */
MUST_USE enum err unsettled_push(struct unsettled *u, const struct unsettled_entry *e);

/* NULL when there is no such entry. Valid until the next push or removal. */
struct unsettled_entry *unsettled_find(struct unsettled *u, uint64_t tag);

/* The entry with the smallest tag above `tag`; NULL when there is none. */
struct unsettled_entry *unsettled_after(struct unsettled *u, uint64_t tag);

/* The entry with the smallest tag; NULL when there is none. */
struct unsettled_entry *unsettled_first(struct unsettled *u);

/* The message reference must have been taken over or given up. */
void unsettled_remove(struct unsettled *u, struct unsettled_entry *e);

/* A transaction's claim on an entry. */
bool unsettled_held(const struct unsettled_entry *e);
void unsettled_hold(struct unsettled_entry *e, bool held);
uint64_t unsettled_tag(const struct unsettled_entry *e);

#endif
