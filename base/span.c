// SPDX-License-Identifier: Apache-2.0
#include "base/span.h"

#include <stdlib.h>
#include <string.h>

struct span span_of(const void *at, size_t size)
{
    return (struct span){at, size};
}

struct span span_str(const char *s)
{
    return (struct span){(const uint8_t *)s, strlen(s)};
}

bool span_eq(struct span a, struct span b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.at, b.at, a.size) == 0);
}

bool span_starts(struct span s, struct span prefix)
{
    return s.size >= prefix.size && span_eq(span_of(s.at, prefix.size), prefix);
}

int span_cmp(struct span a, struct span b)
{
    size_t n = a.size < b.size ? a.size : b.size;
    int c = n == 0 ? 0 : memcmp(a.at, b.at, n);
    if (c != 0)
        return c < 0 ? -1 : 1;
    return (a.size > b.size) - (a.size < b.size);
}

struct span span_dup(struct span s)
{
    uint8_t *copy = malloc(s.size + 1);
    if (copy == NULL)
        return SPAN_NONE;
    if (s.size != 0)
        memcpy(copy, s.at, s.size);
    copy[s.size] = 0;
    return span_of(copy, s.size);
}

/* Length of the well-formed sequence at `p`, 0 when there is none. Unicode 15, table 3-7. */
static size_t span_utf8_length(const uint8_t *p, size_t left)
{
    uint8_t c = p[0];
    size_t n = c < 0x80                ? 1
               : c >= 0xc2 && c < 0xe0 ? 2
               : (c & 0xf0) == 0xe0    ? 3
               : c >= 0xf0 && c < 0xf5 ? 4
                                       : 0;
    if (n == 0 || n > left)
        return 0;
    uint8_t low = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
    uint8_t high = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
    for (size_t i = 1; i < n; i++) {
        if (p[i] < low || p[i] > high)
            return 0;
        low = 0x80;
        high = 0xbf;
    }
    return n;
}

bool span_is_utf8(struct span s)
{
    size_t i = 0;
    while (i < s.size) {
        size_t n = span_utf8_length(s.at + i, s.size - i);
        if (n == 0)
            return false;
        i += n;
    }
    return true;
}
