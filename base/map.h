// SPDX-License-Identifier: Apache-2.0
/* base/map.h — a hash table through its members.
 *
 * The caller embeds a map_node and compares keys itself: map_find hands out candidates of equal
 * hash. Chains are short because the hash is keyed with a secret seed (map_hash), so a peer cannot
 * choose colliding names. Iteration follows hash order, which the seed fixes, never addresses.
 *
 * The table grows at load 1 and shrinks at 1/8, a few buckets per change, so that no single call
 * pays for a million nodes. Growing may fail for want of memory; the table then stays as it is and
 * only gets slower, so no insertion fails.
 *
 * Invariant: a node whose bucket in `old` is at or above `moved` is in `old`, any other in
 * `buckets`.
 *
 * Thread: that of the owner.
 */
#ifndef BASE_MAP_H
#define BASE_MAP_H

#include "base/span.h"

struct map_node {
    struct map_node *next;
    uint64_t hash;
};

struct map {
    struct map_node **buckets; /* NULL until the first insertion */
    struct map_node **old;     /* the table being emptied into `buckets`, or NULL */
    size_t n_buckets;
    size_t n_old;
    size_t moved;
    size_t n;
    struct map_node *single; /* the one bucket of a table that has no array */
};

/* Where a walk stands; start with {0}. */
struct map_walk {
    size_t at;
    struct map_node *next;
};

/* A keyed 64-bit hash of the bytes (SipHash-1-3 under `seed`). */
uint64_t map_hash(uint64_t seed, struct span key);

void map_init(struct map *m);

/* Frees the table; the nodes belong to the caller. */
void map_fini(struct map *m);

/* First node with this hash, or NULL; the next candidate comes from map_find_next. */
struct map_node *map_find(const struct map *m, uint64_t hash);
struct map_node *map_find_next(const struct map_node *node);

void map_insert(struct map *m, struct map_node *node, uint64_t hash);

/* `node` must be in the table. */
void map_remove(struct map *m, struct map_node *node);

/* The next node of a walk, NULL at the end. The node handed out may be freed by the caller (when
 * the whole table is being torn down) but nothing may be inserted or removed during a walk. */
struct map_node *map_each(const struct map *m, struct map_walk *walk);

#endif
