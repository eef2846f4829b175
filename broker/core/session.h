// SPDX-License-Identifier: Apache-2.0
/* broker/core/session.h — one connection as the model sees it.
 *
 * A session begins with IN_OPENED and ends when IN_CLOSED has come and everything it held is
 * released. In between it walks the states below; session_move is the only writer.
 *
 * Its end, whether by the client's close, by a fault or by the socket, is one job: channels are
 * released, exclusive queues deleted, in slices; then close-ok goes out, or the slot is given back.
 *
 * Thread: core.   Blocks: never.
 */
#ifndef BROKER_CORE_SESSION_H
#define BROKER_CORE_SESSION_H

#include "broker/core/channel.h"

/*    state            legal next states */
#define SESSION_STATES(S)                                                                        \
    S(SESSION_START, BIT(SESSION_TUNE) | BIT(SESSION_ENDED) | BIT(SESSION_CLOSING))              \
    S(SESSION_TUNE, BIT(SESSION_OPEN) | BIT(SESSION_ENDED) | BIT(SESSION_CLOSING))               \
    S(SESSION_OPEN, BIT(SESSION_RUNNING) | BIT(SESSION_ENDED) | BIT(SESSION_CLOSING))            \
    S(SESSION_RUNNING, BIT(SESSION_CLOSING) | BIT(SESSION_ENDED)) /* after connection.open-ok */ \
    S(SESSION_CLOSING, BIT(SESSION_ENDED)) /* either side said close; only its end is awaited */ \
    S(SESSION_ENDED, 0)                    /* nothing more is read or sent */

#define SESSION_STATE_ENUM(name, next) name,
enum session_state { SESSION_STATES(SESSION_STATE_ENUM) };
#undef SESSION_STATE_ENUM

struct core_link;

struct session {
    struct core *core;
    struct core_link *link;
    struct slot_id conn;
    struct list in_core;
    enum session_state state;
    bool loopback;
    char peer[LINK_PEER_MAX]; /* for logs */
    bool socket_gone;         /* IN_CLOSED has come */
    bool close_ok_due;        /* the client said connection.close */
    bool paused;              /* ORDER_PAUSE is in force */
    bool released;            /* nothing is held; freed once its last order is out */
    struct list in_teardowns;
    uint64_t last_batch;     /* the largest that a reply of its channels hangs on */
    bool wants_cancels;      /* consumer_cancel_notify */
    bool wants_close_reason; /* authentication_failure_close */
    uint16_t channel_max;
    struct span user; /* owned */
    struct vhost *vhost;

    struct map channels; /* by number, channel 0 excepted */
    struct list channel_list;
    struct channel *channel_zero;
    struct channel *channel_last; /* the one used last, or NULL */
    struct list exclusive_queues; /* by queue.in_owner */

    struct fifo in_flight; /* struct message *: contents on their way out */
    uint64_t n_sent;       /* contents that the socket has taken */
    size_t in_flight_bytes;
    struct list waiting;         /* consumers held back by in_flight_bytes */
    struct list awaiting_output; /* channels likewise, by parking.in_jobs */
    size_t parked_bytes;         /* of events and replies that wait */
    unsigned orders_due;         /* of BIT(enum order) */
    struct list in_orders;
    struct list
        in_throttled; /* in queue.throttled: its connection was told not to be read for a while */
    unsigned n_ahead; /* published to queues that are behind, since it was let go … */
    uint64_t ahead_bytes; /* … and in bytes */
};

void session_move(struct session *s, enum session_state state);
const char *session_state_name(enum session_state state);

/* Sends connection.start. ERR_NOMEM. */
MUST_USE enum err session_new(struct session **out, struct core_link *link,
                              const struct in_opened *ev);

/* From the core alone, once `released` is set and no order is due. */
void session_free(struct session *s);

/* Events of the connection. */
void session_on_method(struct session *s, struct in_method *ev);
void session_on_publish(struct session *s, struct in_publish *ev);
void session_on_fault(struct session *s, const struct in_fault *ev);
void session_on_sent(struct session *s, const struct in_sent *ev);
void session_on_closed(struct session *s);

/* Executes an event that was parked: IN_METHOD or IN_PUBLISH. */
void session_replay(struct channel *ch, struct in_head *event);

/* NULL when it is not open. */
struct channel *session_channel(struct session *s, uint16_t number);

/* Answers a fault of `ch` (NULL = channel 0): channel.close, or connection.close when its scope or
 * channel 0 asks for that. */
void session_fail(struct session *s, struct channel *ch, const struct fault *f);

/* Closes the connection with `f` where the client is not to blame, or has been logged already. */
void session_close(struct session *s, const struct fault *f);

/* Gives the I/O side an order, now or as soon as the ring has room. */
void session_order(struct session *s, enum order order);

/* Gives the orders that found no room. True when none is left; a released session is then freed. */
bool session_flush_orders(struct session *s);

/* Has its connection not read for a while, or again. */
void session_throttle(struct session *s, bool on);

/* Ends the session without a word: memory for an orderly end is out. */
void session_abort(struct session *s);

/* A slice of the end. True when the session has been freed or waits for the socket only. */
bool session_teardown_some(struct session *s, unsigned *work);

/* Bytes of its events or replies begin or cease to wait: stops or resumes reading. */
void session_charge(struct session *s, size_t n);
void session_uncharge(struct session *s, size_t n);

void session_check(const struct session *s);

#endif
