// SPDX-License-Identifier: Apache-2.0
/* Each record is preceded by an 8-byte header: its size in the low half. The header of size
 * RING_WRAP says that the rest of the buffer up to its end is unused. */
#include "base/ring.h"

#include <stdlib.h>
#include <string.h>

enum { RING_HEADER = 8 };
#define RING_WRAP UINT32_MAX

static size_t ring_round(size_t size)
{
    return RING_HEADER + ((size + 7) & ~(size_t)7);
}

enum err ring_init(struct ring *r, size_t size)
{
    ASSERT(size >= 4096 && (size & (size - 1)) == 0);
    memset(r, 0, sizeof(*r));
    r->bytes = aligned_alloc(64, size);
    if (r->bytes == NULL)
        return ERR_NOMEM;
    r->size = size;
    return OK;
}

void ring_fini(struct ring *r)
{
    free(r->bytes);
    r->bytes = NULL;
}

static uint32_t *ring_header(const struct ring *r, uint64_t at)
{
    return (uint32_t *)(void *)(r->bytes + (at & (r->size - 1)));
}

/* Where the buffer begins again. */
static uint64_t ring_next_lap(const struct ring *r, uint64_t at)
{
    return at + r->size - (at & (r->size - 1));
}

void ring_see_released(struct ring *r)
{
    r->w_tail = atomic_load_explicit(&r->tail, memory_order_acquire);
}

void *ring_reserve(struct ring *r, size_t size)
{
    size_t need = ring_round(size);
    ASSERT(need <= r->size / 4);
    size_t to_end = r->size - (size_t)(r->w_at & (r->size - 1));
    size_t total = need <= to_end ? need : to_end + need;
    if (r->w_at + total - r->w_tail > r->size)
        return NULL;
    if (need > to_end) {
        *ring_header(r, r->w_at) = RING_WRAP;
        r->w_at += to_end;
    }
    return ring_header(r, r->w_at) + 2;
}

void ring_commit(struct ring *r, size_t size)
{
    *ring_header(r, r->w_at) = (uint32_t)size;
    r->w_at += ring_round(size);
}

bool ring_publish(struct ring *r)
{
    if (atomic_load_explicit(&r->head, memory_order_relaxed) == r->w_at)
        return false;
    atomic_store_explicit(&r->head, r->w_at, memory_order_release);
    return true;
}

bool ring_has_room(const struct ring *r, size_t size)
{
    return r->size - (size_t)(r->w_at - r->w_tail) >= size;
}

bool ring_see_published(struct ring *r)
{
    r->r_head = atomic_load_explicit(&r->head, memory_order_acquire);
    return r->r_at != r->r_head;
}

void *ring_peek(struct ring *r, size_t *size)
{
    while (r->r_at != r->r_head) {
        uint32_t *header = ring_header(r, r->r_at);
        if (*header != RING_WRAP) {
            *size = *header;
            return header + 2;
        }
        r->r_at = ring_next_lap(r, r->r_at);
    }
    return NULL;
}

void ring_skip(struct ring *r)
{
    r->r_at += ring_round(*ring_header(r, r->r_at));
}

void ring_release(struct ring *r)
{
    atomic_store_explicit(&r->tail, r->r_at, memory_order_release);
}

const void *ring_walk(const struct ring *r, uint64_t *at, uint64_t end, size_t *size)
{
    while (*at != end) {
        const uint32_t *header = ring_header(r, *at);
        if (*header != RING_WRAP) {
            *size = *header;
            *at += ring_round(*header);
            return header + 2;
        }
        *at = ring_next_lap(r, *at);
    }
    return NULL;
}
