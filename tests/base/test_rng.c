// SPDX-License-Identifier: Apache-2.0
#include "base/rng.h"

#include "tests/base/suite.h"

/* SplitMix64 from seed 1234567, as published with the algorithm. */
START_TEST(it_is_the_published_generator)
{
    struct rng r = {1234567};
    ck_assert_uint_eq(rng_next(&r), UINT64_C(6457827717110365317));
    ck_assert_uint_eq(rng_next(&r), UINT64_C(3203168211198807973));
    ck_assert_uint_eq(rng_next(&r), UINT64_C(9817491932198370423));
}
END_TEST

START_TEST(one_seed_is_one_sequence)
{
    struct rng a = {3};
    struct rng b = {3};
    struct rng c = {4};
    uint64_t n_equal = 0;
    for (int i = 0; i < 100; i++) {
        uint64_t v = rng_next(&a);
        ck_assert_uint_eq(v, rng_next(&b));
        n_equal += v == rng_next(&c);
    }
    ck_assert_uint_eq(n_equal, 0);
}
END_TEST

START_TEST(below_reaches_every_value_and_no_other)
{
    struct rng r = {5};
    unsigned counts[7] = {0};
    for (int i = 0; i < 7000; i++) {
        uint64_t v = rng_below(&r, 7);
        ck_assert_uint_lt(v, 7);
        counts[v]++;
    }
    for (int i = 0; i < 7; i++)
        ck_assert(counts[i] > 800 && counts[i] < 1200);
    ck_assert_uint_eq(rng_below(&r, 1), 0);
}
END_TEST

SUITE("rng", it_is_the_published_generator, one_seed_is_one_sequence,
      below_reaches_every_value_and_no_other)
