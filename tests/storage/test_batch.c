// SPDX-License-Identifier: Apache-2.0
#include "storage/batch.h"

#include <string.h>

#include "base/bytes.h"
#include "base/checksum.h"
#include "base/rng.h"
#include "tests/base/suite.h"

enum { RECORDS = 5, NONCE = 77, SHARD = 0 };

/* Record number i has a body of i * 9 octets i. */
static void batch_fill(struct batch *b, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        uint8_t *body;
        struct record r = {.kind = RECORD_publish, .time_ns = i, .body = {NULL, i * 9}};
        size_t bytes = batch_bytes_with(b, &r);
        ck_assert_int_eq(batch_add(b, &r, &body), OK);
        ck_assert_uint_eq(batch_bytes(b), bytes);
        memset(body, (int)i, i * 9);
    }
}

static void ck_is_record(const struct record *r, uint32_t i)
{
    ck_assert_uint_eq(r->kind, RECORD_publish);
    ck_assert_uint_eq(r->time_ns, i);
    ck_assert_uint_eq(r->body.size, i * 9);
    size_t n = 0;
    while (n < r->body.size && r->body.at[n] == (uint8_t)i)
        n++;
    ck_assert_uint_eq(n, r->body.size);
}

static struct span sealed(struct batch *b, struct batch_head *h)
{
    struct span bytes;
    *h = (struct batch_head){.nonce = NONCE,
                             .shard = SHARD,
                             .epoch = 3,
                             .first_lsn = 1000,
                             .durable_lsn = 999,
                             .time_ns = 5,
                             .oldest = 2};
    ck_assert_int_eq(batch_seal(b, h, &bytes), OK);
    return bytes;
}

/* How many of the batch's records are read, which are right and in order; the others are lost. */
static uint32_t read_some(const struct batch_head *h, struct span bytes)
{
    struct batch_reader reader;
    struct record r;
    size_t offset;
    uint32_t n = 0;
    uint32_t i = 0;
    batch_read(&reader, h, bytes);
    for (enum batch_next next; (next = batch_next(&reader, &r, &offset)) != BATCH_END;) {
        if (next == BATCH_DAMAGED) {
            i += (uint32_t)reader.n_lost;
            continue;
        }
        ck_is_record(&r, i++);
        ck_assert_uint_eq(offset % RECORD_ALIGN, 0);
        ck_assert(record_read(span_of(bytes.at + offset, bytes.size - offset), &r));
        n++;
    }
    ck_assert_uint_eq(i, h->count);
    return n;
}

START_TEST(a_batch_is_read_as_it_was_sealed)
{
    struct batch b;
    struct batch_head h;
    struct batch_head got;
    batch_init(&b);
    for (uint32_t n = 1; n < 300; n += 7) {
        batch_fill(&b, n);
        struct span bytes = sealed(&b, &h);
        ck_assert_uint_eq(bytes.size, batch_bytes(&b));
        ck_assert_uint_eq(bytes.size % BLOCK_BYTES, 0);
        ck_assert(batch_head_read(bytes, NONCE, SHARD, &got));
        ck_assert_int_eq(memcmp(&got, &h, sizeof(h)), 0);
        ck_assert_uint_eq(got.count, n);
        ck_assert_uint_eq(read_some(&got, bytes), n);
        size_t zeros = h.size;
        while (zeros < bytes.size && bytes.at[zeros] == 0)
            zeros++;
        ck_assert_uint_eq(zeros, bytes.size);
        batch_reset(&b);
    }
    batch_fini(&b);
}
END_TEST

START_TEST(a_batch_may_have_no_records)
{
    struct batch b;
    struct batch_head h;
    struct batch_head got;
    batch_init(&b);
    for (int again = 0; again < 2; again++) {
        ck_assert_uint_eq(batch_bytes(&b), BLOCK_BYTES);
        struct span bytes = sealed(&b, &h);
        ck_assert_uint_eq(bytes.size, BLOCK_BYTES);
        ck_assert(batch_head_read(bytes, NONCE, SHARD, &got));
        ck_assert_uint_eq(got.count, 0);
        ck_assert_uint_eq(read_some(&got, bytes), 0);
        batch_reset(&b);
        batch_fill(&b, 3); /* and have some later */
        bytes = sealed(&b, &h);
        ck_assert_uint_eq(read_some(&h, bytes), 3);
        batch_reset(&b);
    }
    batch_fini(&b);
}
END_TEST

START_TEST(it_can_be_sealed_anew)
{
    struct batch b;
    struct batch_head h;
    struct span bytes;
    batch_init(&b);
    batch_fill(&b, RECORDS);
    sealed(&b, &h);
    h.nonce = 78;
    h.epoch = 4;
    ck_assert_int_eq(batch_seal(&b, &h, &bytes), OK);
    struct batch_head got;
    ck_assert(!batch_head_read(bytes, NONCE, SHARD, &got));
    ck_assert(batch_head_read(bytes, 78, SHARD, &got));
    ck_assert_uint_eq(got.epoch, 4);
    ck_assert_uint_eq(read_some(&got, bytes), RECORDS);
    batch_fini(&b);
}
END_TEST

START_TEST(a_batch_of_another_file_or_shard_is_none)
{
    struct batch b;
    struct batch_head h;
    batch_init(&b);
    batch_fill(&b, 1);
    struct span bytes = sealed(&b, &h);
    ck_assert(!batch_head_read(bytes, NONCE + 1, SHARD, &h));
    ck_assert(!batch_head_read(bytes, NONCE, SHARD + 1, &h));
    ck_assert(!batch_head_read(span_of(bytes.at, BATCH_HEAD_SIZE - 1), NONCE, SHARD, &h));
    ck_assert(!batch_head_read(SPAN_NONE, NONCE, SHARD, &h));
    batch_fini(&b);
}
END_TEST

