// SPDX-License-Identifier: Apache-2.0
#include "storage/file_head.h"

#include "base/bytes.h"
#include "base/checksum.h"

#define FILE_MAGIC SPAN_LIT("WHIPPET\0")

enum { FILE_CHECKED_AT = 12, FILE_FORMAT = 1, FEATURES_KNOWN = 0 };

static uint32_t file_head_checksum(const uint8_t *p)
{
    return checksum_crc32c(0, span_of(p + FILE_CHECKED_AT, FILE_HEAD_SIZE - FILE_CHECKED_AT));
}

void file_head_put(uint8_t *at, const struct file_head *h)
{
    memset(at, 0, FILE_HEAD_SIZE);
    uint8_t *p = put_u32(put_bytes(at, FILE_MAGIC), 0);
    p = put_u16(put_u16(p, FILE_FORMAT), (uint16_t)h->role);
    p = put_u64(put_u64(p, FEATURES_KNOWN), 0);
    p = put_bytes(p, span_of(h->store_id, STORE_ID_SIZE));
    p = put_u64(put_u64(p, h->nonce), h->number);
    p = put_u32(put_u32(p, h->shard), h->epoch);
    p = put_u64(put_u64(p, h->first_lsn), h->prev_end);
    put_u64(put_u64(p, h->copied_to), h->bytes);
    put_u32(at + FILE_MAGIC.size, file_head_checksum(at));
}

enum file_state file_head_read_any(struct span in, enum file_role role, struct file_head *h)
{
    if (in.size < FILE_HEAD_SIZE || !span_starts(in, FILE_MAGIC))
        return FILE_INVALID;
    uint32_t found = file_head_checksum(in.at);
    uint32_t checksum;
    uint16_t format;
    uint16_t number_of_role;
    uint64_t must_know;
    uint64_t may_know;
    struct span id;
    struct span magic;
    *h = (struct file_head){.role = role};
    bool whole = take_span(&in, FILE_MAGIC.size, &magic) && take_u32(&in, &checksum) &&
                 take_u16(&in, &format) && take_u16(&in, &number_of_role) &&
                 take_u64(&in, &must_know) && take_u64(&in, &may_know) &&
                 take_span(&in, STORE_ID_SIZE, &id) && take_u64(&in, &h->nonce) &&
                 take_u64(&in, &h->number) && take_u32(&in, &h->shard) &&
                 take_u32(&in, &h->epoch) && take_u64(&in, &h->first_lsn) &&
                 take_u64(&in, &h->prev_end) && take_u64(&in, &h->copied_to) &&
                 take_u64(&in, &h->bytes);
    if (!whole || checksum != found || number_of_role != role)
        return FILE_INVALID;
    put_bytes(h->store_id, id);
    return format != FILE_FORMAT || (must_know & ~(uint64_t)FEATURES_KNOWN) != 0 ? FILE_FUTURE
                                                                                 : FILE_OURS;
}

enum file_state file_head_read(struct span in, enum file_role role,
                               const uint8_t store_id[STORE_ID_SIZE], struct file_head *h)
{
    enum file_state state = file_head_read_any(in, role, h);
    bool foreign = state != FILE_INVALID &&
                   !span_eq(span_of(h->store_id, STORE_ID_SIZE), span_of(store_id, STORE_ID_SIZE));
    return foreign ? FILE_FOREIGN : state;
}
