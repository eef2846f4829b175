// SPDX-License-Identifier: Apache-2.0
/* base/deque.h — a growing ring of equal elements: push at the back, pop at the front, index.
 *
 * Capacity doubles when full and halves at a quarter, so an emptied one gives its memory back; an
 * empty one that is trimmed (deque_trim) owns nothing. Pointers into it die with the next push or
 * pop.
 *
 * Doubling copies everything once. Above DEQUE_CHUNK_BYTES that would hold a turn for too long, so
 * large deques are for owners whose length is bounded elsewhere.
 *
 * Thread: that of the owner.
 */
#ifndef BASE_DEQUE_H
#define BASE_DEQUE_H

#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"
#include "base/err.h"

struct deque {
    uint8_t *bytes;
    size_t size;     /* of an element */
    size_t capacity; /* in elements: 0 or a power of two */
    size_t first;    /* index of the front element in the ring */
    size_t n;
};

void deque_init(struct deque *d, size_t element_size);
void deque_fini(struct deque *d);

/* Room for one more at the back, or NULL when memory is out. */
MUST_USE void *deque_push(struct deque *d);

/* The i-th from the front; `i` < n. */
void *deque_at(const struct deque *d, size_t i);

/* Forgets the front element; there must be one. */
void deque_pop(struct deque *d);

/* Forgets all elements from the i-th on. */
void deque_cut(struct deque *d, size_t i);

/* Frees the memory of an empty deque. */
void deque_trim(struct deque *d);

#endif
