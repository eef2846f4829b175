// SPDX-License-Identifier: Apache-2.0
/* broker/core/replies.h — what a channel owes its client, in order.
 *
 * Every reply names the store batch that must be durable before it goes out (0 = none). While the
 * list is empty and the batch is durable, a reply goes straight to the link; otherwise it waits
 * here, and everything after it waits behind it. Confirms hang on the same list: neighbours with
 * the same fate are one entry. Deliveries do not go through the list, unless a content waits in
 * it.
 *
 * A reply that finds no room in the link's ring waits here as well, so a full ring needs no care
 * anywhere else. What is in the list is charged to the session like parked events: one that is owed
 * much is not read.
 *
 * Thread: core.   Blocks: never.   Allocates: when a reply must wait; failing that, the connection
 * is closed, because a lost reply cannot be mended.
 */
#ifndef BROKER_CORE_REPLIES_H
#define BROKER_CORE_REPLIES_H

#include "amqp/method.h"
#include "base/deque.h"
#include "base/list.h"
#include "broker/core/consumer.h"

/* What happens right after a reply has gone out. */
enum reply_then {
    THEN_NOTHING,
    THEN_START_CONSUMER, /* reply.consumer */
    THEN_FREE_CHANNEL,   /* close-ok: the number may be used again */
    THEN_CLOSE,          /* connection.close-ok: the socket may be closed */
    THEN_AWAIT_CLOSE_OK  /* connection.close: only close-ok is still of interest */
};

struct replies {
    struct deque list;    /* struct waiting_reply */
    struct list in_flush; /* while the list is not empty: by its first reply, in core.replying, or
                             with the others that wait for the same batch */
    size_t n_contents;    /* of the list: deliveries wait behind these, for tags go in order */
    bool confirms_dropped;
};

void replies_init(struct replies *r);

/* The list must be empty. */
void replies_fini(struct replies *r);

/* Owes `m` to the client once `batch` is durable. */
void replies_method(struct channel *ch, const struct method *m, uint64_t batch);
void replies_method_then(struct channel *ch, const struct method *m, uint64_t batch,
                         enum reply_then then, struct slot_id consumer);

/* get-ok or basic.return: payload = prefix + route of `message` + suffix. Takes a reference of its
 * own. */
void replies_content(struct channel *ch, struct span prefix, struct span suffix,
                     struct message *message, uint64_t batch);

/* basic.ack or basic.nack for publish number `tag`, which is the one after the last. */
void replies_confirm(struct channel *ch, uint64_t tag, bool ack, uint64_t batch);

/* Forgets the confirms that have not gone out, and all to come: the channel is closing. */
void replies_drop_confirms(struct channel *ch);

/* Forgets everything: nobody is there to read it. */
void replies_drop_all(struct channel *ch);

/* From the core's turn: sends what has become durable, counting `*work` down. True when there is
 * more to do at once. */
bool replies_run(struct core *core, unsigned *work);

/* From core_free: nobody waits any more. */
void replies_forget(struct core *core);

#endif
