// SPDX-License-Identifier: Apache-2.0
/* tests/crash/message.h — messages that can be recognised, whatever became of them.
 *
 * A body begins with producer, number, its length and the checksum of what follows, which is drawn
 * from the number; a shorter one is the beginning of that. The number also travels as message-id,
 * so that an empty body can be told from another. What comes back must be equal in every byte.
 *
 * Thread: any.   Blocks: never.   Allocates: message_put only.
 */
#ifndef TESTS_CRASH_MESSAGE_H
#define TESTS_CRASH_MESSAGE_H

#include "base/buf.h"
#include "tests/crash/model.h"

/* Appends header and body frames of the message to `out`; it aborts when memory is out. */
void message_put(struct buf *out, uint16_t channel, const struct record *r, uint32_t message,
                 uint32_t frame_max);

/* The number of a message that came in, 0 when it has none that can be read. */
uint32_t message_number(struct span header);

/* Are header (the payload of its frame) and body those of this message? */
bool message_is_intact(const struct record *r, uint32_t message, struct span header,
                       struct span body);

#endif
