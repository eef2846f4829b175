// SPDX-License-Identifier: Apache-2.0
/* Each reader gets every prefix of its sample: a short one is refused and nothing is taken. */
#include "base/bytes.h"

#include "tests/base/suite.h"

static const uint8_t SAMPLE[] = {1, 2, 3, 4, 5, 6, 7, 8, 9};

START_TEST(numbers_come_in_network_order)
{
    struct span in = span_of(SAMPLE, sizeof(SAMPLE));
    uint8_t v8;
    uint16_t v16;
    uint32_t v32;
    uint64_t v64;
    struct span all = in;
    ck_assert(take_u8(&in, &v8) && take_u16(&in, &v16) && take_u32(&in, &v32));
    ck_assert_uint_eq(v8, 1);
    ck_assert_uint_eq(v16, 0x0203);
    ck_assert_uint_eq(v32, 0x04050607);
    ck_assert_uint_eq(in.size, 2);
    ck_assert(take_u64(&all, &v64));
    ck_assert_uint_eq(v64, 0x0102030405060708);
    ck_assert_uint_eq(all.size, 1);
}
END_TEST

static bool take(unsigned kind, struct span *in)
{
    uint8_t v8;
    uint16_t v16;
    uint32_t v32;
    uint64_t v64;
    struct span v;
    switch (kind) {
    case 0: return take_u8(in, &v8);
    case 1: return take_u16(in, &v16);
    case 2: return take_u32(in, &v32);
    case 3: return take_u64(in, &v64);
    case 4: return take_span(in, 5, &v);
    case 5: return take_shortstr(in, &v);
    default: return take_longstr(in, &v);
    }
}

START_TEST(a_short_input_is_refused_and_left_alone)
{
    static const uint8_t LONGSTR[] = {0, 0, 0, 3, 'a', 'b', 'c'};
    static const uint8_t SHORTSTR[] = {3, 'a', 'b', 'c'};
    const struct span samples[] = {
        span_of(SAMPLE, 1), span_of(SAMPLE, 2),   span_of(SAMPLE, 4),  span_of(SAMPLE, 8),
        span_of(SAMPLE, 5), span_of(SHORTSTR, 4), span_of(LONGSTR, 7),
    };
    for (unsigned kind = 0; kind < 7; kind++) {
        for (size_t n = 0; n <= samples[kind].size; n++) {
            /* On the heap, so that a sanitizer sees a read behind the end. */
            uint8_t *copy = malloc(n + (n == 0));
            put_bytes(copy, span_of(samples[kind].at, n));
            struct span in = span_of(copy, n);
            bool whole = n == samples[kind].size;
            ck_assert_int_eq(take(kind, &in), whole);
            ck_assert_uint_eq(in.size, whole ? 0 : n);
            ck_assert_ptr_eq(in.at, copy + (whole ? n : 0));
            free(copy);
        }
    }
}
END_TEST

START_TEST(a_length_beyond_the_end_is_refused)
{
    static const uint8_t HUGE_LENGTH[] = {0xff, 0xff, 0xff, 0xff, 'a'};
    struct span in = span_of(HUGE_LENGTH, sizeof(HUGE_LENGTH));
    struct span v;
    ck_assert(!take_longstr(&in, &v));
    ck_assert(!take_shortstr(&in, &v));
    ck_assert(!take_span(&in, SIZE_MAX, &v));
    ck_assert_uint_eq(in.size, sizeof(HUGE_LENGTH));
}
END_TEST

START_TEST(what_is_written_is_read_again)
{
    uint8_t bytes[64];
    uint8_t *p = put_u64(put_u32(put_u16(put_u8(bytes, 0xfe), 0xfedc), 0xfedcba98),
                         0xfedcba9876543210);
    p = put_longstr(put_shortstr(put_bytes(p, SPAN_LIT("raw")), SPAN_LIT("short")),
                    SPAN_LIT("long"));
    struct span in = span_of(bytes, (size_t)(p - bytes));
    uint8_t v8;
    uint16_t v16;
    uint32_t v32;
    uint64_t v64;
    struct span raw;
    struct span brief;
    struct span lengthy;
    ck_assert(take_u8(&in, &v8) && take_u16(&in, &v16) && take_u32(&in, &v32) &&
              take_u64(&in, &v64));
    ck_assert(take_span(&in, 3, &raw) && take_shortstr(&in, &brief) && take_longstr(&in, &lengthy));
    ck_assert_uint_eq(v8, 0xfe);
    ck_assert_uint_eq(v16, 0xfedc);
    ck_assert_uint_eq(v32, 0xfedcba98);
    ck_assert_uint_eq(v64, 0xfedcba9876543210);
    ck_assert(span_eq(raw, SPAN_LIT("raw")));
    ck_assert(span_eq(brief, SPAN_LIT("short")));
    ck_assert(span_eq(lengthy, SPAN_LIT("long")));
    ck_assert_uint_eq(in.size, 0);
}
END_TEST

SUITE("bytes", numbers_come_in_network_order, a_short_input_is_refused_and_left_alone,
      a_length_beyond_the_end_is_refused, what_is_written_is_read_again)
