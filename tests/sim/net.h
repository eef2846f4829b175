// SPDX-License-Identifier: Apache-2.0
/* tests/sim/net.h — the far ends of virtual sockets.
 *
 * loop_sim.c is broker/net/loop.h without a kernel: a socket is two bounded pipes, and how many
 * bytes a read or a write moves is drawn from the seed. This header is the other side of it: how a
 * virtual client connects, sends, receives, stalls, resets and half-closes, and how the scheduler
 * learns whether a loop that waits would return.
 *
 * Thread: the one of the simulation.
 */
#ifndef TESTS_SIM_NET_H
#define TESTS_SIM_NET_H

#include "base/buf.h"
#include "base/rng.h"
#include "broker/net/loop.h"

/* How a socket cuts what goes through it. */
enum net_pace { PACE_WHOLE, PACE_PIECES, PACE_BYTES };

struct peer; /* the client's end */

struct net {
    struct rng rng;
    struct loop **loops;
    size_t n_loops;
    size_t n_sockets; /* not yet closed by the broker */
    size_t n_waiting; /* of these, not yet accepted */
    bool hurry;       /* nothing is cut any more */
    uint64_t moved;   /* bytes that the broker's side has taken or given */
};

/* Makes `net` the one that loop_new and its kin belong to. */
void net_init(struct net *net, uint64_t seed);
void net_fini(struct net *net);

/* Would loop_turn return at once: a peer to accept, a ready socket, a wake-up? */
bool net_loop_is_ready(const struct loop *l);

/* A connection that `l` will accept. The pipes hold `capacity` bytes each. */
struct peer *peer_connect(struct loop *l, bool loopback, enum net_pace pace, size_t capacity);

/* Bytes taken; 0 = the pipe is full or the other side is gone. */
size_t peer_send(struct peer *p, struct span bytes);

/* Bytes received; 0 = nothing there. */
size_t peer_receive(struct peer *p, uint8_t *at, size_t size);

/* Has the broker ended its side, or closed, and is everything read that it sent? */
bool peer_at_end(const struct peer *p);

/* Has the broker closed the socket? What it sent before may still be there to read. */
bool peer_is_closed(const struct peer *p);

/* Does nothing wait in the pipe towards the client? */
bool peer_is_quiet(const struct peer *p);

/* The broker reads the end after what was sent. */
void peer_shutdown(struct peer *p);

/* What is under way is lost in both directions; the broker's next call fails. */
void peer_reset(struct peer *p);

/* Ends the client's side and frees its handle. */
void peer_close(struct peer *p);

#endif
