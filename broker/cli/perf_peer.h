// SPDX-License-Identifier: Apache-2.0
/* broker/cli/perf_peer.h — one publishing or consuming connection, made to cost next to nothing.
 *
 * A load generator that needs more CPU per message than the broker measures itself. So a producer
 * encodes a block of identical messages once and afterwards only hands pieces of the block to the
 * socket, and a consumer reads large pieces and looks at its deliveries where they lie. What
 * differs between messages (the time of sending, with `latency`) is patched into the block before
 * it goes.
 *
 * Invariants: a producer's n_begun never exceeds n_granted; with confirms, n_begun - n_settled is
 * at most the window. A consumer's n_taken never exceeds n_granted.
 *
 * Thread: one.   Blocks: peer_open only.
 */
#ifndef BROKER_CLI_PERF_PEER_H
#define BROKER_CLI_PERF_PEER_H

#include "broker/cli/perf_histogram.h"
#include "broker/cli/perf_options.h"

#define PERF_NO_LIMIT UINT64_MAX

enum peer_role { PEER_PRODUCER, PEER_CONSUMER };

/* What all peers of a run share. */
struct peer_shared {
    const struct perf_options *options;
    uint64_t n_sent; /* messages begun */
    uint64_t n_confirmed;
    uint64_t n_nacked;
    uint64_t n_returned;
    uint64_t n_delivered;
    bool confirming;          /* producers wait for confirms (options.confirm != 0) */
    struct histogram latency; /* publish to delivery */
    struct histogram to_confirm;
};

/* Publishes that are not confirmed yet, by delivery tag. */
struct peer_window {
    uint64_t *sent_ns; /* 0 = settled */
    uint64_t mask;
    uint64_t lowest; /* tag: all below are settled */
};

struct peer {
    enum peer_role role;
    struct peer_shared *shared;
    struct client client;
    uint64_t n_granted; /* messages that may be begun or taken in all */
    bool blocked;       /* the socket takes no more: wait until it is writable */
    bool held;          /* input was left lying because n_granted is reached */
    bool watched_out;   /* for the loop: what epoll was told */
    bool watched_in;
    /* Producers. */
    uint8_t *block;
    size_t block_size;
    size_t message_size; /* frames and all */
    size_t stamp_at;     /* of the body in a message */
    uint64_t sent_bytes;
    uint64_t n_begun;
    uint64_t n_settled;
    struct peer_window window;
    /* Consumers. */
    uint64_t n_taken;
    uint64_t body_left;
    bool stamp_due;
    uint64_t tag;
    uint64_t tag_acked;
};

/* Connects, opens channel 1, and selects confirms or starts to consume queue `index`. ERR_IO,
 * ERR_NOMEM; peer_free in any case. */
MUST_USE enum err peer_open(struct peer *p, struct peer_shared *shared, enum peer_role role,
                            size_t index);

/* Sends what the grant, the window and the socket allow, in at most one system call. ERR_IO. */
MUST_USE enum err peer_send(struct peer *p, uint64_t now_ns);

/* Could peer_send send something? */
bool peer_may_send(const struct peer *p);

/* Has a producer sent all of its grant, and has it all been confirmed? */
bool peer_is_settled(const struct peer *p);

/* Reads once and takes what came; acknowledges as the options say. ERR_IO, ERR_NOMEM. */
MUST_USE enum err peer_receive(struct peer *p);

/* Takes what was left lying once the grant has grown. ERR_IO, ERR_NOMEM. */
MUST_USE enum err peer_take(struct peer *p, uint64_t now_ns);

/* Ends the connection in good order: acknowledges what is due first. ERR_IO. */
MUST_USE enum err peer_close(struct peer *p);
void peer_free(struct peer *p);

#endif
