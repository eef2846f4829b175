// SPDX-License-Identifier: Apache-2.0
/* broker/core/output.h — how the core speaks to a connection: records into its link's ring.
 *
 * Each function answers false when the ring has no room; nothing has happened then. Replies go
 * through replies.h, which waits; only deliveries and replies.c call this directly.
 *
 * Thread: core.   Blocks: never.
 */
#ifndef BROKER_CORE_OUTPUT_H
#define BROKER_CORE_OUTPUT_H

#include "broker/core/session.h"

/* Left free in the ring by deliveries, for replies; and by replies, for orders. */
enum { OUTPUT_KEPT_FOR_REPLIES = 48 * 1024, OUTPUT_KEPT_FOR_ORDERS = 16 * 1024 };

/* Is the connection's pending output below its limit? */
bool output_has_room(const struct session *s);

/* Does the ring have room for a delivery, without touching what is kept for replies and orders? */
bool output_ring_has_room(const struct session *s);

/* The payload of one method frame, encoded. */
MUST_USE bool output_payload(struct session *s, uint16_t channel, struct span payload);

/* prefix + route + suffix, header, body; takes the caller's reference on true. */
MUST_USE bool output_content(struct session *s, uint16_t channel, struct span prefix,
                             struct span suffix, struct message *m);

MUST_USE bool output_order(struct session *s, enum order order);

/* The socket has taken all contents up to this number. */
void output_sent(struct session *s, uint64_t contents);

/* Lets go of everything in flight: the socket is gone. */
void output_drop(struct session *s);

#endif
