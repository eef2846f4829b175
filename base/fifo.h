// SPDX-License-Identifier: Apache-2.0
/* base/fifo.h — a queue of equal elements in chunks: no push or pop ever copies the rest.
 *
 * Chunks grow from 8 elements to FIFO_CHUNK_MAX, so a short queue is small and a long one costs one
 * allocation per FIFO_CHUNK_MAX elements. An emptied fifo keeps at most its
 * smallest chunk.
 *
 * Thread: that of the owner.   Allocates: fifo_push and fifo_reserve.
 */
#ifndef BASE_FIFO_H
#define BASE_FIFO_H

#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"
#include "base/err.h"

enum { FIFO_CHUNK_MAX = 512 };

struct fifo_chunk {
    struct fifo_chunk *next;
    uint32_t capacity;
    uint32_t first;
    uint32_t end;
    uint32_t reserved;
    uint8_t bytes[];
};

struct fifo {
    struct fifo_chunk *front;
    struct fifo_chunk *back;
    size_t size; /* of an element */
    size_t n;
};

void fifo_init(struct fifo *f, size_t element_size);

/* Frees the chunks; what the elements refer to belongs to the caller. */
void fifo_fini(struct fifo *f);

/* Room for one more at the back, or NULL when memory is out. */
MUST_USE void *fifo_push(struct fifo *f);

/* Makes the next push succeed. ERR_NOMEM. */
MUST_USE enum err fifo_reserve(struct fifo *f);

/* The front element, or NULL when there is none. */
void *fifo_front(const struct fifo *f);

/* Forgets the front element; there must be one. */
void fifo_pop(struct fifo *f);

/* Moves everything of `from` into the empty `to`. */
void fifo_move(struct fifo *to, struct fifo *from);

#endif
