// SPDX-License-Identifier: Apache-2.0
/* broker/core/queue.h — messages waiting, in order, for somebody to take them.
 *
 * A queue owns its ready messages and counts those that were handed out and are not settled; which
 * these are, the channels know (unsettled.h). Every message gets the next sequence number; a
 * requeued one keeps its own and so comes back to its place. Whatever was returned is older than
 * anything never handed out, therefore two sources suffice: `returned`, a heap, and behind it
 * `ready`, in the order of seqs.
 *
 * Of a durable queue, `stored` has the seqs of persistent messages that are ready or not settled:
 * the store knows these, and is told of their end.
 *
 * A message that arrives at an empty queue with a consumer that takes it never enters it.
 * Otherwise, when messages and consumers may meet again, the queue is put on the core's list of
 * active queues, and queue_dispatch brings them together in slices.
 *
 * A consumer that is ready waits for a message; whether it may take one is looked at when there is
 * one. If not, it then leaves the ready ones for where it is woken from (consumer_check_ready).
 *
 * A deleted queue leaves its vhost at once; its messages and bindings go in slices, and the struct
 * stays as long as unsettled entries name it.
 *
 * Invariants (queue_check; the first, which takes a walk through all channels, core_check_rest):
 *   1. n_unsettled equals the entries that name this queue in all channels.
 *   2. returned is a heap by seq, every seq in it is below those in ready, and they below next_seq.
 *   3. levels has one for each priority of its consumers; ready_levels those with a ready consumer.
 *   4. active when there are both messages and ready consumers, unless held or deleted.
 *
 * Thread: core.   Blocks: never.   Allocates: where ERR_NOMEM is listed.
 */
#ifndef BROKER_CORE_QUEUE_H
#define BROKER_CORE_QUEUE_H

#include "amqp/method.h"
#include "base/fifo.h"
#include "base/list.h"
#include "base/map.h"
#include "base/seqset.h"
#include "base/slots.h"
#include "broker/core/vhost.h"
#include "broker/link/message.h"
#include "storage/store.h"

struct channel;
struct consumer;
struct core;
struct session;
struct vhost;

/* A message in its place. */
struct queue_entry {
    uint64_t seq;
    struct message *message; /* a reference */
};

/* The consumers of one priority, as long as the queue has any. */
struct queue_level {
    struct list in_queue; /* in queue.levels */
    struct list in_ready; /* in queue.ready_levels */
    struct list ready;    /* consumers by turn, by consumer.in_wait */
    size_t n_consumers;   /* all, ready or not */
    int32_t priority;
};

struct queue {
    struct map_node by_name;
    struct map_node by_number; /* of a durable one, in core.durable_queues */
    struct slot_id id;
    uint64_t number; /* never used twice */
    struct core *core;
    struct vhost *vhost;
    struct span name;      /* owned */
    struct span arguments; /* owned: a field table */
    bool durable;
    bool auto_delete;
    bool exclusive;
    bool deleted;
    bool told;             /* the store knows it … */
    uint64_t batch;        /* … once this is durable */
    struct session *owner; /* of an exclusive queue */
    struct list in_owner;

    struct fifo ready; /* struct queue_entry */
    uint64_t next_seq;
    uint64_t flagged_seq; /* up to this one, ready ones may have been delivered before the start */
    struct seqset stored;
    struct queue_entry *returned;
    size_t n_returned;
    size_t returned_capacity;
    size_t n_unsettled;
    struct list holds; /* of channels that give messages back in slices (hold.h) */

    struct list consumers; /* all, in order of registration, by consumer.in_queue */
    size_t n_consumers;
    struct consumer *exclusive_consumer;
    struct list levels;       /* all priorities, the highest first, by queue_level.in_queue */
    struct list ready_levels; /* those with ready consumers, and some that have none any more */
    struct list active;       /* in core->active_queues */

    uint64_t taken_ns;     /* when a message was last taken from its backlog; 0 = never */
    struct list throttled; /* sessions that are ahead of its consumers, by session.in_throttled */

    struct list bindings;              /* it is the destination of; binding.in_destination */
    uint64_t route_marks[ROUTE_LANES]; /* of the walks that found it: see route.h */
};

