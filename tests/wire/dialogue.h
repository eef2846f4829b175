// SPDX-License-Identifier: Apache-2.0
/* tests/wire/dialogue.h — questions with one right answer: the handshake, opening and reopening
 * channels, the orderly end. Another answer ends the case.
 *
 * Thread: one.   Blocks: as peer_next.
 */
#ifndef TESTS_WIRE_DIALOGUE_H
#define TESTS_WIRE_DIALOGUE_H

#include "tests/wire/peer.h"

/* The next thing on the channel, which is this method. */
struct item *dialogue_expect(struct peer *p, uint16_t channel, enum method_id id);

/* Sends, and expects that answer. */
struct item *dialogue_call(struct peer *p, uint16_t channel, const struct method *m,
                           enum method_id answer);

/* The handshake up to connection.open-ok, as the words up to the end of the statement say, and
 * channel 1. */
void dialogue_open(struct peer *p);

/* close-ok for the server's channel.close, and the channel anew. */
void dialogue_reopen(struct peer *p, uint16_t channel);

/* close-ok for the server's connection.close, our side of the end, and the server's. A server that
 * no longer reads frames would wait for ours for a while. */
void dialogue_end(struct peer *p);

#endif
