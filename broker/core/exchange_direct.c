// SPDX-License-Identifier: Apache-2.0
/* A binding matches when its key is the message's. The index is a map from each key to the list of
 * the bindings that have it, so neither routing nor unbinding depends on how many others there are.
 * The key itself is borrowed from the first binding of its list. A map that has become empty gives
 * its buckets back. */
#include <stdlib.h>

#include "broker/core/exchange.h"
#include "broker/core/route.h"

struct direct_key {
    struct map_node by_key;
    struct list bindings; /* by binding.in_index, never empty */
};

struct direct {
    struct map keys;
};

static struct direct_key *direct_find(const struct direct *d, uint64_t hash, struct span key)
{
    struct map_node *n = map_find(&d->keys, hash);
    for (; n != NULL; n = map_find_next(n)) {
        struct direct_key *k = CONTAINER_OF(n, struct direct_key, by_key);
        struct list *first = list_first(&k->bindings);
        if (span_eq(CONTAINER_OF(first, struct binding, in_index)->key, key))
            return k;
    }
    return NULL;
}

static enum err direct_bind(struct exchange *x, struct binding *b)
{
    struct direct *d = x->index;
    if (d == NULL) {
        d = malloc(sizeof(struct direct));
        if (d == NULL)
            return ERR_NOMEM;
        map_init(&d->keys);
        x->index = d;
    }
    uint64_t hash = map_hash(x->vhost->hash_seed, b->key);
    struct direct_key *k = direct_find(d, hash, b->key);
    if (k == NULL) {
        k = malloc(sizeof(struct direct_key));
        if (k == NULL)
            return ERR_NOMEM;
        list_init(&k->bindings);
        map_insert(&d->keys, &k->by_key, hash);
    }
    list_push_back(&k->bindings, &b->in_index);
    b->index_node = k;
    return OK;
}

static void direct_unbind(struct exchange *x, struct binding *b)
{
    struct direct *d = x->index;
    struct direct_key *k = b->index_node;
    list_remove(&b->in_index);
    if (!list_empty(&k->bindings))
        return;
    map_remove(&d->keys, &k->by_key);
    free(k);
    if (d->keys.n == 0)
        map_fini(&d->keys);
}

static bool direct_route(const struct exchange *x, const struct routed_message *m, struct route *r)
{
    const struct direct *d = x->index;
    if (d == NULL || d->keys.n == 0)
        return true;
    struct direct_key *k = direct_find(d, map_hash(x->vhost->hash_seed, m->key), m->key);
    if (k == NULL)
        return true;
    for (struct list *it; (it = route_next(r, &k->bindings)) != NULL;)
        route_add(r, CONTAINER_OF(it, struct binding, in_index));
    return r->next == NULL;
}

static void direct_fini(struct exchange *x)
{
    struct direct *d = x->index;
    if (d == NULL)
        return;
    ASSERT(d->keys.n == 0);
    map_fini(&d->keys);
    free(d);
    x->index = NULL;
}

const struct exchange_type exchange_type_direct = {
    .name = "direct",
    .bind = direct_bind,
    .unbind = direct_unbind,
    .route = direct_route,
    .fini = direct_fini,
};
