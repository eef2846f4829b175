// SPDX-License-Identifier: Apache-2.0
#include "base/bytes.h"

static void bytes_skip(struct span *in, size_t n)
{
    in->at += n;
    in->size -= n;
}

bool take_u8(struct span *in, uint8_t *v)
{
    if (in->size < 1)
        return false;
    *v = in->at[0];
    bytes_skip(in, 1);
    return true;
}

bool take_u16(struct span *in, uint16_t *v)
{
    if (in->size < 2)
        return false;
    memcpy(v, in->at, 2);
    *v = __builtin_bswap16(*v);
    bytes_skip(in, 2);
    return true;
}

bool take_u32(struct span *in, uint32_t *v)
{
    if (in->size < 4)
        return false;
    memcpy(v, in->at, 4);
    *v = __builtin_bswap32(*v);
    bytes_skip(in, 4);
    return true;
}

bool take_u64(struct span *in, uint64_t *v)
{
    if (in->size < 8)
        return false;
    memcpy(v, in->at, 8);
    *v = __builtin_bswap64(*v);
    bytes_skip(in, 8);
    return true;
}

bool take_span(struct span *in, size_t size, struct span *v)
{
    if (in->size < size)
        return false;
    *v = span_of(in->at, size);
    bytes_skip(in, size);
    return true;
}

bool take_shortstr(struct span *in, struct span *v)
{
    if (in->size < 1 || in->size - 1 < in->at[0])
        return false;
    *v = span_of(in->at + 1, in->at[0]);
    bytes_skip(in, 1 + v->size);
    return true;
}

bool take_longstr(struct span *in, struct span *v)
{
    struct span rest = *in;
    uint32_t size;
    if (!take_u32(&rest, &size) || !take_span(&rest, size, v))
        return false;
    *in = rest;
    return true;
}

uint8_t *put_u8(uint8_t *p, uint8_t v)
{
    *p = v;
    return p + 1;
}

uint8_t *put_u16(uint8_t *p, uint16_t v)
{
    v = __builtin_bswap16(v);
    memcpy(p, &v, 2);
    return p + 2;
}

uint8_t *put_u32(uint8_t *p, uint32_t v)
{
    v = __builtin_bswap32(v);
    memcpy(p, &v, 4);
    return p + 4;
}

uint8_t *put_u64(uint8_t *p, uint64_t v)
{
    v = __builtin_bswap64(v);
    memcpy(p, &v, 8);
    return p + 8;
}

uint8_t *put_bytes(uint8_t *p, struct span v)
{
    if (v.size != 0)
        memcpy(p, v.at, v.size);
    return p + v.size;
}

uint8_t *put_shortstr(uint8_t *p, struct span v)
{
    ASSERT(v.size <= 255);
    return put_bytes(put_u8(p, (uint8_t)v.size), v);
}

uint8_t *put_longstr(uint8_t *p, struct span v)
{
    return put_bytes(put_u32(p, (uint32_t)v.size), v);
}
