// SPDX-License-Identifier: Apache-2.0
/* broker/net/conn.h — one socket, as io.c sees it.
 *
 * A connection is known to the core from IN_OPENED until ORDER_RELEASED. Output is a buffer of
 * encoded frames and, between them, references to large bodies; the buffer is borrowed from the
 * thread while there is something in it. Its one timer stands at the nearest of its deadlines.
 *
 * Invariants: `pending` in the io's list whenever input, output or a notice to the core waits;
 * contents_sent <= contents.
 *
 * Thread: that of its io.
 */
#ifndef BROKER_NET_CONN_H
#define BROKER_NET_CONN_H

#include "amqp/wire.h"
#include "base/buf.h"
#include "base/deque.h"
#include "base/list.h"
#include "base/slots.h"
#include "base/timers.h"
#include "broker/link/link.h"
#include "broker/net/loop.h"

struct io;

/*    state        legal next states */
#define CONN_STATES(S)                                                                        \
    S(CONN_OPEN, BIT(CONN_CLOSING) | BIT(CONN_FLUSHING) | BIT(CONN_WAITING) | BIT(CONN_GONE)) \
    S(CONN_CLOSING, BIT(CONN_FLUSHING) | BIT(CONN_GONE)) /* connection.close is on its way */ \
    S(CONN_FLUSHING, BIT(CONN_GONE)) /* output, then the end; input is dropped */             \
    S(CONN_WAITING, BIT(CONN_GONE))  /* a refused peer: nothing is said for a while */        \
    S(CONN_GONE, 0)                  /* the socket is closed, the core still refers to it */

#define CONN_STATE_ENUM(name, next) name,
enum conn_state { CONN_STATES(CONN_STATE_ENUM) };
#undef CONN_STATE_ENUM

/* A large body between the buffered bytes. */
struct conn_part {
    uint64_t at; /* goes out once this many buffered bytes have */
    const uint8_t *bytes;
    size_t size;
};

/* Once `end` bytes of output are written, the contents up to this number are sent. */
struct conn_mark {
    uint64_t end;
    uint64_t contents;
};

struct conn {
    struct io *io;
    struct slot_id id;
    struct list in_ready;   /* in io.ready: the socket can be read, or input waits to be parsed */
    struct list in_written; /* in io.written: has output or a notice for the core */
    struct loop_socket *socket; /* NULL once closed */
    enum conn_state state;
    bool loopback;
    bool known;       /* to the core */
    bool open;        /* connection.open-ok has been sent: heartbeats */
    bool readable;    /* the loop said so */
    bool large;       /* bodies are coming that are received into their own memory */
    bool paused;      /* by the core */
    bool gone;        /* the peer has gone while it was throttled */
    bool reading;     /* the loop is asked to say when it is readable */
    bool more_rest;   /* `rest` was not parsed to its end: the ring was full */
    bool ended;       /* the peer has closed its side */
    bool closed_due;  /* IN_CLOSED found no room yet */
    bool wants_write; /* the socket was full */
    bool shut;        /* our side is closed */
    struct wire wire;
    struct buf rest; /* input that was not used up: part of a frame, or what found no room */
    struct buf out;
    struct deque parts;     /* struct conn_part */
    struct deque marks;     /* struct conn_mark */
    uint64_t buffered;      /* bytes ever put into `out` */
    uint64_t written;       /* bytes ever taken from `out` */
    uint64_t output_bytes;  /* of buffer and parts together, ever made … */
    uint64_t output_done;   /* … and ever taken by the socket */
    uint64_t contents;      /* encoded so far */
    uint64_t contents_done; /* of these, taken by the socket */
    uint64_t contents_told; /* of these, told to the core */
    struct timer timer;
    uint64_t read_ns;     /* when bytes came last */
    uint64_t wrote_ns;    /* when bytes went last */
    uint64_t stuck_ns;    /* since when output has not moved; 0 = it moves */
    uint64_t deadline_ns; /* of the handshake, or of the end; TIMER_NEVER = none */
    uint64_t throttle_ns; /* not read until then; 0 = not throttled */
};

/* ERR_NOMEM. */
MUST_USE enum err conn_new(struct conn **out, struct io *io, struct loop_socket *socket,
                           bool loopback);

/* Frees the struct: the socket is closed and the core knows nothing of it. */
void conn_free(struct conn *c);

/* Reads once and hands on what is whole. False when there was no room to go on. */
bool conn_read(struct conn *c);

/* The core's records for it. */
void conn_bytes(struct conn *c, const struct out_bytes *out);
void conn_content(struct conn *c, const struct out_content *out);
void conn_order(struct conn *c, enum order order);

/* Writes what there is. */
void conn_flush(struct conn *c);

/* Tells the core what it should know. False when the ring has no room. */
bool conn_tell(struct conn *c);

/* Closes the socket at once. */
void conn_drop(struct conn *c);

#endif
