// SPDX-License-Identifier: Apache-2.0
/* broker/core/vhost.h — a name space: its exchanges, queues and bindings.
 *
 * Owns its exchanges and bindings; queues register themselves in `queues`, under
 * map_hash(hash_seed, name). `routing_epoch` grows with every change that can alter where a message
 * goes; caches of routes compare it. (A queue that is made or deleted alters routes too: whoever
 * does that adds one.)
 *
 * A deleted exchange leaves `exchanges` at once. If it has more bindings than can be removed at
 * once, it waits in `detached` for vhost_work; nothing is routed through it any more.
 *
 * Invariants (vhost_check): every binding is in the lists of both its ends and in the index; every
 * exchange and queue is under its own name; no exchange of `exchanges` is deleted, all of
 * `detached` are.
 *
 * Thread: core.   Blocks: never.
 */
#ifndef BROKER_CORE_VHOST_H
#define BROKER_CORE_VHOST_H

#include "base/assert.h"
#include "base/err.h"
#include "base/list.h"
#include "base/map.h"

struct catalogue;
struct exchange;
struct queue;

/* Bindings and exchanges that a request removes before it is answered; the rest waits for
 * vhost_work. */
enum { VHOST_WORK_AT_ONCE = 256 };

/* Walks to queues that may be under way side by side: see route.h. */
enum route_lane { ROUTE_AT_ONCE, ROUTE_IN_SLICES, ROUTE_LANES };

struct vhost {
    struct span name; /* owned */
    uint64_t hash_seed;
    struct catalogue *catalogue; /* told of what is durable; NULL = nobody is */
    struct map exchanges;
    struct map queues;
    struct map bindings;  /* by source, destination, key and arguments */
    struct list detached; /* deleted exchanges with bindings left; exchange.in_detached */
    uint64_t routing_epoch;
    uint64_t bindings_removed; /* the dead ones, too: a walk may have stopped at one */
    uint64_t route_mark;       /* the last mark handed out for a walk: see route.h */
};

/* A vhost with its predeclared exchanges, numbered from 1 ("", amq.direct, amq.fanout, amq.topic,
 * amq.headers, amq.match, amq.rabbitmq.trace). ERR_NOMEM. */
MUST_USE enum err vhost_new(struct vhost **out, struct span name, uint64_t hash_seed);

/* There must be no queue left, in `queues` or as the destination of a binding. */
void vhost_free(struct vhost *v);

/* NULL when there is none. */
struct exchange *vhost_exchange(const struct vhost *v, struct span name);
struct queue *vhost_queue(const struct vhost *v, struct span name);

/* Goes on freeing deleted exchanges, counting `*work` down for every binding and every exchange.
 * True when none is left. */
bool vhost_work(struct vhost *v, unsigned *work);

/* The same for what one request sets off: a small deletion is done before it is answered, however
 * little work the turn has left. What it takes is counted as far as there is any. */
void vhost_work_at_once(struct vhost *v, unsigned *work);

void vhost_check(const struct vhost *v);

#endif
