// SPDX-License-Identifier: Apache-2.0
#include "storage/parcel.h"

#include <stdlib.h>
#include <string.h>

enum {
    PARCEL_ENTRIES_MIN = 64,
    PARCEL_ENTRIES_KEPT = 4 * PARCEL_RESERVE, /* by a parcel that is empty */
    PARCEL_BYTES_KEPT = 64 * 1024,            /* likewise, of each buffer */
    PARCEL_ENTRY_BYTES = 64                   /* about what a small record takes */
};

void parcel_init(struct parcel *p)
{
    *p = (struct parcel){.next = NULL};
    buf_init(&p->targets);
    buf_init(&p->bytes);
}

void parcel_fini(struct parcel *p)
{
    free(p->entries);
    buf_fini(&p->targets);
    buf_fini(&p->bytes);
}

void parcel_reset(struct parcel *p)
{
    if (p->capacity > PARCEL_ENTRIES_KEPT) {
        free(p->entries);
        p->entries = NULL;
        p->capacity = 0;
    }
    buf_consume(&p->targets, buf_span(&p->targets).size);
    buf_consume(&p->bytes, buf_span(&p->bytes).size);
    buf_trim(&p->targets, PARCEL_BYTES_KEPT);
    buf_trim(&p->bytes, PARCEL_BYTES_KEPT);
    p->number = 0;
    p->n = 0;
    p->reserved = 0;
    p->n_written = 0;
    p->n_bytes = 0;
    p->first_ns = 0;
    p->awaited = false;
}

static enum err parcel_grow(struct parcel *p, size_t n)
{
    size_t capacity = p->capacity < PARCEL_ENTRIES_MIN ? PARCEL_ENTRIES_MIN : p->capacity;
    while (capacity < n)
        capacity *= 2;
    if (capacity == p->capacity)
        return OK;
    struct parcel_entry *entries = realloc(p->entries, capacity * sizeof(*entries));
    if (entries == NULL)
        return ERR_NOMEM;
    p->entries = entries;
    p->capacity = capacity;
    return OK;
}

enum err parcel_reserve(struct parcel *p)
{
    if (parcel_grow(p, p->n + PARCEL_RESERVE) != OK)
        return ERR_NOMEM;
    p->reserved = PARCEL_RESERVE;
    return OK;
}

/* An entry of its own, for which there is room. */
static struct parcel_entry *parcel_put(struct parcel *p, enum parcel_kind kind, uint64_t group)
{
    ASSERT(p->entries != NULL && p->n < p->capacity);
    struct parcel_entry *e = &p->entries[p->n++];
    *e = (struct parcel_entry){.kind = kind, .group = group};
    p->n_written++;
    p->n_bytes += PARCEL_ENTRY_BYTES;
    return e;
}

/* One that comes out of the reserve. */
static struct parcel_entry *parcel_put_reserved(struct parcel *p, enum parcel_kind kind,
                                                uint64_t group)
{
    ASSERT(p->reserved != 0);
    p->reserved--;
    return parcel_put(p, kind, group);
}

/* Room for one that is refused sooner than it uses the reserve up. */
static enum err parcel_room(struct parcel *p)
{
    if (p->n >= PARCEL_ENTRIES_MAX - PARCEL_RESERVE)
        return ERR_NOMEM;
    return p->n + p->reserved < p->capacity ? OK : parcel_grow(p, p->n + p->reserved + 1);
}

enum err parcel_publish(struct parcel *p, void *message, size_t size,
                        const struct store_target *targets, size_t n, uint64_t group, size_t *index)
{
    ASSERT(n != 0 && n <= PARCEL_TARGETS_MAX);
    if (parcel_room(p) != OK)
        return ERR_NOMEM;
    size_t at = buf_span(&p->targets).size / sizeof(*targets);
    if (n > 1 && buf_append(&p->targets, span_of(targets, n * sizeof(*targets))) != OK)
        return ERR_NOMEM;
    *index = p->n;
    struct parcel_entry *e = parcel_put(p, PARCEL_PUBLISH, group);
    if (n > 1)
        e->at = at;
    else
        e->target = targets[0];
    e->with.message = message;
    e->n = (uint32_t)n;
    e->n_left = (uint32_t)n;
    p->n_bytes += size + n * sizeof(*targets);
    return OK;
}

enum err parcel_declared(struct parcel *p, uint64_t object, struct span what)
{
    size_t at = buf_span(&p->bytes).size;
    if (parcel_room(p) != OK || buf_append(&p->bytes, what) != OK)
        return ERR_NOMEM;
    struct parcel_entry *e = parcel_put(p, PARCEL_DECLARED, 0);
    e->at = at;
    e->n = (uint32_t)what.size;
    e->with.object = object;
    p->n_bytes += what.size;
    return OK;
}

void *parcel_settle_own(struct parcel *p, size_t index, bool *moot)
{
    ASSERT(index < p->n);
    struct parcel_entry *e = &p->entries[index];
    ASSERT(e->kind == PARCEL_PUBLISH && e->n_left != 0);
    *moot = false;
    if (e->group != 0 || --e->n_left != 0)
        return NULL;
    *moot = true;
    e->kind = PARCEL_LEFT_OUT;
    p->n_written--;
    return e->with.message;
}

void parcel_settle(struct parcel *p, struct store_target target, uint64_t group)
{
    struct parcel_entry *last = p->n == 0 ? NULL : &p->entries[p->n - 1];
    if (group == 0 && last != NULL && last->kind == PARCEL_SETTLE && last->group == 0 &&
        last->target.queue == target.queue && last->with.last + 1 == target.seq) {
        last->with.last++;
        return;
    }
    struct parcel_entry *e = parcel_put_reserved(p, PARCEL_SETTLE, group);
    e->target = target;
    e->with.last = target.seq;
}

void parcel_settle_range(struct parcel *p, uint64_t queue, uint64_t first, uint64_t last)
{
    struct parcel_entry *e = parcel_put_reserved(p, PARCEL_SETTLE, 0);
    e->target = (struct store_target){queue, first};
    e->with.last = last;
}

void parcel_undeclared(struct parcel *p, uint64_t object)
{
    parcel_put_reserved(p, PARCEL_UNDECLARED, 0)->object = object;
}

void parcel_mark(struct parcel *p, struct store_target target)
{
    parcel_put_reserved(p, PARCEL_MARK, 0)->target = target;
}

void parcel_commit(struct parcel *p, uint64_t group)
{
    (void)parcel_put_reserved(p, PARCEL_COMMIT, group);
}

void parcel_stopped(struct parcel *p)
{
    (void)parcel_put_reserved(p, PARCEL_STOPPED, 0);
}

const struct store_target *parcel_targets(const struct parcel *p, const struct parcel_entry *e)
{
    if (e->n == 1)
        return &e->target;
    return (const struct store_target *)(const void *)buf_span(&p->targets).at + e->at;
}
