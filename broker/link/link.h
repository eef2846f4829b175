// SPDX-License-Identifier: Apache-2.0
/* broker/link/link.h — what crosses between an I/O thread and the core, and how.
 *
 * A link is a pair of rings. Inwards go decoded events whose spans point into the I/O thread's read
 * blocks, or behind the record in the ring; they stay valid until the core has released it.
 * Outwards go whole encoded frames, contents by reference, and orders to a connection. Order holds
 * per connection only.
 *
 * Life of a connection: I/O `in_opened` → … → I/O `in_closed` (nothing more will come, nothing
 * more can be sent) → core `out_released` (nothing refers to it) → I/O frees the slot. A record
 * whose id names nothing any more is dropped by whoever reads it.
 *
 * Contents that go out are numbered per connection, from 1. The core holds a reference for each,
 * and counts it as pending output, until in_sent says that the socket has taken it.
 *
 * Neither side waits on a full ring: I/O stops reading sockets while fewer than LINK_IN_ROOM bytes
 * are free; the core takes no event while fewer than LINK_OUT_ROOM are free, and keeps replies that
 * do not fit in the channel's list.
 */
#ifndef BROKER_LINK_LINK_H
#define BROKER_LINK_LINK_H

#include "amqp/wire.h"
#include "base/ring.h"
#include "base/slots.h"
#include "broker/link/message.h"

enum {
    /* Twice an event of the largest header frame and small body, copied: a record lies in one
     * piece, so that what is left up to the end of the ring may be lost to it. */
    LINK_IN_ROOM = 320 * 1024,
    LINK_OUT_ROOM = 64 * 1024,
    /* Frames of one out_bytes record at most; longer ones are cut into several. */
    LINK_BYTES_MAX = 16 * 1024,
    /* "[IPv6]:PORT" and a NUL. */
    LINK_PEER_MAX = 56,
};

enum in_kind {
    IN_OPENED,  /* struct in_opened: the protocol header was right */
    IN_METHOD,  /* struct in_method */
    IN_PUBLISH, /* struct in_publish: a method with content, mostly basic.publish */
    IN_FAULT,   /* struct in_fault: the peer broke the framing; nothing more follows */
    IN_SENT,    /* struct in_sent */
    IN_CLOSED   /* struct in_head: the socket is gone */
};

struct in_head {
    uint32_t kind; /* enum in_kind */
    struct slot_id conn;
    uint16_t channel;
};

struct in_opened {
    struct in_head head;
    bool loopback;            /* the peer's address, not the listener's */
    char peer[LINK_PEER_MAX]; /* the same as IP:PORT, for logs; ends in NUL */
};

struct in_method {
    struct in_head head;
    struct span payload; /* what `method` borrows */
    struct method method;
};

struct in_publish {
    struct in_head head;
    uint8_t method_id; /* enum method_id: others than basic.publish are for the core to refuse */
    bool mandatory;
    bool immediate;
    struct span route;  /* exchange and routing key, each with its length octet */
    struct span header; /* payload of the header frame */
    struct span body;
    uint64_t body_size; /* as announced: `body` is empty when that is over the limit */
    struct body *large; /* taken by the core */
};

struct in_fault {
    struct in_head head;
    struct fault fault;
};

struct in_sent {
    struct in_head head;
    uint64_t contents; /* the socket has taken all up to this number */
};

enum out_kind {
    OUT_BYTES,   /* struct out_bytes: whole frames */
    OUT_CONTENT, /* struct out_content: method, header, body */
    OUT_ORDER,   /* struct out_order */
    OUT_BODIES   /* struct out_bodies: bodies on their way home */
};

struct out_head {
    uint32_t kind; /* enum out_kind */
    struct slot_id conn;
    uint16_t channel;
};

struct out_bytes {
    struct out_head head;
    uint32_t size;
    uint8_t bytes[];
};

/* A method frame whose payload is prefix + route of the message + suffix, then header and body. */
struct out_content {
    struct out_head head;
    uint16_t prefix_size;
    uint16_t suffix_size;
    const struct message *message; /* borrowed until in_sent */
    uint8_t bytes[];               /* prefix, suffix */
};

enum order {
    ORDER_OPEN,       /* the handshake is over: heartbeats begin, the deadline ends */
    ORDER_CLOSING,    /* connection.close was sent: drop input but close-ok, then close */
    ORDER_CLOSE,      /* flush, then close in an orderly way */
    ORDER_CLOSE_LATE, /* say nothing, close after a few seconds: a refused login */
    ORDER_PAUSE,      /* stop reading this connection */
    ORDER_RESUME,     /* read again */
    ORDER_THROTTLE,   /* do not read for PACING_THROTTLE_NS … */
    ORDER_UNTHROTTLE, /* … or until now */
    ORDER_RELEASED    /* the core has let go of everything */
};

struct out_order {
    struct out_head head;
    uint32_t order; /* enum order */
};

struct out_bodies {
    struct out_head head;
    struct body *first; /* a list by `next`, taken */
};

struct link {
    struct ring in;
    struct ring out;
    /* Called after publishing, to wake the other side; NULL when both run on one thread. */
    void (*wake_core)(void *arg);
    void (*wake_io)(void *arg);
    void *wake_arg;
};

/* ERR_NOMEM. */
MUST_USE enum err link_init(struct link *l);
void link_fini(struct link *l);

#endif
