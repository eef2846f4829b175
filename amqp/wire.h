// SPDX-License-Identifier: Apache-2.0
/* amqp/wire.h — the server's side of the AMQP 0-9-1 framing, without sockets or clocks.
 *
 * Bytes go in, events come out: methods, whole publishes, heartbeats, and at most one fault, after
 * which nothing more is read. What comes out depends on the bytes alone, never on how they were
 * cut.
 *
 * wire_next takes bytes off the front of the caller's span. When it answers WIRE_MORE, the bytes
 * that are left in the span (part of a frame, at most the largest frame) must come again in front
 * of the next ones. A small publish whose frames lie in one piece is handed out where it lies;
 * anything else is put together in an assembly, one per channel, charged against a bound per
 * connection.
 *
 * The engine follows connection.tune-ok by itself (the peer may send larger or smaller frames from
 * the very next byte on) but knows nothing else of the state of
 * connection and channels: that is the core's.
 *
 * Invariants: assembled bytes never exceed bytes received; `assembled_bytes` is their sum.
 *
 * Thread: one at a time.   Blocks: never.   Allocates: assemblies and large bodies.
 */
#ifndef AMQP_WIRE_H
#define AMQP_WIRE_H

#include "amqp/assembly.h"
#include "amqp/method.h"

enum { FRAME_METHOD = 1, FRAME_HEADER = 2, FRAME_BODY = 3, FRAME_HEARTBEAT = 8 };
enum { FRAME_HEAD = 7, FRAME_END = 0xce, FRAME_OVERHEAD = 8 };

/* Writes type, channel and payload size; returns the position after them. */
uint8_t *frame_put_head(uint8_t *p, uint8_t type, uint16_t channel, uint32_t size);

enum wire_got {
    WIRE_MORE,      /* nothing whole: call again with more bytes */
    WIRE_OPENED,    /* the protocol header was right: connection.start is due */
    WIRE_REFUSED,   /* it was wrong: answer with WIRE_PROTOCOL_HEADER and close */
    WIRE_METHOD,    /* event.method */
    WIRE_PUBLISH,   /* event.method is basic.publish; header and body are whole */
    WIRE_HEARTBEAT, /* a sign of life */
    WIRE_FAULT      /* event.fault; nothing more will be read */
};

/* What an event refers to stays valid until the next call or until the caller's bytes go away. */
struct wire_event {
    uint16_t channel;
    struct span payload;     /* of the method frame */
    struct method method;    /* borrows payload */
    struct span header;      /* payload of the header frame */
    uint64_t body_size;      /* as announced; a body larger than the limit is not kept */
    struct span body;        /* empty when large_body is set or the body was not kept */
    struct body *large_body; /* taken by the caller when set */
    struct fault fault;
};

enum wire_state { WIRE_HEADER, WIRE_FRAMES, WIRE_STOPPED };

struct wire {
    enum wire_state state;
    uint32_t frame_max;      /* largest frame, head and end included */
    uint32_t frame_max_ours; /* the upper bound that we offered */
    uint16_t heartbeat_s;    /* as agreed in tune-ok; 0 = none */
    uint16_t channel_max;    /* likewise; as many contents may be unfinished */
    bool tuned;
    uint32_t home;          /* for bodies */
    uint64_t body_size_max; /* larger ones are read but not kept */
    uint64_t assembled_bytes;
    uint64_t assembled_bytes_max;
    struct map assemblies;     /* by channel */
    struct assembly *finished; /* handed out by the last call, freed by the next */
    struct assembly *filling;  /* whose body frame is being read, or NULL */
    size_t frame_left;         /* of that frame's payload */
    struct wire_snippet {      /* the first bytes of that frame, for the text of a fault */
        uint8_t size;
        uint8_t bytes[16];
        bool more;
    } snippet;
};

/* The eight bytes that a refused peer is answered with. */
extern const uint8_t WIRE_PROTOCOL_HEADER[8];

void wire_init(struct wire *w, uint32_t frame_max, uint64_t body_size_max, uint32_t home);
void wire_fini(struct wire *w);

enum wire_got wire_next(struct wire *w, struct span *in, struct wire_event *ev);

/* While a body frame of a large body arrives, its next bytes may be put straight into the body's
 * memory instead of going through wire_next: their room, 0 when there is none. Valid until the next
 * call. Nothing of earlier input is left over then: wire_next has used it up. */
size_t wire_body_room(struct wire *w, uint8_t **at);

/* `n` bytes have been put there. Whatever comes next goes through wire_next, or to a new room. */
void wire_body_received(struct wire *w, size_t n);

/* Stops reading for good: what comes in afterwards is dropped. */
void wire_stop(struct wire *w);

#endif
