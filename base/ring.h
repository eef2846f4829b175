// SPDX-License-Identifier: Apache-2.0
/* base/ring.h — records from one thread to one other, in order, without waiting.
 *
 * Records are of any size up to a quarter of the ring and lie contiguous. The writer reserves,
 * fills, commits, and publishes once for many; the reader peeks, uses the record where it lies, and
 * releases once for many. Positions count bytes since the start and never wrap in practice (u64).
 * Neither side ever waits: a full ring makes ring_reserve answer NULL.
 *
 * Neither side sees what the other does before it looks: records that the writer publishes, and
 * room that the reader releases, are there from ring_see_published and ring_see_released on. So
 * what one turn of a thread does depends on when it looked, and on nothing that happens meanwhile.
 *
 * Thread: one writer for the w_* half, one reader for the r_* half.   Blocks: never.
 */
#ifndef BASE_RING_H
#define BASE_RING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"
#include "base/err.h"

struct ring {
    uint8_t *bytes;
    size_t size; /* a power of two */

    /* The writer's line. */
    _Alignas(64) uint64_t w_at; /* where the next record goes */
    uint64_t w_tail;            /* released up to here, as last seen */
    _Atomic uint64_t head;      /* published up to here */

    /* The reader's line. */
    _Alignas(64) uint64_t r_at;
    uint64_t r_head;       /* published up to here, as last seen */
    _Atomic uint64_t tail; /* released up to here */
};

/* ERR_NOMEM. `size` is a power of two, at least 4096. */
MUST_USE enum err ring_init(struct ring *r, size_t size);
void ring_fini(struct ring *r);

/* Writer: looks how much the reader has released. */
void ring_see_released(struct ring *r);

/* Writer: room for a record of `size` bytes, 8-aligned, or NULL when the ring is too full. */
void *ring_reserve(struct ring *r, size_t size);

/* Writer: keeps the record reserved last, `size` bytes of it (at most what was reserved). */
void ring_commit(struct ring *r, size_t size);

/* Writer: makes all committed records visible. True when there was something to show. */
bool ring_publish(struct ring *r);

/* Writer: are at least `size` bytes not in use? */
bool ring_has_room(const struct ring *r, size_t size);

/* Reader: looks how much the writer has published. True when there is something to read. */
bool ring_see_published(struct ring *r);

/* Reader: the next record and its size, or NULL when there is none. Stays valid until released. */
void *ring_peek(struct ring *r, size_t *size);

/* Reader: goes past the record peeked last, without giving its bytes back yet. */
void ring_skip(struct ring *r);

/* Reader: gives back everything skipped so far. */
void ring_release(struct ring *r);

/* Either side: the record at `*at` and its size, with `*at` moved past it; NULL when there is none
 * before `end`. For looking at what has been written, and not been released, without taking it. */
const void *ring_walk(const struct ring *r, uint64_t *at, uint64_t end, size_t *size);

#endif
