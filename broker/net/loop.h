// SPDX-License-Identifier: Apache-2.0
/* broker/net/loop.h — sockets and waiting: the only door to the network.
 *
 * loop_libevent.c is the real one; tests/sim links another in its place, with sockets that split,
 * stall and reset as the seed says. Everything above is the same code in both.
 *
 * A loop belongs to one thread, which calls loop_turn; only loop_wake may come from another.
 * Readiness is level-triggered: what was not read is reported again.
 *
 * Thread: that of the loop, loop_wake excepted.
 */
#ifndef BROKER_NET_LOOP_H
#define BROKER_NET_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "base/assert.h"
#include "base/err.h"

struct loop;
struct loop_listener;
struct loop_socket;

/* What loop_read and loop_write answer besides a count. */
enum { LOOP_END = 0, LOOP_LATER = -1, LOOP_BROKEN = -2 };

typedef void loop_on_ready(void *arg, bool readable, bool writable);

/* A peer has connected. Takes the socket: loop_watch or loop_close. `loopback` is of the peer's
 * address. */
typedef void loop_on_accept(void *arg, struct loop_socket *socket, bool loopback);

/* ERR_NOMEM, ERR_IO. */
MUST_USE enum err loop_new(struct loop **out);
void loop_free(struct loop *l);

/* Waits for readiness, a wake-up, or the time, and calls back what is ready. */
void loop_turn(struct loop *l, uint64_t timeout_ns);

/* Announces that the next loop_turn may wait. After it, look once more for work that needs no
 * event; whoever makes such work later will wake the loop. */
void loop_about_to_wait(struct loop *l);

/* Makes a loop that waits, or is about to, return. From any thread; cheap when it does neither. */
void loop_wake(struct loop *l);

/* Opens "HOST:PORT" for listening. ERR_IO with a sentence in `why`. */
MUST_USE enum err listener_open(struct loop_listener **out, const char *address, char *why,
                                size_t why_size);
void listener_close(struct loop_listener *listener);

/* Refuses peers from now on, those included whom nobody has accepted yet. No loop may accept on it
 * any more. */
void listener_shutdown(struct loop_listener *listener);

/* Has peers of the listener accepted on this loop too; when descriptors run out they are turned
 * away. ERR_NOMEM. The listener must outlive the loop, or loop_stop_accepting. */
MUST_USE enum err loop_accept_on(struct loop *l, struct loop_listener *listener,
                                 loop_on_accept *on_accept, void *arg);

/* Accepts nobody on this loop any more. Idempotent. The listener goes on listening. */
void loop_stop_accepting(struct loop *l);

/* Readiness goes to `on_ready` from now on; reading is wanted. ERR_NOMEM. */
MUST_USE enum err loop_watch(struct loop_socket *s, loop_on_ready *on_ready, void *arg);

/* Which readiness is wanted. That the peer has gone is reported as readable in any case. ERR_NOMEM
 * when the kernel has no memory for it: nothing is reported any more, loop_close is what is left.
 */
MUST_USE enum err loop_want(struct loop_socket *s, bool readable, bool writable);

/* Bytes moved, or LOOP_END (read only), LOOP_LATER, LOOP_BROKEN. */
ssize_t loop_read(struct loop_socket *s, const struct iovec *parts, int n);
ssize_t loop_write(struct loop_socket *s, const struct iovec *parts, int n);

/* Nothing more will be written; the peer reads the end after what was. */
void loop_shutdown(struct loop_socket *s);

/* The peer's address as IP:PORT, for logs: at most LINK_PEER_MAX bytes with the NUL. */
const char *loop_peer(const struct loop_socket *s);

/* Closes and frees. */
void loop_close(struct loop_socket *s);

#endif
