// SPDX-License-Identifier: Apache-2.0
/* tests/crash/link.h — a connection whose channels are told what comes in, without waiting.
 *
 * The handshake and the opening of channels wait; from then on link_send and link_receive do not.
 * Whoever owns the channels gets each method, and each content with the method that announced it,
 * through the listener.
 *
 * Thread: one.   Blocks: link_open, link_close and link_drain, until the timeout.
 */
#ifndef TESTS_CRASH_LINK_H
#define TESTS_CRASH_LINK_H

#include "broker/cli/client.h"

enum { LINK_CHANNELS_MAX = 4, LINK_TIMEOUT_MS = 30000 };

struct link;

struct link_listener {
    void (*on_method)(struct link *l, uint16_t channel, const struct method *m);
    /* `header` and `body` are whole; `m` is deliver, get_ok or return. */
    void (*on_content)(struct link *l, uint16_t channel, const struct method *m, struct span header,
                       struct span body);
};

/* A content that is coming in on a channel. */
struct link_content {
    struct buf method; /* the payload that announced it */
    struct buf header;
    struct buf body;
    uint64_t body_size;
    bool open;
};

struct link {
    struct client client;
    const struct link_listener *listener;
    void *owner;
    bool up;
    bool closed; /* close-ok has come */
    uint16_t n_channels;
    struct link_content contents[LINK_CHANNELS_MAX]; /* of channel i + 1 */
};

/* Connects and opens `n_channels` channels. ERR_IO, ERR_NOMEM: `client.why` says why. */
MUST_USE enum err link_open(struct link *l, uint16_t port, uint16_t n_channels,
                            const struct link_listener *listener, void *owner);

/* Sends what the socket takes. ERR_IO. */
MUST_USE enum err link_send(struct link *l);

/* Reads once, and hands on what is whole; *n_bytes = 0 when there was nothing. ERR_IO, also at the
 * end of the connection; ERR_NOMEM. */
MUST_USE enum err link_receive(struct link *l, size_t *n_bytes);

/* The peer is dead: reads what it had still sent, to the end, and closes. */
void link_drain(struct link *l);

/* Everything was sent. */
bool link_is_flushed(const struct link *l);

/* connection.close and its answer; what comes in between is dropped. ERR_IO. */
MUST_USE enum err link_close(struct link *l);

/* Closes the socket without a word. Idempotent. */
void link_abort(struct link *l);

#endif
