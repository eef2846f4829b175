// SPDX-License-Identifier: Apache-2.0
/* base/bytes.h — the one reader of input and the one writer of numbers.
 *
 * A reader is a span that shrinks from the front. Every take_* checks the bounds; when the input is
 * too short it returns false and leaves the reader where it was. Network byte order throughout.
 *
 * Thread: any.   Blocks: never.   Allocates: never.
 */
#ifndef BASE_BYTES_H
#define BASE_BYTES_H

#include <string.h>

#include "base/assert.h"
#include "base/span.h"

MUST_USE bool take_u8(struct span *in, uint8_t *v);
MUST_USE bool take_u16(struct span *in, uint16_t *v);
MUST_USE bool take_u32(struct span *in, uint32_t *v);
MUST_USE bool take_u64(struct span *in, uint64_t *v);
MUST_USE bool take_span(struct span *in, size_t size, struct span *v);

/* A length octet, then that many bytes. */
MUST_USE bool take_shortstr(struct span *in, struct span *v);

/* A 32-bit length, then that many bytes. */
MUST_USE bool take_longstr(struct span *in, struct span *v);

/* Writes at `p`, which has room, and returns the position after it. */
uint8_t *put_u8(uint8_t *p, uint8_t v);
uint8_t *put_u16(uint8_t *p, uint16_t v);
uint8_t *put_u32(uint8_t *p, uint32_t v);
uint8_t *put_u64(uint8_t *p, uint64_t v);
uint8_t *put_bytes(uint8_t *p, struct span v);

/* `v.size` must be at most 255. */
uint8_t *put_shortstr(uint8_t *p, struct span v);
uint8_t *put_longstr(uint8_t *p, struct span v);

#endif
