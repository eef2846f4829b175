// SPDX-License-Identifier: Apache-2.0
/* broker/core/binding.h — an arrow from an exchange to a queue or to another exchange.
 *
 * Identity is (source, destination, routing key, arguments); arguments are the same when their
 * entries are, in whatever order of names. A binding is in its source's list, its destination's
 * list, the vhost's index and the source type's index, from binding_add to binding_remove. Removing
 * the last binding of an auto-delete exchange deletes the exchange.
 *
 * Thread: core.   Blocks: never.   Allocates: binding_add; the methods for arguments that are not
 * in order.
 */
#ifndef BROKER_CORE_BINDING_H
#define BROKER_CORE_BINDING_H

#include "broker/core/exchange.h"

struct session;

struct binding {
    struct map_node by_identity;
    struct list in_source;
    struct list in_destination;
    struct exchange *source;
    struct queue *queue;       /* the destination … */
    struct exchange *exchange; /* … is one of these two, the other is NULL */
    struct span key;           /* in bytes */
    struct span arguments;     /* in bytes: entries in order of name */
    uint64_t number;           /* the store knows it by; 0 = it does not … */
    uint64_t batch;            /* … once this is durable */
    struct list in_index;      /* for the source type's index */
    void *index_node;          /* likewise */
    uint8_t bytes[];
};

struct binding_id {
    struct exchange *source;
    struct queue *queue;
    struct exchange *exchange;
    struct span key;
    struct span arguments; /* entries in order of name (sorted_table_bytes) */
};

/* NULL when there is none. */
struct binding *binding_find(const struct binding_id *id);

/* There is none of that identity yet; its arguments suit the source's type. The store is told of a
 * durable one, unless it knows it already by `number`; 0 = it does not. ERR_NOMEM. */
MUST_USE enum err binding_add(const struct binding_id *id, uint64_t number);

/* Frees `b`. May detach its source. */
void binding_remove(struct binding *b);

/* queue.bind and queue.unbind for `session` (exclusive queues). Names are already resolved:
 * `m->queue` is the queue's name. Unbinding what does not exist is fine; it takes what it does from
 * `*work`, see vhost_work_at_once. Errors: 403, 404, 405, 406, 506. */
const struct reply *queue_bind(struct vhost *v, const struct amqp_queue_bind *m,
                               const struct session *session, struct fault *f);
const struct reply *queue_unbind(struct vhost *v, const struct amqp_queue_unbind *m,
                                 const struct session *session, unsigned *work, struct fault *f);

/* Removes up to `*work` of the queue's bindings, counting `*work` down, and with what is left of it
 * deletes the auto-delete exchanges that have thereby lost their last. True when the queue has none
 * left. A queue with many bindings is unbound in slices; route_add passes over deleted queues
 * meanwhile. */
bool binding_remove_some(struct queue *q, unsigned *work);

#endif
