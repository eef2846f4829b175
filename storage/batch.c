// SPDX-License-Identifier: Apache-2.0
#include "storage/batch.h"

#include "base/bytes.h"
#include "base/checksum.h"

#define BATCH_MAGIC SPAN_LIT("BATC")

enum {
    BATCH_CHECKED_AT = 8, /* behind magic and checksum */
    INDEX_ENTRY_SIZE = 4,
    INDEX_END_SIZE = 4 /* its checksum */
};

static size_t batch_align(size_t n, size_t to)
{
    return (n + to - 1) / to * to;
}

void batch_init(struct batch *b)
{
    *b = (struct batch){.records_end = BATCH_HEAD_SIZE};
    buf_init(&b->bytes);
}

void batch_fini(struct batch *b)
{
    buf_fini(&b->bytes);
}

void batch_reset(struct batch *b)
{
    buf_consume(&b->bytes, buf_span(&b->bytes).size);
    b->records_end = BATCH_HEAD_SIZE;
    b->count = 0;
    b->sealed = false;
}

static size_t batch_index_size(size_t count)
{
    return count * INDEX_ENTRY_SIZE + INDEX_END_SIZE;
}

size_t batch_padded(size_t size)
{
    return batch_align(size, BLOCK_BYTES);
}

size_t batch_bytes(const struct batch *b)
{
    return batch_padded(b->records_end + batch_index_size(b->count));
}

size_t batch_bytes_with(const struct batch *b, const struct record *r)
{
    size_t records = b->records_end + batch_align(record_size(r), RECORD_ALIGN);
    return batch_padded(records + batch_index_size(b->count + (size_t)1));
}

enum err batch_add(struct batch *b, const struct record *r, uint8_t **body)
{
    ASSERT(!b->sealed && batch_bytes_with(b, r) <= BATCH_BYTES_MAX);
    size_t head = b->count == 0 ? BATCH_HEAD_SIZE : 0;
    size_t size = record_size(r);
    size_t padded = batch_align(size, RECORD_ALIGN);
    uint8_t *p = buf_reserve(&b->bytes, head + padded);
    if (p == NULL)
        return ERR_NOMEM;
    *body = record_put(p + head, r);
    memset(p + head + size, 0, padded - size);
    buf_commit(&b->bytes, head + padded);
    b->records_end += padded;
    b->count++;
    return OK;
}

/* The index, its checksum, and zeros up to the next block, behind the records. */
static enum err batch_complete(struct batch *b)
{
    size_t size = batch_bytes(b);
    size_t there = b->count == 0 ? 0 : b->records_end; /* room for the head comes with a record */
    uint8_t *p = buf_reserve(&b->bytes, size - there);
    if (p == NULL)
        return ERR_NOMEM;
    buf_commit(&b->bytes, size - there);
    uint8_t *bytes = p - there;
    uint8_t *index = p = bytes + b->records_end;
    size_t at = BATCH_HEAD_SIZE;
    for (uint32_t i = 0; i < b->count; i++) {
        record_seal(bytes + at);
        p = put_u32(p, (uint32_t)at);
        at += batch_align(record_length(bytes + at), RECORD_ALIGN);
    }
    ASSERT(at == b->records_end);
    p = put_u32(p, checksum_crc32c(0, span_of(index, (size_t)(p - index))));
    memset(p, 0, (size_t)(bytes + size - p));
    b->sealed = true;
    return OK;
}

static void batch_head_put(uint8_t *at, const struct batch_head *h)
{
    uint8_t *p = put_u32(put_bytes(at, BATCH_MAGIC), 0);
    p = put_u32(put_u32(put_u64(p, h->nonce), h->shard), h->epoch);
    p = put_u32(put_u32(put_u64(p, h->first_lsn), h->count), h->size);
    p = put_u64(put_u64(put_u64(p, h->durable_lsn), h->time_ns), h->oldest);
    ASSERT(p == at + BATCH_HEAD_SIZE);
    put_u32(at + BATCH_MAGIC.size,
            checksum_crc32c(0, span_of(at + BATCH_CHECKED_AT, BATCH_HEAD_SIZE - BATCH_CHECKED_AT)));
}

