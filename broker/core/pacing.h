// SPDX-License-Identifier: Apache-2.0
/* broker/core/pacing.h — a publisher that runs ahead of consumers at work is read later.
 *
 * A consumer gets a prefetch window per round trip; a flooding publisher gets all the reading that
 * is left. Its backlog would grow for no other reason than that it is read more often, and cost
 * memory and cache that the consumer then pays for. So a session that has sent PACING_MESSAGES or
 * PACING_BYTES to queues that are behind, and from which somebody is taking, is throttled: its
 * connection is not read until the queue has caught up.
 *
 * This needs no action of anybody to end: after PACING_THROTTLE_NS the I/O side ends it by itself,
 * and the publisher is read up to the next time. So however slow the consumer, no publisher is
 * slowed below PACING_MESSAGES or PACING_BYTES per PACING_THROTTLE_NS. Publishers to a queue from
 * which nobody takes are not throttled, nor are sessions with consumers, or with something to
 * acknowledge: what would clear the backlog must not wait behind it.
 *
 * Thread: core.   Blocks: never.   Allocates: never.
 */
#ifndef BROKER_CORE_PACING_H
#define BROKER_CORE_PACING_H

#include "broker/core/session.h"

/* `s` has published a message of this footprint to `q`. */
void pacing_published(struct session *s, struct queue *q, size_t bytes);

/* Messages have left `q`, which throttles sessions. */
void pacing_taken(struct queue *q);

/* Lets go of those that `q` throttles, as far as the turn's work reaches: its backlog has ended.
 * The rest follows with the next messages taken, or is let go by the I/O side. */
void pacing_let_go(struct queue *q);

/* The same, counting `*work` down. True when none is left, as the end of a queue needs it. */
bool pacing_let_go_some(struct queue *q, unsigned *work);

#endif
