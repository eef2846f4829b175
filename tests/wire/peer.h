// SPDX-License-Identifier: Apache-2.0
/* tests/wire/peer.h — one client's socket: frames out, whole methods and contents in.
 *
 * What comes in is kept in order until the script asks for it, by channel. Waiting always has a
 * deadline; whatever goes wrong ends the case through script_fail.
 *
 * Thread: one.   Blocks: peer_next, peer_end and peer_raw, for PEER_PATIENCE_MS at most.
 */
#ifndef TESTS_WIRE_PEER_H
#define TESTS_WIRE_PEER_H

#include "amqp/content.h"
#include "amqp/method.h"
#include "tests/wire/script.h"

enum { PEER_PATIENCE_MS = 30000, PEER_CHANNELS = 65536 };

struct item {
    struct item *next;
    uint16_t channel;
    bool taken;
    bool heartbeat;
    bool whole; /* content and all */
    struct method method;
    struct span rest; /* flags and properties */
    uint8_t *body;
    uint64_t body_size;
    uint64_t body_got;
};

struct peer {
    struct peer *next;
    struct script *script;
    struct span name;
    uint16_t port;
    int fd;
    bool ended;        /* the server has closed its side */
    bool reset_is_end; /* RabbitMQ's sockets linger for no time: its every close is a reset */
    struct buf in;
    uint32_t frame_max;
    struct item *first;
    struct item **last;
    uint64_t sent_ns;            /* when bytes went out last */
    enum method_id *last_method; /* sent, by channel */
};

struct peer *peer_connect(struct script *s, uint16_t port, struct span name, bool reset_is_end);

/* Closes the socket; `reset` makes it a RST. The memory belongs to the case. */
void peer_close(struct peer *p, bool reset);

/* Ends our side of the connection; the server's is still read. */
void peer_shutdown(struct peer *p);

uint64_t peer_now_ns(void);

/* The largest frame from now on, as tune-ok says. */
void peer_set_frame_max(struct peer *p, uint32_t frame_max);

void peer_send(struct peer *p, struct span bytes);
void peer_send_frame(struct peer *p, uint8_t type, uint16_t channel, struct span payload);
void peer_send_method(struct peer *p, uint16_t channel, const struct method *m);

/* Header and body frames after a method. `rest` is flags and properties. */
void peer_send_content(struct peer *p, uint16_t channel, struct span rest, struct span body);

/* The first item of `channel` that is still there, or with `id` the first such method of it. It is
 * waited for, and taken. The end of the connection, and a connection.close that was not asked for,
 * end the case. */
struct item *peer_next(struct peer *p, uint16_t channel, enum method_id id);

/* The next heartbeat. */
struct item *peer_heartbeat(struct peer *p);

/* The first item that nobody asked for yet, or NULL. Does not wait. Heartbeats do not count. */
struct item *peer_untaken(struct peer *p);

/* Waits for the server's orderly end: no frame before it, no reset. */
void peer_end(struct peer *p);

/* `size` bytes that are not looked at as frames. */
struct span peer_raw(struct peer *p, size_t size);

/* For messages. */
const char *peer_print(struct script *s, const struct item *item);

#endif
