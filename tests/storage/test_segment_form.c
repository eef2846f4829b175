// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "base/bytes.h"
#include "storage/segment_priv.h"
#include "tests/base/suite.h"

enum { MARK = 0x1234567, ITEM_MAX = 512 };

static struct segment_item sample(enum record_kind kind, uint64_t deadline_ns)
{
    struct segment_item item = {.kind = kind, .message = {{11, 22}, 33, deadline_ns}};
    if (kind == RECORD_reference) {
        item.size = 5000;
        item.to = (struct segment_place){{5, 6}, 4096, 5000};
    } else {
        item.bytes = SPAN_LIT("some bytes of a message");
        item.size = kind == RECORD_message ? item.bytes.size : 0;
        item.part = kind == RECORD_part ? 44 : 0;
    }
    return item;
}

static size_t put(uint8_t *at, struct segment_item *item)
{
    segment_item_measure(item);
    ck_assert_uint_le(item->length, ITEM_MAX);
    ck_assert_uint_eq(item->length % RECORD_ALIGN, 0);
    memset(at, 0xff, ITEM_MAX);
    uint8_t *bytes = segment_item_put(at, MARK, item);
    put_bytes(bytes, item->bytes);
    record_seal(at);
    for (size_t i = record_length(at); i < item->length; i++)
        ck_assert_uint_eq(at[i], 0);
    return item->length;
}