enum err batch_seal(struct batch *b, struct batch_head *h, struct span *bytes)
{
    if (!b->sealed && batch_complete(b) != OK)
        return ERR_NOMEM;
    h->count = b->count;
    h->size = (uint32_t)(b->records_end + batch_index_size(b->count));
    *bytes = buf_span(&b->bytes);
    batch_head_put((uint8_t *)(uintptr_t)bytes->at, h);
    return OK;
}

bool batch_head_read(struct span in, uint64_t nonce, uint32_t shard, struct batch_head *h)
{
    if (in.size < BATCH_HEAD_SIZE || !span_starts(in, BATCH_MAGIC))
        return false;
    struct span checked = span_of(in.at + BATCH_CHECKED_AT, BATCH_HEAD_SIZE - BATCH_CHECKED_AT);
    uint32_t magic;
    uint32_t checksum;
    bool whole = take_u32(&in, &magic) && take_u32(&in, &checksum) && take_u64(&in, &h->nonce) &&
                 take_u32(&in, &h->shard) && take_u32(&in, &h->epoch) &&
                 take_u64(&in, &h->first_lsn) && take_u32(&in, &h->count) &&
                 take_u32(&in, &h->size) && take_u64(&in, &h->durable_lsn) &&
                 take_u64(&in, &h->time_ns) && take_u64(&in, &h->oldest);
    return whole && checksum == checksum_crc32c(0, checked) && h->nonce == nonce &&
           h->shard == shard && h->first_lsn != 0 && h->size <= BATCH_BYTES_MAX &&
           h->size >= BATCH_HEAD_SIZE + h->count * (uint64_t)(RECORD_HEAD_SIZE + INDEX_ENTRY_SIZE) +
                          INDEX_END_SIZE;
}

void batch_read(struct batch_reader *r, const struct batch_head *h, struct span bytes)
{
    size_t index_at = h->size - batch_index_size(h->count);
    *r = (struct batch_reader){.count = h->count, .at = BATCH_HEAD_SIZE};
    r->records = span_of(bytes.at, index_at < bytes.size ? index_at : bytes.size);
    if (bytes.size < h->size)
        return;
    struct span index = span_of(bytes.at + index_at, (size_t)h->count * INDEX_ENTRY_SIZE);
    struct span end = span_of(index.at + index.size, INDEX_END_SIZE);
    uint32_t checksum;
    if (take_u32(&end, &checksum) && checksum == checksum_crc32c(0, index))
        r->index = index;
}

/* Where the next record is, and the most that it can have. False when nothing tells. */
static bool batch_next_place(struct batch_reader *r, struct span *place)
{
    uint32_t at;
    uint32_t end = (uint32_t)r->records.size;
    if (take_u32(&r->index, &at)) {
        struct span behind = r->index;
        bool last = !take_u32(&behind, &end);
        if (last)
            end = (uint32_t)r->records.size;
        r->at = at;
    }
    if (r->at > r->records.size || end > r->records.size || end < r->at)
        return false;
    *place = span_of(r->records.at + r->at, end - r->at);
    return true;
}

enum batch_next batch_next(struct batch_reader *r, struct record *out, size_t *offset)
{
    if (r->i == r->count)
        return BATCH_END;
    bool indexed = r->index.size != 0;
    struct span place;
    if (batch_next_place(r, &place) && record_read(place, out)) {
        *offset = r->at;
        r->at += batch_align(record_length(place.at), RECORD_ALIGN);
        r->i++;
        return BATCH_RECORD;
    }
    /* Without the index a damaged record takes those behind it along. */
    r->n_lost = indexed ? 1 : r->count - r->i;
    r->i += (uint32_t)r->n_lost;
    return BATCH_DAMAGED;
}
