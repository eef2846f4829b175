// SPDX-License-Identifier: Apache-2.0
#include "broker/core/long_route.h"

#include "broker/core/core.h"

enum { N_RESTARTS_MAX = 16 }; /* then it is done in one go */

void long_routes_init(struct long_routes *l)
{
    *l = (struct long_routes){.owner = NULL};
    route_init(&l->route, ROUTE_IN_SLICES);
    list_init(&l->waiting);
}

void long_routes_fini(struct long_routes *l)
{
    ASSERT(l->owner == NULL && list_empty(&l->waiting));
    route_fini(&l->route);
}

void long_routes_check(const struct long_routes *l)
{
    ASSERT(l->owner != NULL || list_empty(&l->waiting));
    ASSERT(l->owner == NULL || l->owner->parking.why == PARK_AGAIN);
}

bool long_route_is_of(const struct channel *ch)
{
    return ch->session->core->long_routes.owner == ch;
}

static void long_route_take(struct long_routes *l, struct channel *ch)
{
    l->owner = ch;
    l->begun = false;
    l->n_restarts = 0;
}

static void long_route_begin(struct long_routes *l, struct exchange *x)
{
    if (l->begun && l->n_restarts < N_RESTARTS_MAX)
        l->n_restarts++;
    l->begun = true;
    l->epoch = x->vhost->routing_epoch;
    l->removed = x->vhost->bindings_removed;
    route_begin(&l->route, x);
}

struct route *long_route_find(struct channel *ch, struct exchange *x,
                              const struct routed_message *key)
{
    struct core *core = ch->session->core;
    struct long_routes *l = &core->long_routes;
    if (l->owner != NULL && l->owner != ch) {
        parking_again_from(ch, &l->waiting);
        return NULL;
    }
    if (l->owner == NULL) {
        /* It begins when the publish comes again: until then its bytes are not at rest. */
        long_route_take(l, ch);
        parking_again(ch);
        return NULL;
    }
    const struct vhost *v = x->vhost;
    if (!l->begun || l->epoch != v->routing_epoch || l->removed != v->bindings_removed)
        long_route_begin(l, x);
    size_t before = l->route.looks;
    size_t looks = ((size_t)core->work + 1) * ROUTE_LOOKS_PER_STEP << l->n_restarts;
    if (l->n_restarts == N_RESTARTS_MAX)
        looks = SIZE_MAX / 2;
    bool complete = route_go_on(&l->route, x, key, 1, looks);
    core_count(core, (l->route.looks - before) / ROUTE_LOOKS_PER_STEP);
    if (complete)
        return &l->route;
    parking_again(ch);
    return NULL;
}

void long_route_leave(struct channel *ch)
{
    struct core *core = ch->session->core;
    struct long_routes *l = &core->long_routes;
    if (l->owner != ch)
        return;
    l->owner = NULL;
    struct list *next = list_pop_front(&l->waiting);
    if (next == NULL)
        return;
    long_route_take(l, CONTAINER_OF(next, struct channel, parking.in_jobs));
    list_push_back(&core->jobs, next);
}
