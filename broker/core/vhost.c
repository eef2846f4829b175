// SPDX-License-Identifier: Apache-2.0
#include "broker/core/vhost.h"

#include <limits.h>
#include <stdlib.h>

#include "broker/core/binding.h"
#include "broker/core/queue.h"

struct vhost_predeclared {
    const char *name;
    const struct exchange_type *type;
    bool internal;
};

static const struct vhost_predeclared PREDECLARED[] = {
    {"", &exchange_type_direct, false},
    {"amq.direct", &exchange_type_direct, false},
    {"amq.fanout", &exchange_type_fanout, false},
    {"amq.topic", &exchange_type_topic, false},
    {"amq.headers", &exchange_type_headers, false},
    {"amq.match", &exchange_type_headers, false},
    {"amq.rabbitmq.trace", &exchange_type_topic, true},
};

static enum err vhost_predeclare(struct vhost *v)
{
    for (size_t i = 0; i < sizeof(PREDECLARED) / sizeof(PREDECLARED[0]); i++) {
        struct exchange_spec spec = {
            .name = span_str(PREDECLARED[i].name),
            .type = PREDECLARED[i].type,
            .durable = true,
            .internal = PREDECLARED[i].internal,
            .arguments = SPAN_NONE,
        };
        struct exchange *x;
        if (exchange_new(v, &spec, &x) != OK)
            return ERR_NOMEM;
        x->number = i + 1;
    }
    return OK;
}

enum err vhost_new(struct vhost **out, struct span name, uint64_t hash_seed)
{
    *out = NULL;
    struct vhost *v = calloc(1, sizeof(struct vhost));
    if (v == NULL)
        return ERR_NOMEM;
    v->hash_seed = hash_seed;
    map_init(&v->exchanges);
    map_init(&v->queues);
    map_init(&v->bindings);
    list_init(&v->detached);
    v->name = span_dup(name);
    if (v->name.at == NULL || vhost_predeclare(v) != OK) {
        vhost_free(v);
        return ERR_NOMEM;
    }
    *out = v;
    return OK;
}

void vhost_free(struct vhost *v)
{
    ASSERT(v->queues.n == 0);
    /* All are deleted before the first loses a binding, so that none is detached on the way. */
    struct map_walk walk = {0};
    for (struct map_node *n; (n = map_each(&v->exchanges, &walk)) != NULL;) {
        struct exchange *x = CONTAINER_OF(n, struct exchange, by_name);
        x->deleted = true;
        list_push_back(&v->detached, &x->in_detached);
    }
    map_fini(&v->exchanges);
    for (unsigned work = UINT_MAX; !vhost_work(v, &work);)
        work = UINT_MAX;
    ASSERT(v->bindings.n == 0);
    map_fini(&v->bindings);
    map_fini(&v->queues);
    free((void *)v->name.at);
    free(v);
}

struct exchange *vhost_exchange(const struct vhost *v, struct span name)
{
    struct map_node *n = map_find(&v->exchanges, map_hash(v->hash_seed, name));
    for (; n != NULL; n = map_find_next(n)) {
        struct exchange *x = CONTAINER_OF(n, struct exchange, by_name);
        if (span_eq(x->name, name))
            return x;
    }
    return NULL;
}

struct queue *vhost_queue(const struct vhost *v, struct span name)
{
    struct map_node *n = map_find(&v->queues, map_hash(v->hash_seed, name));
    for (; n != NULL; n = map_find_next(n)) {
        struct queue *q = CONTAINER_OF(n, struct queue, by_name);
        if (span_eq(q->name, name))
            return q;
    }
    return NULL;
}

bool vhost_work(struct vhost *v, unsigned *work)
{
    struct list *first;
    while ((first = list_first(&v->detached)) != NULL) {
        if (*work == 0)
            return false;
        exchange_free_some(CONTAINER_OF(first, struct exchange, in_detached), work);
    }
    return true;
}

void vhost_work_at_once(struct vhost *v, unsigned *work)
{
    unsigned left = VHOST_WORK_AT_ONCE;
    vhost_work(v, &left);
    unsigned done = VHOST_WORK_AT_ONCE - left;
    *work -= done < *work ? done : *work;
}

static void vhost_check_exchange(const struct vhost *v, const struct exchange *x)
{
    size_t n = 0;
    ASSERT(x->vhost == v);
    LIST_EACH(&x->bindings, it) {
        struct binding *b = CONTAINER_OF(it, struct binding, in_source);
        ASSERT(b->source == x);
        ASSERT((b->queue == NULL) != (b->exchange == NULL));
        n++;
    }
    ASSERT(n == x->n_bindings);
    LIST_EACH(&x->bound_to, it)
        ASSERT(CONTAINER_OF(it, struct binding, in_destination)->exchange == x);
}

void vhost_check(const struct vhost *v)
{
    size_t n_bindings = 0;
    struct map_walk walk = {0};
    for (struct map_node *n; (n = map_each(&v->exchanges, &walk)) != NULL;) {
        struct exchange *x = CONTAINER_OF(n, struct exchange, by_name);
        ASSERT(!x->deleted && !list_linked(&x->in_detached));
        ASSERT(vhost_exchange(v, x->name) == x);
        vhost_check_exchange(v, x);
        n_bindings += x->n_bindings;
    }
    LIST_EACH(&v->detached, it) {
        struct exchange *x = CONTAINER_OF(it, struct exchange, in_detached);
        ASSERT(x->deleted);
        vhost_check_exchange(v, x);
        n_bindings += x->n_bindings;
    }
    ASSERT(n_bindings == v->bindings.n);
    walk = (struct map_walk){0};
    for (struct map_node *n; (n = map_each(&v->queues, &walk)) != NULL;) {
        struct queue *q = CONTAINER_OF(n, struct queue, by_name);
        ASSERT(!q->deleted && vhost_queue(v, q->name) == q);
    }
    walk = (struct map_walk){0};
    for (struct map_node *n; (n = map_each(&v->bindings, &walk)) != NULL;) {
        struct binding *b = CONTAINER_OF(n, struct binding, by_identity);
        struct binding_id id = {b->source, b->queue, b->exchange, b->key, b->arguments};
        ASSERT(binding_find(&id) == b);
        ASSERT(list_linked(&b->in_source) && list_linked(&b->in_destination));
    }
}
