// SPDX-License-Identifier: Apache-2.0
/* broker/core/consumer.h — one basic.consume: a channel's standing wish for a queue's messages.
 *
 * A consumer belongs to its channel. Where its `in_wait` node is says why it is not being served:
 * among the ready of its queue's level it waits for a message; in the channel's list for the
 * channel's prefetch; in the session's for room in the output; in none for its own prefetch, or for
 * its consume-ok to go out.
 *
 * A cancelled consumer stays as long as unsettled entries name it.
 *
 * Thread: core.   Blocks: never.   Allocates: consumer_new.
 */
#ifndef BROKER_CORE_CONSUMER_H
#define BROKER_CORE_CONSUMER_H

#include "broker/core/queue.h"

enum consumer_wait {
    CONSUMER_IDLE,     /* consume-ok has not gone out, or cancelled */
    CONSUMER_READY,    /* in queue_level.ready */
    CONSUMER_PREFETCH, /* its own limit is reached */
    CONSUMER_CHANNEL,  /* in channel.waiting: the channel's limit is reached, or much waits */
    CONSUMER_OUTPUT    /* in session.waiting: the connection's output is full */
};

struct consumer {
    struct map_node by_tag; /* in its channel */
    struct list in_channel;
    struct list in_queue;
    struct list in_wait;
    enum consumer_wait wait;
    struct core *core;
    struct channel *channel;   /* NULL once cancelled */
    struct queue_level *level; /* likewise */
    struct slot_id queue;
    struct slot_id id;
    struct span tag; /* owned */
    bool no_ack;
    bool exclusive;
    uint32_t prefetch; /* 0 = no limit */
    size_t n_unsettled;
};

struct consumer_options {
    struct span tag;
    bool no_ack;
    bool exclusive;
    int32_t priority;
    uint32_t prefetch;
};

/* Registers a consumer with channel and queue; it gets nothing before consumer_start. ERR_NOMEM. */
MUST_USE enum err consumer_new(struct consumer **out, struct channel *ch, struct queue *q,
                               const struct consumer_options *options);

/* Its consume-ok has gone out: it may be served. */
void consumer_start(struct consumer *c);

/* Takes it from its queue and channel. An auto-delete queue that loses its last consumer is
 * deleted. */
void consumer_cancel(struct consumer *c);

/* Tells the client that the broker ends it, if the client wants to know. */
void consumer_notify_cancel(const struct consumer *c);

/* May it take a message now? If not, it is moved to where it will be woken from. */
bool consumer_check_ready(struct consumer *c);

/* Something it waited for has come: back to its queue's ready list. */
void consumer_wake(struct consumer *c);

/* Hands it a message, of which it takes the reference on OK. The consumer goes behind its equals.
 * ERR_NOMEM changes nothing. There must be room in the output (output_has_room). */
MUST_USE enum err consumer_deliver(struct consumer *c, struct queue *q,
                                   struct message *m /* taken */, uint64_t seq, bool redelivered);

/* One of its messages has been settled. May free a cancelled consumer. */
void consumer_settled(struct consumer *c);

/* The consumer of that tag on the channel, or NULL. */
struct consumer *consumer_find(const struct channel *ch, struct span tag);

#endif
