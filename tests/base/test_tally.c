// SPDX-License-Identifier: Apache-2.0
#include "base/tally.h"

#include "tests/base/suite.h"

START_TEST(bounds_are_by_the_order_of_magnitude)
{
    static struct tally t;
    for (uint64_t i = 1; i <= 1000; i++)
        tally_add(&t, i <= 900 ? 5 : 1000 + i);
    ck_assert_uint_eq(tally_bound(&t, 500), 7);
    ck_assert_uint_eq(tally_bound(&t, 900), 7);
    ck_assert_uint_eq(tally_bound(&t, 901), 2000); /* 2047, but none was larger */
    char text[TALLY_TEXT_MAX];
    ck_assert_str_eq(tally_print(&t, text), "n=1000 mean=199 p50<=7 p99<=2000 p999<=2000 max=2000");
}
END_TEST

START_TEST(the_ends_have_their_place)
{
    static struct tally t;
    char text[TALLY_TEXT_MAX];
    ck_assert_str_eq(tally_print(&t, text), "n=0 mean=0 p50<=0 p99<=0 p999<=0 max=0");
    tally_add(&t, 0);
    ck_assert_uint_eq(tally_bound(&t, 999), 0);
    tally_add(&t, UINT64_MAX);
    tally_add(&t, UINT64_MAX);
    ck_assert_uint_eq(tally_bound(&t, 999), UINT64_MAX);
}
END_TEST

SUITE("tally", bounds_are_by_the_order_of_magnitude, the_ends_have_their_place)
