// SPDX-License-Identifier: Apache-2.0
/* The heap against a plain array that is searched for the smallest deadline. */
#include "base/timers.h"

#include <string.h>

#include "base/rng.h"
#include "tests/base/suite.h"

enum { TIMERS = 200 };

static struct timers ts;
static struct timer timers[TIMERS];
static struct model {
    bool set;
    uint64_t deadline_ns;
    uint64_t order;
} model[TIMERS];
static size_t n_fired;
static size_t n_to_move; /* callbacks that set their timer again */

static size_t model_first(void)
{
    size_t first = TIMERS;
    for (size_t i = 0; i < TIMERS; i++)
        if (model[i].set && (first == TIMERS || model[i].deadline_ns < model[first].deadline_ns ||
                             (model[i].deadline_ns == model[first].deadline_ns &&
                              model[i].order < model[first].order)))
            first = i;
    return first;
}

static uint64_t n_orders;

static void set(size_t i, uint64_t deadline_ns)
{
    timer_set(&ts, &timers[i], deadline_ns);
    model[i] = (struct model){true, deadline_ns, n_orders++};
}

static void fire(struct timer *t, uint64_t now_ns)
{
    size_t i = (size_t)(t - timers);
    ck_assert(!timer_is_set(t));
    ck_assert_uint_eq(i, model_first());
    ck_assert_uint_le(model[i].deadline_ns, now_ns);
    model[i].set = false;
    n_fired++;
    if (n_to_move != 0) {
        n_to_move--;
        set(i, now_ns + 5);
    }
}

static void set_up(void)
{
    memset(timers, 0, sizeof(timers));
    memset(model, 0, sizeof(model));
    n_fired = 0;
    timers_init(&ts);
    for (size_t i = 0; i < TIMERS; i++) {
        timers[i].fire = fire;
        ck_assert_int_eq(timers_reserve(&ts), OK);
    }
}

START_TEST(timers_fire_by_deadline_then_by_order_of_setting)
{
    struct rng rng = {4};
    set_up();
    uint64_t now = 1000;
    for (int step = 0; step < 10000; step++) {
        size_t i = rng_below(&rng, TIMERS);
        switch (rng_below(&rng, 4)) {
        case 0:
            timer_clear(&ts, &timers[i]);
            model[i].set = false;
            break;
        case 1:
            now += rng_below(&rng, 4);
            n_to_move = rng_below(&rng, 3);
            timers_run(&ts, now, SIZE_MAX);
            ck_assert(model_first() == TIMERS || model[model_first()].deadline_ns > now);
            break;
        default: set(i, now + rng_below(&rng, 50));
        }
        ck_assert_int_eq(timer_is_set(&timers[i]), model[i].set);
        size_t first = model_first();
        ck_assert_uint_eq(timers_deadline_ns(&ts),
                          first == TIMERS ? TIMER_NEVER : model[first].deadline_ns);
    }
    ck_assert_uint_gt(n_fired, 1000);
    timers_fini(&ts);
}
END_TEST

START_TEST(a_run_is_bounded_and_says_what_is_left)
{
    set_up();
    for (size_t i = 0; i < 10; i++)
        set(i, 100 + i);
    ck_assert(!timers_run(&ts, 99, 10));
    ck_assert_uint_eq(n_fired, 0);
    ck_assert(timers_run(&ts, 200, 4));
    ck_assert_uint_eq(n_fired, 4);
    ck_assert(!timers_run(&ts, 200, 6));
    ck_assert_uint_eq(n_fired, 10);
    ck_assert_uint_eq(timers_deadline_ns(&ts), TIMER_NEVER);
    for (size_t i = 0; i < TIMERS; i++)
        timers_unreserve(&ts);
    timers_fini(&ts);
}
END_TEST

SUITE("timers", timers_fire_by_deadline_then_by_order_of_setting,
      a_run_is_bounded_and_says_what_is_left)
