// SPDX-License-Identifier: Apache-2.0
/* storage/recovery_priv.h — what finding out (recovery.c) and making again (recovery_restore.c)
 * share.
 *
 * Thread: see recovery.h.
 */
#ifndef STORAGE_RECOVERY_PRIV_H
#define STORAGE_RECOVERY_PRIV_H

#include "base/map.h"
#include "storage/entry.h"
#include "storage/recovery.h"

/* A message that entered a queue. */
struct recovered_entry {
    uint64_t seq;
    union {
        uint64_t group; /* of its record, 0 = none: until it is known what is live */
        void *message;  /* then, once it is made */
    };
};

struct recovered_range {
    uint64_t first;
    uint64_t last;
    uint64_t group;
};

struct recovered_queue {
    struct map_node by_number;
    uint64_t number;
    struct recovered_entry *entries; /* live ones by seq, once that is known */
    size_t n_entries;
    size_t entries_capacity;
    struct recovered_range *settled;
    size_t n_settled;
    size_t settled_capacity;
    uint64_t last_seq; /* that was seen */
    uint64_t mark;
};

struct recovered_object {
    struct map_node by_number;
    uint64_t number;
    struct span what; /* owned */
};

struct recovered_group {
    struct map_node by_number;
    uint64_t number;
    uint64_t n_seen;
    uint64_t n_wanted;
    uint64_t first_lsn;
    bool committed;
    bool dropped; /* an earlier start has said so */
};

struct recovery {
    struct recovery_figures figures;
    struct map queues;
    struct map objects;
    struct map groups;
    uint64_t first_lsn; /* that the journal still has, damaged or not; 0 = none yet */
    struct recovered_group *last_group;
    struct recovered_queue *last_queue; /* the one found last */
};

/* NULL when there is none. */
struct recovered_queue *recovery_queue(struct recovery *r, uint64_t number);

/* Is it a committed group of which something is missing, and no start before has said so? */
bool recovery_is_dropped(struct recovery *r, const struct recovered_group *g);

#endif
