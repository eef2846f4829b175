// SPDX-License-Identifier: Apache-2.0
/* broker/core/long_route.h — walks to queues that take more of a turn than one publish may have.
 *
 * A publish whose walk takes too long begins it anew here, in slices: its channel waits, and the
 * publish is executed again turn by turn (parking_again) until the walk is complete. One walk is
 * under way in the whole broker, since the marks that it leaves are its own; other channels wait
 * for it in the order in which they came.
 *
 * When routing changes in between, or a binding is freed at which the walk may have stopped, it
 * starts over, with slices twice as large each time and in one go at last: it comes to its end
 * however often that happens. So the message goes where the bindings of its last slice lead, all at
 * one time.
 *
 * Thread: core.   Blocks: never.   Allocates: long_route_find; see route.h.
 */
#ifndef BROKER_CORE_LONG_ROUTE_H
#define BROKER_CORE_LONG_ROUTE_H

#include "base/list.h"
#include "broker/core/route.h"

struct channel;

struct long_routes {
    struct route route;
    struct channel *owner; /* whose publish it is; NULL = nobody's */
    bool begun;
    uint64_t epoch;      /* vhost.routing_epoch when it began, */
    uint64_t removed;    /* and vhost.bindings_removed */
    unsigned n_restarts; /* of this publish */
    struct list waiting; /* channels, by parking.in_jobs */
};

void long_routes_init(struct long_routes *l);
void long_routes_fini(struct long_routes *l);
void long_routes_check(const struct long_routes *l);

/* Is the walk under way for this channel's publish? */
bool long_route_is_of(const struct channel *ch);

/* A slice of the walk for the publish at hand, which has just taken too long or comes again. The
 * route, failed or complete, until the channel leaves; NULL: the channel waits. */
struct route *long_route_find(struct channel *ch, struct exchange *x,
                              const struct routed_message *key);

/* The channel's publish is done, or will not come again. Idempotent. */
void long_route_leave(struct channel *ch);

#endif
