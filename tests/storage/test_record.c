// SPDX-License-Identifier: Apache-2.0
#include "storage/record.h"

#include <string.h>

#include "base/rng.h"
#include "tests/base/suite.h"

enum { SIZE_MAX_HERE = 400 };

static struct record record_random(struct rng *chance, const uint8_t *bytes)
{
    return (struct record){.kind = (uint8_t)rng_next(chance),
                           .in_group = rng_below(chance, 2) != 0,
                           .group = rng_next(chance),
                           .time_ns = rng_next(chance),
                           .fields = span_of(bytes, rng_below(chance, 2) * rng_below(chance, 100)),
                           .body = span_of(bytes + 100, rng_below(chance, 200))};
}

static void ck_record_eq(const struct record *a, const struct record *b)
{
    ck_assert_uint_eq(a->kind, b->kind);
    ck_assert_int_eq(a->in_group, b->in_group);
    if (a->in_group)
        ck_assert_uint_eq(a->group, b->group);
    ck_assert_uint_eq(a->time_ns, b->time_ns);
    ck_assert(span_eq(a->fields, b->fields));
    ck_assert(span_eq(a->body, b->body));
}

START_TEST(a_record_is_read_as_it_was_written)
{
    struct rng chance = {1};
    uint8_t bytes[SIZE_MAX_HERE];
    uint8_t at[SIZE_MAX_HERE];
    for (int n = 0; n < 1000; n++) {
        for (size_t i = 0; i < sizeof(bytes); i++)
            bytes[i] = (uint8_t)rng_next(&chance);
        struct record r = record_random(&chance, bytes);
        size_t size = record_size(&r);
        ck_assert_uint_le(size, sizeof(at));
        uint8_t *body = record_put(at, &r);
        ck_assert_ptr_eq(body, at + size - r.body.size);
        record_seal(at);
        ck_assert_uint_eq(record_length(at), size);
        struct record got;
        ck_assert(record_read(span_of(at, size), &got));
        ck_record_eq(&got, &r);
        /* What lies behind it does not matter. */
        ck_assert(record_read(span_of(at, sizeof(at)), &got));
        ck_record_eq(&got, &r);
    }
}
END_TEST

START_TEST(a_body_may_be_written_later)
{
    uint8_t at[64];
    struct record r = {.kind = RECORD_publish, .body = {NULL, 5}};
    memcpy(record_put(at, &r), "hello", 5);
    record_seal(at);
    struct record got;
    ck_assert(record_read(span_of(at, record_size(&r)), &got));
    ck_assert(span_eq(got.body, SPAN_LIT("hello")));
}
END_TEST

START_TEST(every_flipped_bit_and_every_cut_is_damage)
{
    uint8_t at[128];
    struct record r = {.kind = RECORD_settle,
                       .in_group = true,
                       .group = 7,
                       .time_ns = 8,
                       .fields = SPAN_LIT("fields"),
                       .body = SPAN_LIT("what it says")};
    size_t size = record_size(&r);
    struct record got;
    record_put(at, &r);
    record_seal(at);
    for (size_t bit = 0; bit < size * 8; bit++) {
        at[bit / 8] ^= (uint8_t)(1 << bit % 8);
        ck_assert(!record_read(span_of(at, size), &got));
        ck_assert(!record_read(span_of(at, sizeof(at)), &got));
        at[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    for (size_t cut = 0; cut < size; cut++)
        ck_assert(!record_read(span_of(at, cut), &got));
    ck_assert(record_read(span_of(at, size), &got));
}
END_TEST

START_TEST(kinds_have_names)
{
    ck_assert_str_eq(record_kind_name(RECORD_publish), "publish");
    ck_assert_str_eq(record_kind_name(RECORD_settled_log), "settled_log");
    ck_assert_ptr_null(record_kind_name(0));
    ck_assert_ptr_null(record_kind_name(255));
}
END_TEST

SUITE("record", a_record_is_read_as_it_was_written, a_body_may_be_written_later,
      every_flipped_bit_and_every_cut_is_damage, kinds_have_names)
