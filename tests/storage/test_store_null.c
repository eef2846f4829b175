// SPDX-License-Identifier: Apache-2.0
#include "base/rng.h"
#include "storage/store.h"
#include "tests/base/suite.h"

static uint64_t delay;

static uint64_t given_delay(void *arg)
{
    ck_assert_ptr_eq(arg, &delay);
    return delay;
}

static struct store *open_store(void)
{
    struct store *s;
    struct store_options options = {.delay = given_delay, .delay_arg = &delay};
    ck_assert_int_eq(store_open(&s, &options), OK);
    return s;
}

START_TEST(records_of_one_turn_share_a_batch)
{
    struct store *s = open_store();
    delay = 0;
    ck_assert_uint_eq(store_durable(s), 0);
    ck_assert(!store_step(s));
    ck_assert_uint_eq(store_filling(s), 1);
    ck_assert_uint_eq(store_append(s, SPAN_LIT("a")), 1);
    ck_assert_uint_eq(store_append(s, SPAN_LIT("b")), 1);
    ck_assert_uint_eq(store_filling(s), 1);
    ck_assert_uint_eq(store_durable(s), 0);
    ck_assert(!store_step(s));
    ck_assert_uint_eq(store_durable(s), 1);
    ck_assert_uint_eq(store_filling(s), 2);
    ck_assert_uint_eq(store_append(s, SPAN_LIT("c")), 2);
    ck_assert(!store_step(s));
    ck_assert_uint_eq(store_durable(s), 2);
    store_close(s);
}
END_TEST

START_TEST(a_batch_is_durable_after_its_delay_and_not_before)
{
    struct store *s = open_store();
    delay = 3;
    ck_assert_uint_eq(store_append(s, SPAN_NONE), 1);
    for (int i = 0; i < 3; i++) {
        ck_assert(store_step(s));
        ck_assert_uint_eq(store_durable(s), 0);
    }
    ck_assert(!store_step(s));
    ck_assert_uint_eq(store_durable(s), 1);
    store_close(s);
}
END_TEST

START_TEST(batches_become_durable_in_order)
{
    struct rng rng = {1};
    struct store *s = open_store();
    uint64_t last = 0;
    uint64_t durable = 0;
    for (int step = 0; step < 5000; step++) {
        delay = rng_below(&rng, 50);
        if (rng_below(&rng, 2) == 0) {
            uint64_t batch = store_append(s, SPAN_NONE);
            ck_assert_uint_ge(batch, last);
            ck_assert_uint_gt(batch, store_durable(s));
            last = batch;
        }
        bool pending = store_step(s);
        ck_assert_uint_ge(store_durable(s), durable);
        durable = store_durable(s);
        ck_assert_int_eq(pending, durable < last);
    }
    while (store_step(s))
        ;
    ck_assert_uint_eq(store_durable(s), last);
    store_close(s);
}
END_TEST

START_TEST(a_store_without_a_delay_has_none)
{
    struct store *s;
    struct store_options options = {.delay = NULL};
    ck_assert_int_eq(store_open(&s, &options), OK);
    uint64_t batch = store_append(s, SPAN_NONE);
    store_step(s);
    ck_assert_uint_eq(store_durable(s), batch);
    store_close(s);
    store_close(NULL);
}
END_TEST

SUITE("store_null", records_of_one_turn_share_a_batch,
      a_batch_is_durable_after_its_delay_and_not_before, batches_become_durable_in_order,
      a_store_without_a_delay_has_none)