/* "queue 'q' in vhost '/'" parts for reply texts: format and arguments. */
#define QUEUE_TEXT         "queue '%.*s' in vhost '%.*s'"
#define QUEUE_TEXT_ARGS(q) SPAN_FMT((q)->name), SPAN_FMT((q)->vhost->name)

/* A queue with the properties of `m`, registered under its name. ERR_NOMEM. */
MUST_USE enum err queue_new(struct queue **out, struct core *core, struct vhost *vhost,
                            const struct amqp_queue_declare *m, struct session *owner,
                            uint64_t number);

/* The durable queue of that number, or NULL. */
struct queue *queue_by_number(const struct core *core, uint64_t number);

/* Detaches it from name and owner at once, from consumers and bindings as far as the turn's work
 * reaches; the rest goes in slices (queue_empty_some). */
void queue_delete(struct queue *q);

/* Drops messages and bindings of a deleted queue, counting `*work` down. True when it has been
 * freed, or waits for its unsettled messages only. */
bool queue_empty_some(struct queue *q, unsigned *work);

/* Is a message's stay in the queue the store's business? */
bool queue_stores(const struct queue *q, const struct message *m);

/* Makes the queue ready for queue_push, which must be next; `*seq` is what the message will have.
 * ERR_NOMEM. */
MUST_USE enum err queue_admit(struct queue *q, const struct message *m, uint64_t *seq);

/* It does not come after all. */
void queue_refuse(struct queue *q, const struct message *m, uint64_t seq);

/* Appends a message that was admitted, or hands it straight to a ready consumer. */
void queue_push(struct queue *q, struct message *m /* taken */);

/* At the start: the queue's next message, whose seq is above those before. ERR_NOMEM. */
MUST_USE enum err queue_restore(struct queue *q, struct message *m /* taken */, uint64_t seq);

/* Ready messages. */
size_t queue_n_ready(const struct queue *q);

/* The next message and where it stood; its reference goes to the caller, and it counts as
 * unsettled. NULL when there is none. */
struct message *queue_take(struct queue *q, uint64_t *seq, bool *redelivered);

/* A message handed out comes back to its place; it no longer counts as unsettled. Takes the
 * reference. ERR_NOMEM: nothing has changed, the caller tries again later. */
MUST_USE enum err queue_return(struct queue *q, struct message *m /* taken */, uint64_t seq);

/* Tells the store, as part of `group` (0 = none), that a message is done with, if that is its
 * business. */
void queue_tell_settled(struct queue *q, const struct message *m, uint64_t seq, uint64_t group);

/* A message handed out is done with: acknowledged, or returned to a deleted queue. Tells the store,
 * gives up the reference, and may free the queue. */
void queue_settled(struct queue *q, struct message *m /* taken */, uint64_t seq, uint64_t group);

/* Takes away all ready messages, which the core frees in slices (garbage_free_some). ERR_NOMEM. */
MUST_USE enum err queue_purge(struct queue *q, size_t *n);

/* Frees messages that were purged, counting `*work` down. True when none is left. */
bool garbage_free_some(struct core *core, unsigned *work);

/* Hands out what consumers may take now, as far as the turn's work reaches, so that who looks at
 * the messages next sees what is left. False when the queue is held, and who asks must wait. */
MUST_USE bool queue_rest(struct queue *q);

/* Messages and consumers may meet: has queue_dispatch called from the core's turn. */
void queue_activate(struct queue *q);

/* Brings messages and consumers together, counting `*work` down. True when nothing is left to do.
 */
bool queue_dispatch(struct queue *q, unsigned *work);

/* The level of a new consumer's priority, made if need be. Each call takes one queue_leave_level.
 * Counts what it walks past. NULL when memory is out. */
struct queue_level *queue_join_level(struct queue *q, int32_t priority);
void queue_leave_level(struct queue_level *level);

/* Puts a consumer into its place by priority and turn, where it waits for a message. */
void queue_add_ready(struct queue *q, struct consumer *c);

/* Has a ready consumer that was served wait behind its equals. */
void queue_to_back(struct consumer *c);

void queue_check(const struct queue *q);

/* 405: it is exclusive, or not, and to whom. */
const struct reply *queue_locked(const struct queue *q, struct fault *f);

/* 405 when the queue is exclusive to another session than `s`, else NULL. */
const struct reply *queue_check_owner(const struct queue *q, const struct session *s,
                                      struct fault *f);

#endif
