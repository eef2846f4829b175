// SPDX-License-Identifier: Apache-2.0
/* broker/core/channel.h — one channel of a session: its state, its modes, what it owes and is owed.
 *
 * Methods of a channel are executed strictly in order. One that cannot finish now parks the
 * channel (parking.h): later ones wait behind it, other channels go on.
 *
 * Channel 0 is a channel too, for its replies and its parked methods; it has no other use of this.
 *
 * Thread: core.   Blocks: never.
 */
#ifndef BROKER_CORE_CHANNEL_H
#define BROKER_CORE_CHANNEL_H

#include "broker/core/hold.h"
#include "broker/core/parking.h"
#include "broker/core/replies.h"
#include "broker/core/unsettled.h"

struct route_cache;
struct tx;

/*    state       legal next states */
#define CHANNEL_STATES(S)                                                              \
    S(CHANNEL_OPEN, BIT(CHANNEL_CLOSING) | BIT(CHANNEL_FAULTED) | BIT(CHANNEL_GONE))   \
    S(CHANNEL_FAULTED, BIT(CHANNEL_CLOSING) | BIT(CHANNEL_GONE)) /* we sent close */   \
    S(CHANNEL_CLOSING, BIT(CHANNEL_GONE))                        /* close-ok is due */ \
    S(CHANNEL_GONE, 0)                                           /* nothing is sent any more */

#define CHANNEL_STATE_ENUM(name, next) name,
enum channel_state { CHANNEL_STATES(CHANNEL_STATE_ENUM) };
#undef CHANNEL_STATE_ENUM

struct channel {
    struct session *session;
    struct map_node by_number;
    struct list in_session;
    uint16_t number;
    enum channel_state state;

    struct replies replies;
    struct parking parking;

    uint64_t last_tag; /* delivery tag handed out last */
    struct unsettled unsettled;
    struct holds holds;         /* of a settlement in slices */
    struct map consumers;       /* by tag */
    struct list consumer_list;  /* the same, in order */
    struct list waiting;        /* consumers held back by the channel: its prefetch, or contents
                                   that wait in its replies */
    struct list waking;         /* those of them that are about to be looked at again */
    struct list in_waking;      /* in core.waking, if there are such */
    uint32_t consumer_prefetch; /* for consumers to come; 0 = no limit */
    uint32_t channel_prefetch;  /* for all consumers together; 0 = no limit */
    uint64_t settle_from;       /* where a settlement in slices stands … */
    uint64_t settle_last;       /* … and where it ends */
    size_t volume;              /* what counts against channel_prefetch; see on_basic_qos */

    bool confirm;
    uint64_t n_published; /* since confirm.select */
    struct tx *tx;        /* NULL unless tx.select was said */

    struct span last_queue; /* owned: what an empty queue name means */
    struct route_cache *routes;
};

/* ERR_NOMEM. */
MUST_USE enum err channel_new(struct channel **out, struct session *s, uint16_t number);

/* Takes it out of its session; it is freed at the end of the turn. Everything must have been
 * released. */
void channel_retire(struct channel *ch);

/* From the core's turn. */
void channel_free(struct channel *ch);

void channel_move(struct channel *ch, enum channel_state state);

/* The end of a channel, whatever the cause: cancels consumers, rolls back, and returns unsettled
 * messages, counting `*work` down. True when nothing is left. May be called again until then. */
bool channel_release_some(struct channel *ch, unsigned *work);

/* Answers a soft error: channel.close with this fault, and everything later is dropped until
 * close-ok. */
void channel_fail(struct channel *ch, const struct fault *f);

/* The queue that `name` means on this channel: itself, or the one declared last when it is empty.
 * 404 when there is none. */
const struct reply *channel_queue_name(const struct channel *ch, struct span *name,
                                       struct fault *f);

/* Resolves, finds and checks exclusivity: 404 or 405. */
const struct reply *channel_queue(const struct channel *ch, struct span name, struct queue **out,
                                  struct fault *f);

/* For a method that looks at the messages of a queue: must it wait until the queue is at rest? Then
 * it is tried again, and the handler returns NULL without having changed anything. */
bool channel_awaits_queue(struct channel *ch, struct queue *q);

/* What held back its waiting consumers may have changed: they are looked at again, as far as the
 * turn's work reaches, the rest by channel_wake_some. */
void channel_wake_consumers(struct channel *ch);

/* Goes on with it, counting `*work` down. True when none is left. */
bool channel_wake_some(struct channel *ch, unsigned *work);

/* Remembers the queue declared last. ERR_NOMEM → RESOURCE_ERROR. */
const struct reply *channel_set_last_queue(struct channel *ch, struct span name, struct fault *f);

void channel_check(const struct channel *ch);

#endif
