// SPDX-License-Identifier: Apache-2.0
/* base/seqset.h — a set of numbers that mostly come and go in their order.
 *
 * One bit a number, in chunks of SEQSET_CHUNK; a chunk in which no number is left is freed wherever
 * it lies, so one number that stays pins one chunk and not everything that came after it.
 *
 * Thread: that of the owner.   Allocates: seqset_add only.
 */
#ifndef BASE_SEQSET_H
#define BASE_SEQSET_H

#include "base/assert.h"
#include "base/err.h"
#include "base/map.h"

enum { SEQSET_CHUNK = 512 };

struct seqset_chunk;

struct seqset {
    struct map chunks;
    struct seqset_chunk *newest; /* the one that was added to last, or NULL */
    struct seqset_chunk *oldest; /* the one that was removed from last, or NULL */
    uint64_t n;
};

void seqset_init(struct seqset *s);
void seqset_fini(struct seqset *s);

/* ERR_NOMEM. Adding what is there is a bug. */
MUST_USE enum err seqset_add(struct seqset *s, uint64_t number);

/* False when it was not there. */
bool seqset_remove(struct seqset *s, uint64_t number);

/* Removes all from `first` to `last`. Takes time by chunks in the range. */
void seqset_remove_range(struct seqset *s, uint64_t first, uint64_t last);

bool seqset_has(const struct seqset *s, uint64_t number);

#endif