START_TEST(a_record_is_read_as_it_was_written)
{
    static const enum record_kind KINDS[] = {RECORD_message, RECORD_part, RECORD_reference};
    for (size_t i = 0; i < 6; i++) {
        uint8_t at[ITEM_MAX];
        struct segment_item got;
        struct segment_item item = sample(KINDS[i / 2], i % 2 == 0 || i / 2 == 1 ? 0 : 77);
        size_t size = put(at, &item);
        ck_assert(segment_item_like(span_of(at, size), MARK));
        ck_assert(segment_item_read(span_of(at, size), MARK, &got));
        ck_assert_int_eq(got.kind, item.kind);
        ck_assert_uint_eq(got.message.target.queue, 11);
        ck_assert_uint_eq(got.message.target.seq, 22);
        ck_assert_uint_eq(got.message.time_ns, 33);
        ck_assert_uint_eq(got.message.deadline_ns, item.message.deadline_ns);
        ck_assert_uint_eq(got.size, item.size);
        ck_assert_uint_eq(got.part, item.part);
        ck_assert(span_eq(got.bytes, item.bytes));
        ck_assert_uint_eq(got.to.target.queue, item.to.target.queue);
        ck_assert_uint_eq(got.to.target.seq, item.to.target.seq);
        ck_assert_uint_eq(got.to.offset, item.to.offset);
        ck_assert_uint_eq(got.to.size, item.to.size);
        ck_assert_uint_eq(got.length, size);
        ck_assert(!segment_item_like(span_of(at, size), MARK + 1));
        ck_assert(!segment_item_read(span_of(at, size), MARK + 1, &got));
        for (size_t cut = 0; cut < record_length(at); cut++)
            ck_assert(!segment_item_read(span_of(at, cut), MARK, &got));
        for (size_t bit = 0; bit < record_length(at) * 8; bit++) {
            at[bit / 8] ^= (uint8_t)(1 << bit % 8);
            ck_assert(!segment_item_read(span_of(at, size), MARK, &got));
            at[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
    }
}
END_TEST

/* Whose checksum is right: written by another, or to harm. */
START_TEST(a_record_that_makes_no_sense_is_none)
{
    uint8_t at[ITEM_MAX];
    struct segment_item got;
    struct segment_item item = sample(RECORD_message, 77);
    size_t size = put(at, &item);
    ck_assert(segment_item_read(span_of(at, size), MARK, &got));
    static const struct {
        size_t at;
        uint8_t value;
    } CHANGES[] = {
        {8, RECORD_publish},            /* another kind */
        {9, 3},                         /* in a group */
        {RECORD_HEAD_SIZE + 1, 7},      /* a deadline of seven bytes */
        {RECORD_HEAD_SIZE + 1, 200},    /* a field behind its end */
        {RECORD_HEAD_SIZE + 10 + 31, 9} /* another size than its bytes have */
    };
    for (size_t i = 0; i < sizeof(CHANGES) / sizeof(CHANGES[0]); i++) {
        uint8_t before = at[CHANGES[i].at];
        at[CHANGES[i].at] = CHANGES[i].value;
        record_seal(at);
        ck_assert(!segment_item_read(span_of(at, size), MARK, &got));
        at[CHANGES[i].at] = before;
    }
    memset(at + RECORD_HEAD_SIZE + 10 + 16, 0xff, 8); /* the seq that is none */
    record_seal(at);
    ck_assert(!segment_item_read(span_of(at, size), MARK, &got));
    item = sample(RECORD_part, 77);
    put(at, &item);
    ck_assert(!segment_item_read(span_of(at, item.length), MARK, &got));
}
END_TEST

START_TEST(an_unknown_field_is_passed_over)
{
    uint8_t at[ITEM_MAX];
    struct segment_item got;
    struct segment_item item = sample(RECORD_message, 77);
    size_t size = put(at, &item);
    at[RECORD_HEAD_SIZE] = 99;
    record_seal(at);
    ck_assert(segment_item_read(span_of(at, size), MARK, &got));
    ck_assert_uint_eq(got.message.deadline_ns, 0);
}
END_TEST

START_TEST(what_a_message_takes_follows_from_its_first_record)
{
    for (uint64_t parts = 0; parts < 5; parts++)
        for (uint64_t more = 0; more < 40; more += 3) {
            struct segment_item item = sample(RECORD_message, 5);
            item.size = parts * SEGMENT_PART_BYTES + more;
            item.bytes = (struct span){NULL, segment_part_size(item.size, 0)};
            segment_item_measure(&item);
            uint64_t sum = item.length;
            uint64_t left = item.size - item.bytes.size;
            for (uint64_t n = 1; left != 0; n++) {
                struct segment_item part = sample(RECORD_part, 0);
                part.bytes = (struct span){NULL, segment_part_size(item.size, n)};
                segment_item_measure(&part);
                sum += part.length;
                left -= part.bytes.size;
            }
            ck_assert_uint_eq(segment_item_span(&item), sum);
        }
}
END_TEST

START_TEST(row_point_and_end_are_read_as_they_were_written)
{
    uint8_t at[SEGMENT_ROW_SIZE];
    struct segment_row row = {1, 2, 3, 4, 5, 6, 7, 8};
    struct segment_row got = {0};
    ck_assert_ptr_eq(segment_row_put(at, &row), at + sizeof(at));
    struct span in = span_of(at, sizeof(at));
    ck_assert(segment_row_take(&in, &got));
    ck_assert_int_eq(memcmp(&row, &got, sizeof(row)), 0);
    struct segment_point point = {0, 0};
    ck_assert_ptr_eq(segment_point_put(at, (struct segment_point){9, 10}), at + 16);
    in = span_of(at, 16);
    ck_assert(segment_point_take(&in, &point));
    ck_assert_uint_eq(point.seq, 9);
    ck_assert_uint_eq(point.offset, 10);
    uint8_t end[SEGMENT_END_SIZE];
    struct segment_tail tail = {1, 2, 3, 4, 5, 6, 7};
    struct segment_tail read;
    uint32_t checksum;
    uint32_t put_checksum = segment_tail_put(end, &tail, 55);
    struct span whole = span_of(end, sizeof(end));
    ck_assert(segment_tail_read(whole, &read));
    ck_assert_uint_eq(read.nonce, 1);
    ck_assert_uint_eq(read.footer, 2);
    ck_assert_uint_eq(read.rows, 3);
    ck_assert_uint_eq(read.count, 4);
    ck_assert_uint_eq(read.bytes, 5);
    ck_assert_uint_eq(read.as_of_lsn, 6);
    ck_assert_uint_eq(read.n_rows, 7);
    ck_assert(segment_tail_check(whole, 55, &checksum));
    ck_assert_uint_eq(checksum, put_checksum);
    ck_assert(!segment_tail_check(whole, 54, &checksum));
    for (size_t bit = 0; bit < sizeof(end) * 8; bit++) {
        end[bit / 8] ^= (uint8_t)(1 << bit % 8);
        ck_assert(!segment_tail_read(whole, &read) || !segment_tail_check(whole, 55, &checksum));
        end[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    ck_assert(!segment_tail_read(span_of(end, sizeof(end) - 1), &read));
}
END_TEST

START_TEST(the_table_has_a_row_per_queue_and_a_point_every_16_kib)
{
    struct segment_table t = {.rows = NULL};
    struct segment_item item = sample(RECORD_message, 0);
    for (uint64_t queue = 1; queue <= 3; queue++)
        for (uint64_t seq = 1; seq <= 100; seq++) {
            item.message.target = (struct store_target){queue, seq * 2};
            item.message.deadline_ns = seq == 50 ? 8 : seq == 60 ? 9 : 0;
            item.size = 10;
            ck_assert(segment_table_follows(&t, item.message.target));
            uint64_t offset = (queue * 100 + seq) * 4096;
            ck_assert_int_eq(segment_table_add(&t, &item, offset), OK);
            ck_assert(!segment_table_follows(&t, item.message.target));
        }
    ck_assert(!segment_table_follows(&t, (struct store_target){2, 1000}));
    ck_assert_uint_eq(t.n_rows, 3);
    ck_assert_uint_eq(t.count, 300);
    ck_assert_uint_eq(t.bytes, 3000);
    ck_assert_uint_eq(t.n_points, 3 * 24);
    for (uint32_t i = 0; i < 3; i++) {
        struct segment_row row = {i + 1, 2, 200, 1000, 8, ((i + 1) * 100 + 1) * 4096, 100, 24 * i};
        ck_assert_int_eq(memcmp(&row, &t.rows[i], sizeof(row)), 0);
        ck_assert_uint_eq(t.points[24 * i].seq, 10);
        ck_assert_uint_eq(t.points[24 * i].offset, row.offset + SEGMENT_POINT_EVERY);
    }
    t.rows[2].count = UINT32_MAX;
    item.message.target.seq++;
    ck_assert_int_eq(segment_table_add(&t, &item, 1 << 30), ERR_LIMIT);
    segment_table_fini(&t);
}
END_TEST

SUITE("segment_form", a_record_is_read_as_it_was_written, a_record_that_makes_no_sense_is_none,
      an_unknown_field_is_passed_over, what_a_message_takes_follows_from_its_first_record,
      row_point_and_end_are_read_as_they_were_written,
      the_table_has_a_row_per_queue_and_a_point_every_16_kib)
