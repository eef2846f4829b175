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
 * A walk can be done in slices, as long as the vhost's routing_epoch stands still: route_begin,
 * then route_go_on until it is complete. Between its slices other walks are made; marks are of a
 * lane, and of each lane one walk may be under way at a time.
 *
 * Thread: core.   Blocks: never.   Allocates: route_go_on; a route that ran out of memory says
 * `failed`.
 */
#ifndef BROKER_CORE_ROUTE_H
#define BROKER_CORE_ROUTE_H

#include "broker/core/binding.h"
#include "broker/core/sorted_table.h"

struct topic_walk;

struct routed_message {
    struct span key;
    struct span headers; /* the headers property: a field table, may be empty */
};

enum { ROUTE_LOOKS_PER_STEP = 8 };

/* Where a tired route has stopped among the arguments of a binding. */
struct route_arguments {
    bool inside;
    struct span rest;
    struct span last; /* name of the one before */
    size_t nth;       /* how many of that name came before it: they are in order of name */
};

struct route {
    struct queue **queues;
    size_t n;
    size_t capacity;
    struct exchange **pending; /* asked, and then to be asked */
    size_t n_pending;
    size_t pending_capacity;
    size_t at;  /* the one of them that is being asked */
    size_t key; /* the key it is being asked for */
    enum route_lane lane;
    uint64_t mark;
    size_t looks;    /* at this many things; ROUTE_LOOKS_PER_STEP are a step of a turn's work */
    size_t enough;   /* looks after which the route is tired */
    bool matched;    /* some binding of the exchange being asked leads to something alive */
    bool by_headers; /* some exchange on the way looked at the headers */
    bool failed;     /* memory ran out: the set is not complete */
    bool sorted;     /* `headers` is made */
    struct sorted_table headers; /* of the message at hand */
    /* Of the exchange being asked: */
    struct list *next; /* the binding to be looked at next; NULL = at the beginning, or the end */
    struct route_arguments arguments;
    bool in_topic;            /* `topic` says where */
    struct topic_walk *topic; /* made when first needed */
};

void route_init(struct route *r, enum route_lane lane);
void route_fini(struct route *r);

/* Empties `r` for a message published to `x`. */
void route_begin(struct route *r, struct exchange *x);

/* Adds the queues of a message published to `x`, the same as at the beginning. `keys` are the
 * routing key and those of CC and BCC, with the same headers each; what they point at stays where
 * it is from slice to slice. Stops after `looks` more; true when the set is complete. */
bool route_go_on(struct route *r, struct exchange *x, const struct routed_message *keys,
                 size_t n_keys, size_t looks);

/* ---- For exchange types ---- */

static inline bool route_is_tired(const struct route *r)
{
    return r->looks >= r->enough;
}

/* The next of `bindings`; NULL at the end, which leaves r->next NULL, or when the route is tired.
 */
struct list *route_next(struct route *r, const struct list *bindings);

/* The message's headers by name, sorted once however many exchanges ask. NULL when memory is out,
 * and then the route has failed. */
const struct sorted_table *route_headers(struct route *r, const struct routed_message *m);

/* The destination of `b` is one of them. */
void route_add(struct route *r, const struct binding *b);

#endif
