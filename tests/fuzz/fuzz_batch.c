// SPDX-License-Identifier: Apache-2.0
/* Any bytes as a batch whose head and index are made to be right: every record is read, or said to
 * be lost, once, and none lies outside. The first octet says which checksums are put right. */
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/checksum.h"
#include "storage/batch.h"
#include "storage/file_head.h"
#include "tests/fuzz/target.h"

enum { MEND_INDEX = 1, MEND_RECORDS = 2, SIZE_AT = 36, NONCE_AT = 8 };

static void mend_records(uint8_t *at, const struct batch_head *h)
{
    for (size_t i = 0; i < h->count; i++) {
        struct span entry = span_of(at + h->size - 4 - (h->count - i) * 4, 4);
        uint32_t offset;
        ASSERT(take_u32(&entry, &offset));
        if (offset > h->size || h->size - offset < RECORD_HEAD_SIZE)
            continue;
        size_t length = record_length(at + offset);
        if (length >= RECORD_HEAD_SIZE && length <= h->size - offset)
            record_seal(at + offset);
    }
}

static void read_all(const struct batch_head *h, struct span bytes)
{
    struct batch_reader reader;
    struct record r;
    size_t offset;
    uint64_t n = 0;
    batch_read(&reader, h, bytes);
    for (enum batch_next next; (next = batch_next(&reader, &r, &offset)) != BATCH_END;) {
        n += next == BATCH_DAMAGED ? reader.n_lost : 1;
        if (next == BATCH_DAMAGED)
            continue;
        ASSERT(offset < bytes.size && r.body.at >= bytes.at + offset);
        ASSERT(r.body.at + r.body.size <= bytes.at + bytes.size);
        ASSERT(r.fields.size == 0 || r.fields.at >= bytes.at + offset);
        (void)record_kind_name(r.kind);
    }
    ASSERT(n == h->count);
}

static void mend_head(uint8_t *at, size_t size)
{
    put_bytes(at, SPAN_LIT("BATC"));
    put_u32(at + SIZE_AT, (uint32_t)size);
    put_u32(at + 4, checksum_crc32c(0, span_of(at + 8, BATCH_HEAD_SIZE - 8)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct batch_head h;
    struct file_head f;
    if (size != 0)
        (void)!file_head_read_any(span_of(data, size), (enum file_role)data[0], &f);
    if (size < BATCH_HEAD_SIZE + 2)
        return 0;
    unsigned mend = data[0];
    uint8_t *at = malloc(--size);
    ASSERT(at != NULL);
    memcpy(at, data + 1, size);
    mend_head(at, size);
    struct span nonce = span_of(at + NONCE_AT, 8);
    uint64_t number;
    ASSERT(take_u64(&nonce, &number));
    if (batch_head_read(span_of(at, size), number, 0, &h)) {
        if ((mend & MEND_RECORDS) != 0)
            mend_records(at, &h);
        struct span index = span_of(at + size - 4 - h.count * (size_t)4, h.count * (size_t)4);
        if ((mend & MEND_INDEX) != 0)
            put_u32(at + size - 4, checksum_crc32c(0, index));
        read_all(&h, span_of(at, size));
        read_all(&h, span_of(at, size - (mend >> 2) % size));
    }
    free(at);
    return 0;
}