/* Where damage may be, and what it may cost at most. */
START_TEST(a_flipped_bit_costs_at_most_its_record)
{
    struct batch b;
    struct batch_head h;
    struct batch_head got;
    batch_init(&b);
    batch_fill(&b, RECORDS);
    struct span sealed_bytes = sealed(&b, &h);
    uint8_t *bytes = (uint8_t *)(uintptr_t)sealed_bytes.at;
    size_t index_at = h.size - RECORDS * 4 - 4;
    unsigned n_lost = 0;
    for (size_t bit = 0; bit < h.size * 8; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        bool whole = batch_head_read(sealed_bytes, NONCE, SHARD, &got);
        ck_assert_int_eq(whole, bit / 8 >= BATCH_HEAD_SIZE);
        if (whole) {
            uint32_t n = read_some(&got, sealed_bytes);
            ck_assert_uint_ge(n, bit / 8 < index_at ? RECORDS - 1 : RECORDS);
            n_lost += RECORDS - n;
        }
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    ck_assert_uint_gt(n_lost, 8 * RECORD_HEAD_SIZE * RECORDS - 1);
    batch_fini(&b);
}
END_TEST

START_TEST(a_cut_costs_what_it_cut_off)
{
    struct batch b;
    struct batch_head h;
    batch_init(&b);
    batch_fill(&b, RECORDS);
    struct span bytes = sealed(&b, &h);
    uint32_t n = 0;
    for (size_t cut = 0; cut <= bytes.size; cut++) {
        uint32_t now = read_some(&h, span_of(bytes.at, cut));
        ck_assert_uint_ge(now, n);
        n = now;
    }
    ck_assert_uint_eq(n, RECORDS);
    batch_fini(&b);
}
END_TEST

START_TEST(a_record_and_the_index_damaged_cost_the_rest)
{
    struct batch b;
    struct batch_head h;
    batch_init(&b);
    batch_fill(&b, RECORDS);
    struct span bytes = sealed(&b, &h);
    uint8_t *at = (uint8_t *)(uintptr_t)bytes.at;
    at[h.size - 5] ^= 1; /* the last entry */
    at[BATCH_HEAD_SIZE + 2 * RECORD_HEAD_SIZE + 16] ^= 1;
    ck_assert_uint_eq(read_some(&h, bytes), 2);
    batch_fini(&b);
}
END_TEST

/* An index whose checksum is right may still say anything: nothing is read out of bounds. */
START_TEST(what_an_index_says_is_not_trusted)
{
    struct rng chance = {3};
    struct batch b;
    struct batch_head h;
    batch_init(&b);
    batch_fill(&b, RECORDS);
    struct span bytes = sealed(&b, &h);
    uint8_t *copy = malloc(h.size);
    ck_assert_ptr_nonnull(copy);
    size_t index_at = h.size - RECORDS * 4 - 4;
    for (int n = 0; n < 20000; n++) {
        memcpy(copy, bytes.at, h.size);
        uint8_t *entry = copy + index_at + rng_below(&chance, RECORDS) * 4;
        uint64_t what = rng_next(&chance) >> rng_below(&chance, 64);
        put_u32(entry, (uint32_t)what);
        put_u32(copy + h.size - 4, checksum_crc32c(0, span_of(copy + index_at, RECORDS * 4)));
        struct batch_reader reader;
        struct record r;
        size_t offset;
        uint32_t i = 0;
        batch_read(&reader, &h, span_of(copy, h.size));
        for (enum batch_next next; (next = batch_next(&reader, &r, &offset)) != BATCH_END;)
            i += next == BATCH_DAMAGED ? (uint32_t)reader.n_lost : 1;
        ck_assert_uint_eq(i, RECORDS);
    }
    free(copy);
    batch_fini(&b);
}
END_TEST

START_TEST(the_largest_batch_is_as_large_as_allowed)
{
    struct batch b;
    struct batch_head h;
    struct record r = {.kind = RECORD_chunk};
    uint8_t *body;
    batch_init(&b);
    r.body.size = BATCH_BYTES_MAX - BATCH_HEAD_SIZE - RECORD_HEAD_SIZE - 8;
    ck_assert_uint_eq(batch_bytes_with(&b, &r), BATCH_BYTES_MAX);
    ck_assert_int_eq(batch_add(&b, &r, &body), OK);
    memset(body, 1, r.body.size);
    struct span bytes = sealed(&b, &h);
    ck_assert_uint_eq(bytes.size, BATCH_BYTES_MAX);
    struct batch_head got;
    ck_assert(batch_head_read(bytes, NONCE, SHARD, &got));
    struct batch_reader reader;
    size_t offset;
    batch_read(&reader, &got, bytes);
    ck_assert_int_eq(batch_next(&reader, &r, &offset), BATCH_RECORD);
    batch_reset(&b);
    r.body.size++;
    ck_assert_uint_gt(batch_bytes_with(&b, &r), BATCH_BYTES_MAX);
    batch_fini(&b);
}
END_TEST

SUITE("batch", a_batch_is_read_as_it_was_sealed, a_batch_may_have_no_records, it_can_be_sealed_anew,
      a_batch_of_another_file_or_shard_is_none, a_flipped_bit_costs_at_most_its_record,
      a_cut_costs_what_it_cut_off, a_record_and_the_index_damaged_cost_the_rest,
      what_an_index_says_is_not_trusted, the_largest_batch_is_as_large_as_allowed)
