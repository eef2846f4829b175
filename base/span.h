// SPDX-License-Identifier: Apache-2.0
/* base/span.h — a borrowed run of bytes.
 *
 * A span never owns what it points at; whoever hands one out says how long it lives.
 *
 * Thread: any.   Blocks: never.   Allocates: span_dup only.
 */
#ifndef BASE_SPAN_H
#define BASE_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct span {
    const uint8_t *at;
    size_t size;
};

#define SPAN_LIT(s) ((struct span){(const uint8_t *)("" s), sizeof(s) - 1})
#define SPAN_NONE   ((struct span){NULL, 0})

/* For printf("%.*s", SPAN_FMT(s)). */
#define SPAN_FMT(s) (int)(s).size, (const char *)(s).at

struct span span_of(const void *at, size_t size);
struct span span_str(const char *s);
bool span_eq(struct span a, struct span b);
bool span_starts(struct span s, struct span prefix);

/* -1, 0 or 1: bytes first, then length. */
int span_cmp(struct span a, struct span b);

/* A heap copy of `s`, never NULL for an empty span; the caller frees `.at`. `.at` is NULL when
 * memory is out. */
struct span span_dup(struct span s);

/* True when the bytes are well-formed UTF-8. */
bool span_is_utf8(struct span s);

#endif
