// SPDX-License-Identifier: Apache-2.0
/* base/buf.h — bytes that grow at the end and are used up from the front.
 *
 * Thread: that of the owner.   Allocates: buf_reserve.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include "base/assert.h"
#include "base/err.h"
#include "base/span.h"

struct buf {
    uint8_t *bytes;
    size_t first;
    size_t end;
    size_t capacity;
};

void buf_init(struct buf *b);
void buf_fini(struct buf *b);

/* Room for `size` bytes at the end, or NULL when memory is out. Nothing is added yet. */
MUST_USE uint8_t *buf_reserve(struct buf *b, size_t size);

/* Keeps `size` bytes that were written into the reserved room. */
void buf_commit(struct buf *b, size_t size);

/* ERR_NOMEM. */
MUST_USE enum err buf_append(struct buf *b, struct span bytes);

/* What is in it; valid until the next change. */
struct span buf_span(const struct buf *b);

/* Forgets `size` bytes at the front. An emptied buffer starts over at its beginning. */
void buf_consume(struct buf *b, size_t size);

/* Gives the memory of an empty buffer back when it is more than `keep`. */
void buf_trim(struct buf *b, size_t keep);

#endif
