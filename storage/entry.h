// SPDX-License-Identifier: Apache-2.0
/* storage/entry.h — what the records of the journal say: FORMAT.md, section 3.2.
 *
 * One struct for all kinds, with what a kind has; reading is done with bytes that may be anything.
 *
 * Thread: any.   Blocks: never.   Allocates: never.
 */
#ifndef STORAGE_ENTRY_H
#define STORAGE_ENTRY_H

#include "storage/parcel.h"
#include "storage/record.h"

struct entry {
    enum record_kind kind;
    bool in_group;
    uint64_t group;             /* of the record; commit, dropped: which */
    uint32_t n;                 /* publish, chunk: targets; settle: ranges; commit: records */
    uint32_t n_chunks;          /* publish: that come before it */
    uint32_t chunk;             /* chunk: its number */
    struct span list;           /* publish, chunk, settle: n pairs of u64 */
    struct store_target name;   /* publish with chunks, chunk: what they are found by */
    struct store_target target; /* mark */
    uint64_t object;            /* declared, undeclared */
    uint64_t first_lsn;         /* commit */
    struct span bytes;          /* publish, chunk: of the message; declared: what */
};

/* The size of a record's body with this; `bytes` and `list` may have a size alone. */
size_t entry_size(const struct entry *e);

/* Writes it at `p`, but for `bytes`, which are written where the answer points. `list` is copied
 * unless `list.at` is NULL: then `targets` are written. */
uint8_t *entry_put(uint8_t *p, const struct entry *e, const struct store_target *targets);

/* Reads a record, which it borrows. False when it makes no sense, or is of a kind unknown here. */
MUST_USE bool entry_read(const struct record *r, struct entry *e);

/* The i-th pair of the list: a target, or the first and last seq of a range. */
struct store_target entry_pair(const struct entry *e, uint32_t i);

#endif
