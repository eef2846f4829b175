// SPDX-License-Identifier: Apache-2.0
#include "base/seqset.h"

#include "base/rng.h"
#include "tests/base/suite.h"

static void add(struct seqset *s, uint64_t number)
{
    enum err e = seqset_add(s, number);
    ck_assert_int_eq(e, OK);
}

START_TEST(holds_what_was_added)
{
    struct seqset s;
    seqset_init(&s);
    add(&s, 0);
    add(&s, 511);
    add(&s, 512);
    add(&s, UINT64_MAX);
    ck_assert_uint_eq(s.n, 4);
    ck_assert(seqset_has(&s, 0) && seqset_has(&s, 511) && seqset_has(&s, 512));
    ck_assert(seqset_has(&s, UINT64_MAX) && !seqset_has(&s, 1) && !seqset_has(&s, 1024));
    ck_assert(seqset_remove(&s, 512) && !seqset_remove(&s, 512) && !seqset_has(&s, 512));
    seqset_fini(&s);
}
END_TEST

START_TEST(one_that_stays_pins_one_chunk)
{
    struct seqset s;
    seqset_init(&s);
    for (uint64_t i = 0; i < 100000; i++) {
        add(&s, i);
        if (i != 7)
            ck_assert(seqset_remove(&s, i));
    }
    ck_assert_uint_eq(s.n, 1);
    ck_assert_uint_eq(s.chunks.n, 1);
    seqset_fini(&s);
}
END_TEST

START_TEST(a_range_ends_where_it_says)
{
    struct seqset s;
    seqset_init(&s);
    for (uint64_t i = 100; i < 3000; i++)
        add(&s, i);
    seqset_remove_range(&s, 500, 2100);
    ck_assert_uint_eq(s.n, 400 + 899);
    ck_assert(seqset_has(&s, 499) && !seqset_has(&s, 500));
    ck_assert(!seqset_has(&s, 2100) && seqset_has(&s, 2101));
    seqset_remove_range(&s, 0, 3000);
    ck_assert_uint_eq(s.chunks.n, 0);
    seqset_fini(&s);
}
END_TEST

START_TEST(agrees_with_an_array)
{
    enum { SPAN = 5000, STEPS = 20000 };
    static bool is_there[SPAN];
    struct rng rng = {1};
    struct seqset s;
    seqset_init(&s);
    for (int step = 0; step < STEPS; step++) {
        uint64_t i = rng_below(&rng, SPAN);
        if (is_there[i])
            ck_assert(seqset_remove(&s, i));
        else
            add(&s, i);
        is_there[i] = !is_there[i];
        i = rng_below(&rng, SPAN);
        ck_assert(seqset_has(&s, i) == is_there[i]);
    }
    seqset_fini(&s);
}
END_TEST

SUITE("seqset", holds_what_was_added, one_that_stays_pins_one_chunk, a_range_ends_where_it_says,
      agrees_with_an_array)
