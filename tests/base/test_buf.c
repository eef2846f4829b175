// SPDX-License-Identifier: Apache-2.0
/* A buffer is compared with a plain array that holds everything ever appended. */
#include "base/buf.h"

#include <string.h>

#include "base/rng.h"
#include "tests/base/suite.h"

static void append(struct buf *b, const char *text)
{
    ck_assert_int_eq(buf_append(b, span_str(text)), OK);
}

START_TEST(what_goes_in_at_the_end_comes_out_at_the_front)
{
    struct buf b;
    buf_init(&b);
    append(&b, "hello ");
    append(&b, "world");
    ck_assert(span_eq(buf_span(&b), SPAN_LIT("hello world")));
    buf_consume(&b, 6);
    ck_assert(span_eq(buf_span(&b), SPAN_LIT("world")));
    buf_consume(&b, 5);
    ck_assert_uint_eq(buf_span(&b).size, 0);
    buf_fini(&b);
}
END_TEST

START_TEST(an_empty_buffer_has_an_empty_span)
{
    struct buf b;
    buf_init(&b);
    ck_assert_uint_eq(buf_span(&b).size, 0);
    ck_assert_int_eq(buf_append(&b, SPAN_NONE), OK);
    ck_assert_uint_eq(buf_span(&b).size, 0);
    buf_fini(&b);
}
END_TEST

START_TEST(a_reservation_adds_nothing_until_it_is_committed)
{
    struct buf b;
    buf_init(&b);
    append(&b, "a");
    uint8_t *at = buf_reserve(&b, 1000);
    ck_assert_ptr_nonnull(at);
    memset(at, 'x', 1000);
    ck_assert(span_eq(buf_span(&b), SPAN_LIT("a")));
    buf_commit(&b, 2);
    ck_assert(span_eq(buf_span(&b), SPAN_LIT("axx")));
    buf_fini(&b);
}
END_TEST

/* Used room at the front is taken into use again before more is asked for. */
START_TEST(a_steady_flow_does_not_grow_it)
{
    struct buf b;
    buf_init(&b);
    for (int i = 0; i < 100000; i++) {
        append(&b, "0123456789");
        if (buf_span(&b).size > 100)
            buf_consume(&b, 90);
    }
    ck_assert_uint_le(b.capacity, 512);
    buf_fini(&b);
}
END_TEST

START_TEST(trim_gives_back_only_what_is_empty_and_large)
{
    struct buf b;
    buf_init(&b);
    append(&b, "x");
    buf_trim(&b, 0);
    ck_assert(span_eq(buf_span(&b), SPAN_LIT("x")));
    buf_consume(&b, 1);
    buf_trim(&b, b.capacity);
    ck_assert_ptr_nonnull(b.bytes);
    buf_trim(&b, 0);
    ck_assert_ptr_null(b.bytes);
    ck_assert_uint_eq(b.capacity, 0);
    buf_fini(&b);
}
END_TEST

START_TEST(any_mix_of_steps_keeps_the_order_of_bytes)
{
    enum { TOTAL = 200000 };
    static uint8_t all[TOTAL];
    struct rng rng = {1};
    for (uint64_t seed = 0; seed < 4; seed++) {
        struct buf b;
        buf_init(&b);
        size_t in = 0;
        size_t out = 0;
        while (in < TOTAL) {
            size_t n = rng_below(&rng, rng_below(&rng, 8) == 0 ? 3000 : 40);
            n = n < TOTAL - in ? n : TOTAL - in;
            for (size_t i = 0; i < n; i++)
                all[in + i] = (uint8_t)rng_next(&rng);
            ck_assert_int_eq(buf_append(&b, span_of(all + in, n)), OK);
            in += n;
            size_t gone = rng_below(&rng, in - out + 1);
            buf_consume(&b, gone);
            out += gone;
            ck_assert(span_eq(buf_span(&b), span_of(all + out, in - out)));
        }
        buf_fini(&b);
    }
}
END_TEST

SUITE("buf", what_goes_in_at_the_end_comes_out_at_the_front, an_empty_buffer_has_an_empty_span,
      a_reservation_adds_nothing_until_it_is_committed, a_steady_flow_does_not_grow_it,
      trim_gives_back_only_what_is_empty_and_large, any_mix_of_steps_keeps_the_order_of_bytes)
