// SPDX-License-Identifier: Apache-2.0
#include "base/span.h"

#include <string.h>

#include "tests/base/suite.h"

START_TEST(spans_are_equal_by_their_bytes)
{
    ck_assert(span_eq(SPAN_LIT("ab"), span_str("ab")));
    ck_assert(!span_eq(SPAN_LIT("ab"), SPAN_LIT("abc")));
    ck_assert(!span_eq(SPAN_LIT("ab"), SPAN_LIT("aB")));
    ck_assert(span_eq(SPAN_NONE, SPAN_LIT("")));
    ck_assert(!span_eq(SPAN_LIT("a\0b"), SPAN_LIT("a\0c")));
    ck_assert(span_starts(SPAN_LIT("amq.x"), SPAN_LIT("amq.")));
    ck_assert(!span_starts(SPAN_LIT("amq"), SPAN_LIT("amq.")));
    ck_assert(span_starts(SPAN_NONE, SPAN_NONE));
}
END_TEST

START_TEST(order_is_by_bytes_then_by_length)
{
    const char *const sorted[] = {"", "A", "a", "aa", "ab", "b", "\xff"};
    for (int i = 0; i < 7; i++)
        for (int j = 0; j < 7; j++)
            ck_assert_int_eq(span_cmp(span_str(sorted[i]), span_str(sorted[j])), (i > j) - (i < j));
}
END_TEST

START_TEST(a_copy_is_the_callers_even_of_nothing)
{
    struct span copy = span_dup(SPAN_LIT("abc"));
    ck_assert(span_eq(copy, SPAN_LIT("abc")));
    ck_assert_int_eq(copy.at[3], 0);
    free((void *)(uintptr_t)copy.at);
    copy = span_dup(SPAN_NONE);
    ck_assert_ptr_nonnull(copy.at);
    ck_assert_uint_eq(copy.size, 0);
    free((void *)(uintptr_t)copy.at);
}
END_TEST

/* What a decoder of one code point says, written from the definition: value, shortest form, no
 * surrogates, nothing above U+10FFFF. */
static bool naive_utf8(const uint8_t *p, size_t n)
{
    uint32_t v = 0;
    static const uint32_t LEAST[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t length = p[0] < 0x80 ? 1 : (p[0] & 0xe0) == 0xc0 ? 2 : (p[0] & 0xf0) == 0xe0 ? 3 : 4;
    if (length != n || (length == 4 && (p[0] & 0xf8) != 0xf0))
        return false;
    v = length == 1 ? p[0] : p[0] & (0x7fu >> length);
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return false;
        v = v << 6 | (p[i] & 0x3f);
    }
    return v >= LEAST[length] && v <= 0x10ffff && (v < 0xd800 || v > 0xdfff);
}

START_TEST(utf8_of_one_code_point_is_as_defined)
{
    static const uint8_t EDGES[] = {0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xff};
    for (unsigned first = 0; first < 256; first++)
        for (unsigned i = 0; i < 1000; i++) {
            uint8_t p[4] = {(uint8_t)first, EDGES[i % 10], EDGES[i / 10 % 10], EDGES[i / 100]};
            size_t n = first < 0x80             ? 1
                       : (first & 0xe0) == 0xc0 ? 2
                       : (first & 0xf0) == 0xe0 ? 3
                                                : 4;
            bool right = span_is_utf8(span_of(p, n)) == naive_utf8(p, n);
            /* Cut short it is malformed. */
            for (size_t cut = 1; cut < n; cut++)
                right = right && !span_is_utf8(span_of(p, cut));
            if (!right)
                ck_abort_msg("%02x %02x %02x %02x", p[0], p[1], p[2], p[3]);
        }
}
END_TEST

START_TEST(utf8_of_a_text_is_that_of_its_parts)
{
    ck_assert(span_is_utf8(SPAN_NONE));
    ck_assert(span_is_utf8(SPAN_LIT("plain, z\xc3\xb6gern, \xe2\x82\xac, \xf0\x9f\x90\x95")));
    ck_assert(!span_is_utf8(SPAN_LIT("tail \xc3")));
    ck_assert(!span_is_utf8(SPAN_LIT("over \xc0\x80 long")));
    ck_assert(!span_is_utf8(SPAN_LIT("\xed\xa0\x80")));
}
END_TEST

SUITE("span", spans_are_equal_by_their_bytes, order_is_by_bytes_then_by_length,
      a_copy_is_the_callers_even_of_nothing, utf8_of_one_code_point_is_as_defined,
      utf8_of_a_text_is_that_of_its_parts)
