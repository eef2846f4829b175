// SPDX-License-Identifier: Apache-2.0
/* broker/net/conn_priv.h — what conn.c, conn_input.c and conn_output.c share of a connection. */
#ifndef BROKER_NET_CONN_PRIV_H
#define BROKER_NET_CONN_PRIV_H

#include "broker/net/conn.h"
#include "broker/net/io_priv.h"

#define NS_PER_S UINT64_C(1000000000)

/* How long the end may take while nothing moves: for the peer to read a close and say close-ok. */
#define CONN_CLOSE_OK_NS (30 * NS_PER_S)

/* How long a peer may take to read the last of the output and go. */
#define CONN_LINGER_NS (3 * NS_PER_S)

/* The one writer of `state`. */
void conn_move(struct conn *c, enum conn_state state);

/* Output first, then the end. */
void conn_end(struct conn *c);

/* Has io_write look at it. */
void conn_wake_write(struct conn *c);

/* Sets the timer to the nearest deadline, unless it stands at an earlier one: then it will look
 * again. */
void conn_arm(struct conn *c);
void conn_set_deadline(struct conn *c, uint64_t in_ns);

/* Should the socket be read now? */
bool conn_wants_read(const struct conn *c);

/* Tells the loop what is wanted of it, after any of what conn_wants_read looks at has changed. The
 * connection is dropped when its peer has gone, or the loop cannot watch it. */
void conn_update_wants(struct conn *c);

/* A record for the core; there must be room for it. */
void *conn_record(struct conn *c, size_t size, enum in_kind kind, uint16_t channel);

/* Bytes for the peer. Without memory for them the connection ends. */
void conn_append(struct conn *c, struct span bytes);

#endif
