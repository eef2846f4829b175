// SPDX-License-Identifier: Apache-2.0
/* Every binding matches; the exchange's own list is all the index there is. */
#include "broker/core/exchange.h"
#include "broker/core/route.h"

static enum err fanout_bind(struct exchange *x, struct binding *b)
{
    (void)x;
    (void)b;
    return OK;
}

static void fanout_unbind(struct exchange *x, struct binding *b)
{
    (void)x;
    (void)b;
}

static bool fanout_route(const struct exchange *x, const struct routed_message *m, struct route *r)
{
    (void)m;
    for (struct list *it; (it = route_next(r, &x->bindings)) != NULL;)
        route_add(r, CONTAINER_OF(it, struct binding, in_source));
    return r->next == NULL;
}

const struct exchange_type exchange_type_fanout = {
    .name = "fanout",
    .bind = fanout_bind,
    .unbind = fanout_unbind,
    .route = fanout_route,
};
