// SPDX-License-Identifier: Apache-2.0
#include "broker/core/route.h"

#include <stdlib.h>

#include "broker/core/queue.h"

enum { ROUTE_CAPACITY_MIN = 8 };

void route_init(struct route *r)
{
    *r = (struct route){.queues = NULL, .pending = NULL};
}

void route_fini(struct route *r)
{
    free(r->queues);
    free(r->pending);
    route_init(r);
}

/* Room for one more pointer in `*array`, which holds `n`; false when memory is out. */
static bool route_reserve(void **array, size_t n, size_t *capacity)
{
    if (n < *capacity)
        return true;
    size_t larger = *capacity == 0 ? ROUTE_CAPACITY_MIN : *capacity * 2;
    void *grown = realloc(*array, larger * sizeof(void *));
    if (grown == NULL)
        return false;
    *array = grown;
    *capacity = larger;
    return true;
}

static void route_add_queue(struct route *r, struct queue *q)
{
    if (q->route_mark == r->mark)
        return;
    if (!route_reserve((void **)&r->queues, r->n, &r->capacity)) {
        r->failed = true;
        return;
    }
    q->route_mark = r->mark;
    r->queues[r->n++] = q;
}

static void route_add_exchange(struct route *r, struct exchange *x)
{
    if (x->route_mark == r->mark)
        return;
    if (!route_reserve((void **)&r->pending, r->n_pending, &r->pending_capacity)) {
        r->failed = true;
        return;
    }
    x->route_mark = r->mark;
    r->pending[r->n_pending++] = x;
}

const struct sorted_table *route_headers(struct route *r, const struct routed_message *m)
{
    if (r->sorted)
        return &r->headers;
    if (sorted_table_init(&r->headers, m->headers) != OK) {
        r->failed = true;
        return NULL;
    }
    r->sorted = true;
    r->looks += r->headers.n;
    return &r->headers;
}

void route_add(struct route *r, const struct binding *b)
{
    r->looks++;
    if (b->queue != NULL ? b->queue->deleted : b->exchange->deleted)
        return;
    r->matched = true;
    if (b->queue != NULL)
        route_add_queue(r, b->queue);
    else
        route_add_exchange(r, b->exchange);
}

static void route_ask(struct route *r, const struct exchange *x, const struct routed_message *keys,
                      size_t n_keys)
{
    r->matched = false;
    if (x->type->by_headers) {
        r->by_headers = true;
        n_keys = n_keys < 1 ? n_keys : 1;
    }
    for (size_t i = 0; i < n_keys; i++)
        x->type->route(x, &keys[i], r);
    if (r->matched || x->alternate.size == 0)
        return;
    struct exchange *alternate = vhost_exchange(x->vhost, x->alternate);
    if (alternate != NULL)
        route_add_exchange(r, alternate);
}

void route_find(struct route *r, struct exchange *x, const struct routed_message *keys,
                size_t n_keys)
{
    r->n = 0;
    r->n_pending = 0;
    r->looks = 0;
    r->by_headers = false;
    r->failed = false;
    r->mark = ++x->vhost->route_mark;
    if (x->deleted)
        return;
    if (exchange_is_default(x)) {
        for (size_t i = 0; i < n_keys; i++) {
            struct queue *q = vhost_queue(x->vhost, keys[i].key);
            if (q != NULL)
                route_add_queue(r, q);
        }
        return;
    }
    route_add_exchange(r, x);
    for (size_t i = 0; i < r->n_pending; i++)
        route_ask(r, r->pending[i], keys, n_keys);
    if (r->sorted)
        sorted_table_fini(&r->headers);
    r->sorted = false;
}
