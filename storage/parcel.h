// SPDX-License-Identifier: Apache-2.0
/* storage/parcel.h — what the core tells the store between two seals.
 *
 * A parcel fills on the core's thread, is sealed, and is then read by whoever writes it to the
 * disk; until that is done it holds a reference to every message in it. One parcel becomes one or
 * several batches of the journal.
 *
 * A publish that all its queues settled while the parcel still fills is left out: its reference
 * comes back at once. Settlements of neighbours become one range.
 *
 * Thread: core until it is sealed, and again once it is written; the writer in between.
 * Allocates: where ERR_NOMEM is listed. The other ways to add use room that parcel_reserve has
 * made: PARCEL_RESERVE of them may come between two calls of it.
 */
#ifndef STORAGE_PARCEL_H
#define STORAGE_PARCEL_H

#include "base/assert.h"
#include "base/buf.h"
#include "base/err.h"

enum {
    PARCEL_RESERVE = 3 * 4096,
    PARCEL_ENTRIES_MAX = (1 << 24) - 2, /* what a token can name */
    PARCEL_TARGETS_MAX = 1024           /* of one publish */
};

/* A message in a queue. */
struct store_target {
    uint64_t queue;
    uint64_t seq;
};

enum parcel_kind {
    PARCEL_LEFT_OUT,
    PARCEL_PUBLISH,
    PARCEL_SETTLE,
    PARCEL_MARK,
    PARCEL_DECLARED,
    PARCEL_UNDECLARED,
    PARCEL_COMMIT,
    PARCEL_STOPPED
};

struct parcel_entry {
    uint64_t group; /* 0 = none */
    union {
        struct store_target target; /* publish: the only one; settle, mark */
        size_t at;                  /* publish: of the first in `targets`; declared: in `bytes` */
        uint64_t object;            /* undeclared */
    };
    union {
        void *message;   /* publish: a reference */
        uint64_t last;   /* settle: seq of the last */
        uint64_t object; /* declared */
    } with;
    uint32_t n;      /* publish: targets; declared: bytes */
    uint32_t n_left; /* publish: targets that are not settled */
    enum parcel_kind kind;
};

struct parcel {
    struct parcel *next;
    uint64_t number;
    struct parcel_entry *entries;
    size_t n;
    size_t capacity;
    size_t reserved;    /* entries that may still be added without asking for memory */
    struct buf targets; /* struct store_target, of publishes with several */
    struct buf bytes;   /* of what is declared */
    uint64_t n_written; /* entries that are not left out */
    uint64_t n_bytes;   /* about what it will take on the disk */
    uint64_t first_ns;  /* when the first entry came */
    bool awaited;       /* somebody waits for it */
};

void parcel_init(struct parcel *p);
void parcel_fini(struct parcel *p);

/* Forgets its entries, whose references must have been taken back, and the number. */
void parcel_reset(struct parcel *p);

/* Makes the room that those who must not fail rely on. ERR_NOMEM. */
MUST_USE enum err parcel_reserve(struct parcel *p);

/* Takes the reference on OK. `size` is about the message's size; `*index` is the entry. ERR_NOMEM.
 */
MUST_USE enum err parcel_publish(struct parcel *p, void *message, size_t size,
                                 const struct store_target *targets, size_t n, uint64_t group,
                                 size_t *index);

/* ERR_NOMEM. */
MUST_USE enum err parcel_declared(struct parcel *p, uint64_t object, struct span what);

/* The publish at `index`, which is in no group, is settled in one more of its queues. Returns the
 * message, which the parcel no longer refers to, if that was the last; else NULL. `*moot` says
 * whether the settlement need not be told. */
void *parcel_settle_own(struct parcel *p, size_t index, bool *moot);

void parcel_settle(struct parcel *p, struct store_target target, uint64_t group);
void parcel_settle_range(struct parcel *p, uint64_t queue, uint64_t first, uint64_t last);
void parcel_undeclared(struct parcel *p, uint64_t object);
void parcel_mark(struct parcel *p, struct store_target target);
void parcel_commit(struct parcel *p, uint64_t group);
void parcel_stopped(struct parcel *p);

/* The targets of a publish. */
const struct store_target *parcel_targets(const struct parcel *p, const struct parcel_entry *e);

#endif
