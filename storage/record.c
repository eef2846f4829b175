// SPDX-License-Identifier: Apache-2.0
#include "storage/record.h"

#include "base/bytes.h"
#include "base/checksum.h"

enum {
    RECORD_LENGTH_AT = 4, /* behind the checksum */
    RECORD_IN_GROUP = 1,
    RECORD_HAS_FIELDS = 2,
    RECORD_GROUP_SIZE = 8
};

const char *record_kind_name(unsigned kind)
{
#define RECORD_NAME(name, number) \
    case number: return #name;
    switch (kind) {
        RECORD_KINDS(RECORD_NAME)
    default: return NULL;
    }
#undef RECORD_NAME
}

size_t record_size(const struct record *r)
{
    return RECORD_HEAD_SIZE + (r->in_group ? (size_t)RECORD_GROUP_SIZE : 0) + r->fields.size +
           r->body.size;
}

uint8_t *record_put(uint8_t *p, const struct record *r)
{
    ASSERT(r->fields.size <= RECORD_FIELDS_MAX);
    unsigned flags = (r->in_group ? RECORD_IN_GROUP : 0u) |
                     (r->fields.size != 0 ? RECORD_HAS_FIELDS : 0u);
    p = put_u32(p, 0);
    p = put_u32(p, (uint32_t)record_size(r));
    p = put_u8(put_u8(p, r->kind), (uint8_t)flags);
    p = put_u32(put_u16(p, (uint16_t)r->fields.size), 0);
    p = put_u64(p, r->time_ns);
    if (r->in_group)
        p = put_u64(p, r->group);
    p = put_bytes(p, r->fields);
    if (r->body.at != NULL)
        put_bytes(p, r->body);
    return p;
}

size_t record_length(const uint8_t *p)
{
    struct span in = span_of(p + RECORD_LENGTH_AT, sizeof(uint32_t));
    uint32_t length = 0;
    bool whole = take_u32(&in, &length);
    ASSERT(whole);
    return length;
}

static uint32_t record_checksum(const uint8_t *p, size_t length)
{
    return checksum_crc32c(0, span_of(p + RECORD_LENGTH_AT, length - RECORD_LENGTH_AT));
}

void record_seal(uint8_t *p)
{
    put_u32(p, record_checksum(p, record_length(p)));
}

bool record_read(struct span in, struct record *r)
{
    if (in.size < RECORD_HEAD_SIZE)
        return false;
    const uint8_t *p = in.at;
    size_t length = record_length(p);
    if (length < RECORD_HEAD_SIZE || length > in.size)
        return false;
    in.size = length;
    uint32_t checksum;
    uint32_t skipped;
    uint16_t fields;
    uint8_t flags;
    *r = (struct record){.kind = 0};
    bool whole = take_u32(&in, &checksum) && take_u32(&in, &skipped) && take_u8(&in, &r->kind) &&
                 take_u8(&in, &flags) && take_u16(&in, &fields) && take_u32(&in, &skipped) &&
                 take_u64(&in, &r->time_ns);
    if (!whole || checksum != record_checksum(p, length))
        return false;
    r->in_group = (flags & RECORD_IN_GROUP) != 0;
    if (r->in_group && !take_u64(&in, &r->group))
        return false;
    if (!take_span(&in, fields, &r->fields))
        return false;
    r->body = in;
    return true;
}
