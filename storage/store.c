// SPDX-License-Identifier: Apache-2.0
#include "storage/store.h"

#include <stdlib.h>

#include "base/probe.h"

enum {
    STORE_TOKEN_BITS = 24,         /* of the entry in a token; the parcel's number is above them */
    STORE_SEAL_BYTES = 1024 * 1024 /* once that much is there, it need not wait for more */
};

struct store {
    struct store_owner owner;
    bool ended;
    uint64_t now_ns;
    uint64_t durable;
    uint64_t last_group; /* given out */
    uint64_t grouped;    /* the last parcel with a settlement in a group */
    struct parcel *filling;
    struct parcel *sealed; /* by number, the first is the oldest; durable ones until released */
    struct parcel **sealed_end;
    struct parcel *spare; /* empty ones */
};

/* ---- Parcels ---- */

static struct parcel *store_parcel(struct store *s)
{
    struct parcel *p = s->spare;
    if (p != NULL) {
        s->spare = p->next;
        p->next = NULL;
        return p;
    }
    p = malloc(sizeof(*p));
    if (p != NULL)
        parcel_init(p);
    return p;
}

static void store_parcel_free(struct parcel *p)
{
    parcel_fini(p);
    free(p);
}

enum err store_new(struct store **out)
{
    *out = NULL;
    struct store *s = calloc(1, sizeof(*s));
    if (s == NULL)
        return ERR_NOMEM;
    s->sealed_end = &s->sealed;
    s->filling = store_parcel(s);
    if (s->filling == NULL) {
        free(s);
        return ERR_NOMEM;
    }
    s->filling->number = 1;
    *out = s;
    return OK;
}

void store_free(struct store *s)
{
    if (s == NULL)
        return;
    ASSERT(s->sealed == NULL && s->filling->n == 0);
    for (struct parcel *p; (p = s->spare) != NULL; store_parcel_free(p))
        s->spare = p->next;
    store_parcel_free(s->filling);
    free(s);
}

void store_set_owner(struct store *s, const struct store_owner *owner)
{
    s->owner = *owner;
}

const struct store_owner *store_owner(const struct store *s)
{
    return &s->owner;
}

static void store_empty(struct store *s, struct parcel *p)
{
    for (size_t i = 0; i < p->n; i++)
        if (p->entries[i].kind == PARCEL_PUBLISH)
            s->owner.release(s->owner.arg, p->entries[i].with.message);
    parcel_reset(p);
}

void store_release(struct store *s, uint64_t durable)
{
    for (struct parcel *p; (p = s->sealed) != NULL && p->number <= durable;) {
        s->sealed = p->next;
        if (s->sealed == NULL)
            s->sealed_end = &s->sealed;
        store_empty(s, p);
        p->next = s->spare;
        s->spare = p;
    }
}

void store_end(struct store *s)
{
    s->ended = true;
    store_release(s, UINT64_MAX);
    uint64_t number = s->filling->number;
    store_empty(s, s->filling);
    s->filling->number = number;
}

/* ---- Telling ---- */

size_t store_reserve(struct store *s)
{
    return parcel_reserve(s->filling) == OK ? PARCEL_RESERVE : s->filling->reserved;
}

/* Something is about to be added. */
static struct parcel *store_tell(struct store *s, uint64_t group /* of a settlement */)
{
    if (group != 0)
        s->grouped = s->filling->number;
    if (s->filling->n == 0)
        s->filling->first_ns = s->now_ns;
    return s->filling;
}

enum err store_publish(struct store *s, void *message, size_t size,
                       const struct store_target *targets, size_t n, uint64_t group,
                       uint64_t *token)
{
    size_t index;
    if (s->ended)
        return ERR_NOMEM;
    struct parcel *p = store_tell(s, 0);
    if (parcel_publish(p, message, size, targets, n, group, &index) != OK)
        return ERR_NOMEM;
    *token = p->number << STORE_TOKEN_BITS | (index + 1);
    PROBE3(publish, targets[0].queue, targets[0].seq, size);
    return OK;
}

void store_settle(struct store *s, struct store_target target, uint64_t token, uint64_t group)
{
    if (s->ended)
        return;
    struct parcel *p = store_tell(s, group);
    bool moot = false;
    PROBE2(settle, target.queue, target.seq);
    if (group == 0 && token != 0 && token >> STORE_TOKEN_BITS == p->number) {
        size_t index = (token & ((UINT64_C(1) << STORE_TOKEN_BITS) - 1)) - 1;
        void *message = parcel_settle_own(p, index, &moot);
        if (message != NULL)
            s->owner.release(s->owner.arg, message);
    }
    if (!moot)
        parcel_settle(p, target, group);
}

void store_settle_range(struct store *s, uint64_t queue, uint64_t first, uint64_t last)
{
    if (!s->ended)
        parcel_settle_range(store_tell(s, 0), queue, first, last);
}

enum err store_declared(struct store *s, uint64_t object, struct span what)
{
    if (s->ended || s->filling->n_bytes >= STORE_REFUSE_BYTES)
        return ERR_NOMEM;
    return parcel_declared(store_tell(s, 0), object, what);
}

void store_undeclared(struct store *s, uint64_t object)
{
    if (!s->ended)
        parcel_undeclared(store_tell(s, 0), object);
}

uint64_t store_begin(struct store *s)
{
    return ++s->last_group;
}

void store_set_last_group(struct store *s, uint64_t group)
{
    s->last_group = group;
}

void store_commit(struct store *s, uint64_t group)
{
    if (!s->ended)
        parcel_commit(store_tell(s, 0), group);
}

void store_mark(struct store *s, struct store_target target)
{
    if (!s->ended)
        parcel_mark(store_tell(s, 0), target);
}

void store_stopped(struct store *s)
{
    if (!s->ended)
        parcel_stopped(store_tell(s, 0));
}

/* ---- Questions ---- */

uint64_t store_barrier(struct store *s)
{
    if (s->filling->n != 0)
        s->filling->awaited = true;
    return store_told(s);
}

uint64_t store_grouped(const struct store *s)
{
    return s->grouped;
}

uint64_t store_told(const struct store *s)
{
    return s->filling->n == 0 ? s->filling->number - 1 : s->filling->number;
}

uint64_t store_durable(const struct store *s)
{
    return s->durable;
}

uint64_t store_filling(const struct store *s)
{
    return s->filling->number;
}

bool store_is_full(const struct store *s)
{
    return s->filling->n_bytes >= STORE_FULL_BYTES;
}

/* ---- Keeping ---- */

void store_tick(struct store *s, uint64_t now_ns)
{
    s->now_ns = now_ns;
}

uint64_t store_due_ns(const struct store *s)
{
    const struct parcel *p = s->filling;
    if (p->n == 0)
        return UINT64_MAX;
    return p->awaited || p->n_bytes >= STORE_SEAL_BYTES ? 0 : p->first_ns + STORE_INTERVAL_NS;
}

struct parcel *store_seal(struct store *s)
{
    struct parcel *next = store_parcel(s);
    if (next == NULL)
        return NULL;
    struct parcel *p = s->filling;
    next->number = p->number + 1;
    PROBE2(seal, p->number, p->n);
    s->filling = next;
    p->next = NULL;
    *s->sealed_end = p;
    s->sealed_end = &p->next;
    return p;
}

void store_complete(struct store *s, uint64_t number)
{
    ASSERT(number >= s->durable && number < s->filling->number);
    s->durable = number;
}
