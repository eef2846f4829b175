// SPDX-License-Identifier: Apache-2.0
/* broker/core/route.h — the queues that one publish goes to.
 *
 * A route is a set: a queue gets one copy however many bindings, keys or exchanges lead to it. The
 * walk goes through exchange-to-exchange bindings and alternate exchanges, each exchange once;
 * visited exchanges and queues carry the walk's mark, so no set has to be built. There is no
 * recursion: exchanges yet to be asked wait in `pending`.
 *
 * An exchange's alternate is asked when no binding of that exchange matches, for none of the keys.
 * A binding matches also when it leads to where the walk has been already, or to an exchange that
 * leads nowhere.
 *
 * Queues come in a fixed order (that in which bindings were found), never in one of addresses.
 *
 * Thread: core.   Blocks: never.   Allocates: route_find; a route that ran out of memory says
 * `failed`.
 */
#ifndef BROKER_CORE_ROUTE_H
#define BROKER_CORE_ROUTE_H

#include "broker/core/binding.h"
#include "broker/core/sorted_table.h"

struct routed_message {
    struct span key;
    struct span headers; /* the headers property: a field table, may be empty */
};

enum { ROUTE_LOOKS_PER_STEP = 8 };

struct route {
    struct queue **queues;
    size_t n;
    size_t capacity;
    struct exchange **pending; /* asked, and then to be asked */
    size_t n_pending;
    size_t pending_capacity;
    uint64_t mark;
    size_t looks;    /* at this many things; ROUTE_LOOKS_PER_STEP are a step of a turn's work */
    bool matched;    /* some binding of the exchange being asked leads to something alive */
    bool by_headers; /* some exchange on the way looked at the headers */
    bool failed;     /* memory ran out: the set is not complete */
    bool sorted;     /* `headers` is made */
    struct sorted_table headers; /* of the message at hand */
};

void route_init(struct route *r);
void route_fini(struct route *r);

/* Fills `r` (emptied first) with the queues for a message published to `x`. `keys` are the routing
 * key and those of CC and BCC, with the same headers each. */
void route_find(struct route *r, struct exchange *x, const struct routed_message *keys,
                size_t n_keys);

/* For exchange types: the message's headers by name, sorted once however many exchanges ask. NULL
 * when memory is out, and then the route has failed. */
const struct sorted_table *route_headers(struct route *r, const struct routed_message *m);

/* For exchange types: the destination of `b` is one of them. */
void route_add(struct route *r, const struct binding *b);

#endif
