// SPDX-License-Identifier: Apache-2.0
#include "broker/core/unsettled.h"

#include <stdlib.h>

#define UNSETTLED_HELD (UINT64_C(1) << 63)
#define UNSETTLED_GONE UINT32_MAX

enum { CHUNK_MIN = 8, CHUNK_MAX = 128 };

struct unsettled_chunk {
    uint32_t n_live;
    uint32_t first; /* everything before it is settled */
    uint32_t end;
    uint32_t capacity;
    struct unsettled_entry entries[];
};

struct unsettled_part {
    uint64_t first_tag;
    struct unsettled_chunk *chunk; /* NULL once all its entries are settled */
};

void unsettled_init(struct unsettled *u)
{
    *u = (struct unsettled){.n = 0};
    deque_init(&u->chunks, sizeof(struct unsettled_part));
}

void unsettled_fini(struct unsettled *u)
{
    ASSERT(u->n == 0);
    for (size_t i = 0; i < u->chunks.n; i++)
        free(((struct unsettled_part *)deque_at(&u->chunks, i))->chunk);
    deque_fini(&u->chunks);
}

bool unsettled_held(const struct unsettled_entry *e)
{
    return (e->tag & UNSETTLED_HELD) != 0;
}

void unsettled_hold(struct unsettled_entry *e, bool held)
{
    e->tag = held ? e->tag | UNSETTLED_HELD : e->tag & ~UNSETTLED_HELD;
}

uint64_t unsettled_tag(const struct unsettled_entry *e)
{
    return e->tag & ~UNSETTLED_HELD;
}

static struct unsettled_part *unsettled_part(const struct unsettled *u, size_t i)
{
    return deque_at(&u->chunks, i);
}

static struct unsettled_chunk *unsettled_grow(struct unsettled *u, uint64_t first_tag)
{
    uint32_t capacity = u->chunks.n == 0 ? CHUNK_MIN : u->chunks.n == 1 ? CHUNK_MIN * 4 : CHUNK_MAX;
    struct unsettled_chunk *c = malloc(sizeof(*c) + capacity * sizeof(c->entries[0]));
    if (c == NULL)
        return NULL;
    struct unsettled_part *part = deque_push(&u->chunks);
    if (part == NULL) {
        free(c);
        return NULL;
    }
    c->n_live = 0;
    c->first = 0;
    c->end = 0;
    c->capacity = capacity;
    *part = (struct unsettled_part){first_tag, c};
    return c;
}

enum err unsettled_push(struct unsettled *u, const struct unsettled_entry *e)
{
    struct unsettled_part *last = u->chunks.n == 0 ? NULL : unsettled_part(u, u->chunks.n - 1);
    struct unsettled_chunk *c = last == NULL ? NULL : last->chunk;
    if (c != NULL && c->n_live == 0) {
        /* The last chunk is kept when it empties, and starts over. */
        c->first = 0;
        c->end = 0;
        last->first_tag = e->tag;
    } else if (c == NULL || c->end == c->capacity) {
        c = unsettled_grow(u, e->tag);
        if (c == NULL)
            return ERR_NOMEM;
    }
    c->entries[c->end++] = *e;
    c->n_live++;
    u->n++;
    return OK;
}

/* Index of the last part that begins at or before `tag`; chunks.n when there is none. */
static size_t unsettled_part_of(const struct unsettled *u, uint64_t tag)
{
    size_t low = 0;
    size_t high = u->chunks.n;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (unsettled_part(u, mid)->first_tag <= tag)
            low = mid + 1;
        else
            high = mid;
    }
    return low == 0 ? u->chunks.n : low - 1;
}

/* Index of the first entry of `c` whose tag is at or above `tag`. */
static uint32_t unsettled_lower(const struct unsettled_chunk *c, uint64_t tag)
{
    uint32_t low = c->first;
    uint32_t high = c->end;
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        if (unsettled_tag(&c->entries[mid]) < tag)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

struct unsettled_entry *unsettled_find(struct unsettled *u, uint64_t tag)
{
    size_t i = unsettled_part_of(u, tag);
    if (i == u->chunks.n || unsettled_part(u, i)->chunk == NULL)
        return NULL;
    struct unsettled_chunk *c = unsettled_part(u, i)->chunk;
    uint32_t at = unsettled_lower(c, tag);
    if (at == c->end || unsettled_tag(&c->entries[at]) != tag ||
        c->entries[at].queue == UNSETTLED_GONE)
        return NULL;
    return &c->entries[at];
}

struct unsettled_entry *unsettled_after(struct unsettled *u, uint64_t tag)
{
    size_t i = unsettled_part_of(u, tag + 1);
    for (i = i == u->chunks.n ? 0 : i; i < u->chunks.n; i++) {
        struct unsettled_chunk *c = unsettled_part(u, i)->chunk;
        if (c == NULL || c->n_live == 0)
            continue;
        for (uint32_t at = unsettled_lower(c, tag + 1); at < c->end; at++)
            if (c->entries[at].queue != UNSETTLED_GONE)
                return &c->entries[at];
    }
    return NULL;
}

struct unsettled_entry *unsettled_first(struct unsettled *u)
{
    return u->n == 0 ? NULL : unsettled_after(u, 0);
}

/* Drops the parts that are only placeholders once they are the majority. */
static void unsettled_compact(struct unsettled *u)
{
    size_t kept = 0;
    for (size_t i = 0; i < u->chunks.n; i++)
        if (unsettled_part(u, i)->chunk != NULL)
            *unsettled_part(u, kept++) = *unsettled_part(u, i);
    deque_cut(&u->chunks, kept);
    u->n_empty = 0;
}

static void unsettled_drop_chunk(struct unsettled *u, struct unsettled_part *part)
{
    free(part->chunk);
    part->chunk = NULL;
    u->n_empty++;
    while (u->chunks.n > 1 && unsettled_part(u, 0)->chunk == NULL) {
        deque_pop(&u->chunks);
        u->n_empty--;
    }
    if (u->n_empty > 32 && u->n_empty > u->chunks.n / 2)
        unsettled_compact(u);
}

void unsettled_remove(struct unsettled *u, struct unsettled_entry *e)
{
    struct unsettled_part *part = unsettled_part(u, unsettled_part_of(u, unsettled_tag(e)));
    struct unsettled_chunk *c = part->chunk;
    e->queue = UNSETTLED_GONE;
    u->n--;
    c->n_live--;
    while (c->first < c->end && c->entries[c->first].queue == UNSETTLED_GONE)
        c->first++;
    bool last = part == unsettled_part(u, u->chunks.n - 1);
    if (c->n_live == 0 && !last)
        unsettled_drop_chunk(u, part);
}
