// SPDX-License-Identifier: Apache-2.0
#include "storage/message_parts.h"

#include <string.h>

static struct span message_part(const struct message_parts *m, size_t i)
{
    return i == 0 ? span_of(m->head, m->head_size) : m->parts[i - 1];
}

size_t message_parts_size(const struct message_parts *m)
{
    size_t size = 0;
    for (size_t i = 0; i <= MESSAGE_PARTS; i++)
        size += message_part(m, i).size;
    return size;
}

void message_parts_copy(const struct message_parts *m, size_t offset, size_t size, uint8_t *to)
{
    for (size_t i = 0; i <= MESSAGE_PARTS && size != 0; i++) {
        struct span part = message_part(m, i);
        if (offset >= part.size) {
            offset -= part.size;
            continue;
        }
        size_t n = part.size - offset < size ? part.size - offset : size;
        memcpy(to, part.at + offset, n);
        to += n;
        size -= n;
        offset = 0;
    }
}
