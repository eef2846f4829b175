// SPDX-License-Identifier: Apache-2.0
#include "broker/core/route.h"

#include <stdlib.h>

#include "broker/core/queue.h"

enum { ROUTE_CAPACITY_MIN = 8, LOOKS_PER_HEADER = 3 };

void route_init(struct route *r, enum route_lane lane)
{
    *r = (struct route){.lane = lane};
}

static void route_forget_headers(struct route *r)
{
    if (r->sorted)
        sorted_table_fini(&r->headers);
    r->sorted = false;
}

void route_fini(struct route *r)
{
    route_forget_headers(r);
    free(r->queues);
    free(r->pending);
    free(r->topic);
    route_init(r, r->lane);
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
    if (q->route_marks[r->lane] == r->mark)
        return;
    if (!route_reserve((void **)&r->queues, r->n, &r->capacity)) {
        r->failed = true;
        return;
    }
    q->route_marks[r->lane] = r->mark;
    r->queues[r->n++] = q;
}

static void route_add_exchange(struct route *r, struct exchange *x)
{
    if (x->route_marks[r->lane] == r->mark)
        return;
    if (!route_reserve((void **)&r->pending, r->n_pending, &r->pending_capacity)) {
        r->failed = true;
        return;
    }
    x->route_marks[r->lane] = r->mark;
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
    r->looks += r->headers.n * LOOKS_PER_HEADER;
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

struct list *route_next(struct route *r, const struct list *bindings)
{
    struct list *it = r->next == NULL ? bindings->next : r->next;
    if (it == bindings) {
        r->next = NULL;
        return NULL;
    }
    if (route_is_tired(r)) {
        r->next = it;
        return NULL;
    }
    r->next = it->next;
    return it;
}

/* False when the route is tired before the exchange has been asked for all keys. */
static bool route_ask(struct route *r, const struct exchange *x, const struct routed_message *keys,
                      size_t n_keys)
{
    if (x->type->by_headers) {
        r->by_headers = true;
        n_keys = n_keys < 1 ? n_keys : 1;
    }
    for (; r->key < n_keys; r->key++)
        if (!x->type->route(x, &keys[r->key], r))
            return false;
    r->key = 0;
    if (!r->matched && x->alternate.size != 0) {
        struct exchange *alternate = vhost_exchange(x->vhost, x->alternate);
        if (alternate != NULL)
            route_add_exchange(r, alternate);
    }
    r->matched = false;
    return true;
}

void route_begin(struct route *r, struct exchange *x)
{
    route_forget_headers(r);
    r->n = 0;
    r->n_pending = 0;
    r->at = 0;
    r->key = 0;
    r->mark = ++x->vhost->route_mark;
    r->looks = 0;
    r->matched = false;
    r->by_headers = false;
    r->failed = false;
    r->next = NULL;
    r->arguments.inside = false;
    r->in_topic = false;
    if (!x->deleted && !exchange_is_default(x))
        route_add_exchange(r, x);
}

/* The default exchange: a queue's name is its key. */
static void route_by_name(struct route *r, const struct vhost *v, const struct routed_message *keys,
                          size_t n_keys)
{
    for (size_t i = 0; i < n_keys; i++) {
        struct queue *q = vhost_queue(v, keys[i].key);
        if (q != NULL)
            route_add_queue(r, q);
    }
}

bool route_go_on(struct route *r, struct exchange *x, const struct routed_message *keys,
                 size_t n_keys, size_t looks)
{
    if (exchange_is_default(x)) {
        route_by_name(r, x->vhost, keys, n_keys);
        return true;
    }
    r->enough = r->looks + looks;
    for (; r->at < r->n_pending && !r->failed; r->at++, r->looks++)
        if (route_is_tired(r) || !route_ask(r, r->pending[r->at], keys, n_keys))
            return false;
    route_forget_headers(r);
    return true;
}
