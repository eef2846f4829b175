// SPDX-License-Identifier: Apache-2.0
/* broker/core/handshake.h — from connection.start to connection.open-ok.
 *
 * Thread: core.
 */
#ifndef BROKER_CORE_HANDSHAKE_H
#define BROKER_CORE_HANDSHAKE_H

#include "broker/core/session.h"

/* Sends connection.start. ERR_NOMEM. */
MUST_USE enum err handshake_start(struct session *s);

/* A method on channel 0 before the connection is open. */
void handshake_method(struct session *s, const struct method *m);

/* A method on any other channel before the connection is open. */
void handshake_channel_method(struct session *s, struct span payload);

/* The peer did what nobody does before the connection is open: no word, and its socket is closed in
 * a while. */
void handshake_refuse(struct session *s, const char *why);

#endif
