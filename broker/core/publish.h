// SPDX-License-Identifier: Apache-2.0
/* broker/core/publish.h — from basic.publish to the queues.
 *
 * The checks come in RabbitMQ's order; any fault closes the channel, with no return and no confirm.
 * Routes are remembered per channel by the bytes of exchange and routing key, for as long as the
 * vhost's routing_epoch stands still; routes that depend on headers are not.
 *
 * A publish to more queues than fit in a turn parks its channel and goes on in slices; so does one
 * that looks long for its queues (long_route.h).
 *
 * Thread: core.
 */
#ifndef BROKER_CORE_PUBLISH_H
#define BROKER_CORE_PUBLISH_H

#include "broker/core/channel.h"
#include "broker/core/route.h"

/* Must a publish wait for memory? Not on a channel that is ending, which drops it, nor in a
 * transaction that has begun, which only its end clears. */
bool publish_waits(const struct channel *ch);

/* Executes one publish, and takes `p->large`; or else the channel waits, and it is to be executed
 * again (parking_again). */
const struct reply *publish(struct channel *ch, struct in_publish *p, struct fault *f);

/* Owes basic.return (312) for an unroutable message. */
void publish_return(struct channel *ch, struct message *m);

/* What is handed over at once: a larger fan-out is several records of the store. */
enum { PUBLISH_PART = 64 };

/* Hands the message to queues, at most PUBLISH_PART, all of which are there; the store is told as
 * part of `group`, 0 = none. `only` says that these are all. ERR_NOMEM: not all have got it. */
MUST_USE enum err publish_to(struct session *s, struct message *m, struct queue *const *queues,
                             size_t n, uint64_t group, bool only);

/* Must the store have it before it is promised: a persistent message for a durable queue? */
bool publish_is_durable(const struct message *m, struct queue *const *queues, size_t n);

void route_cache_free(struct route_cache *c);

#endif
