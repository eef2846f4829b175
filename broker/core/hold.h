// SPDX-License-Identifier: Apache-2.0
/* broker/core/hold.h — queues that nobody takes from while messages come back to them in slices.
 *
 * A requeue that does not fit into one turn must not be seen half-way: a later message would go out
 * before an earlier one is back. So the channel whose job it is holds every queue from the first
 * message that it gives back until the job is done. Held, a queue takes messages and gives none,
 * and methods that look at its messages wait (queue_rest).
 *
 * Several channels may hold a queue; a channel holds a queue once. A deleted queue is let go of.
 *
 * Thread: core.   Blocks: never.   Allocates: hold_queue.
 */
#ifndef BROKER_CORE_HOLD_H
#define BROKER_CORE_HOLD_H

#include <stdbool.h>
#include <stddef.h>

#include "base/assert.h"
#include "base/err.h"
#include "base/list.h"

struct channel;
struct queue;

/* Of a channel. */
struct holds {
    bool holding;     /* what is requeued holds its queue */
    struct list held; /* struct hold, by in_channel */
};

void holds_init(struct holds *h);

/* From here to hold_release_some a requeue holds its queue, if `n` messages are too many for the
 * `work` left. Saying it again changes nothing. */
void hold_begin(struct channel *ch, size_t n, unsigned work);

/* A message is about to come back to `q`: holds it if the channel is holding. ERR_NOMEM. The turn's
 * work counts the other channels that hold it and are looked at. */
MUST_USE enum err hold_queue(struct channel *ch, struct queue *q);

/* All messages are back: lets go, counting `*work` down. True when nothing is held any more. */
bool hold_release_some(struct channel *ch, unsigned *work);

/* The queue is deleted: nobody holds it any more. Counts `*work` down; true when done. */
bool hold_forget_some(struct queue *q, unsigned *work);

#endif
