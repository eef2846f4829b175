// SPDX-License-Identifier: Apache-2.0
/* storage/message_parts.h — the bytes of a message where they lie, in a few pieces.
 *
 * Thread: any.   Blocks: never.   Allocates: never.
 */
#ifndef STORAGE_MESSAGE_PARTS_H
#define STORAGE_MESSAGE_PARTS_H

#include "base/span.h"

enum { MESSAGE_PARTS = 3, MESSAGE_HEAD_MAX = 16 };

struct message_parts {
    uint8_t head[MESSAGE_HEAD_MAX]; /* what comes first, and lies nowhere */
    size_t head_size;
    struct span parts[MESSAGE_PARTS];
};

/* Fills in the parts of a message, which it borrows. */
typedef void (*message_parts_fn)(const void *message, struct message_parts *out);

size_t message_parts_size(const struct message_parts *m);

/* Copies `size` bytes from `offset` on, which are there, to `to`. */
void message_parts_copy(const struct message_parts *m, size_t offset, size_t size, uint8_t *to);

#endif
