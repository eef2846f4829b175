// SPDX-License-Identifier: Apache-2.0
/* Each start is compared with the model of keeper_rig.h. */
#include "storage/keeper.h"

#include "tests/storage/keeper_rig.h"

static struct life *l;
static struct life_object *q;

static void begin(uint64_t seed)
{
    l = life_new(seed);
    l->options.journal_bytes = UINT64_MAX / 2; /* the rewriter has nothing to do */
    ck_assert_int_eq(life_start(l), OK);
    q = life_declare(l, true, 20);
    for (int i = 0; i < 20; i++)
        ck_assert(life_publish(l, &q, 1, (size_t)i * 3000, 0));
}

START_TEST(locked)
{
    struct keeper *second;
    uint64_t holder = 0;
    begin(1);
    ck_assert_int_eq(keeper_open(&second, &l->options, &holder), ERR_TAKEN);
    ck_assert(second == NULL && holder != 0);
    ck_assert(life_flush(l)); /* the first goes on */
    life_free(l);
}
END_TEST

/* At each operation of a start, and at each of the start that follows. */
static void crash_at(uint64_t first, uint64_t second)
{
    begin(first * 100 + second);
    ck_assert(life_flush(l));
    life_settle(l, life_last(l, q), 0); /* in doubt */
    false_disk_cut_at(l->fd, false_disk_count(l->fd) + 2);
    (void)life_flush(l);
    life_power(l);
    for (uint64_t at = first; at != 0; at = at == first ? second : 0) {
        false_disk_cut_at(l->fd, false_disk_count(l->fd) + at);
        (void)life_start(l);
        life_power(l);
        if (at == second)
            break;
    }
    ck_assert_int_eq(life_start(l), OK);
    for (size_t i = 0; i + 1 < l->n_entries; i++)
        ck_assert(l->entries[i].found);
    life_free(l);
}

START_TEST(crash_while_starting)
{
    for (uint64_t first = 1; first < 60; first++)
        crash_at(first, 0);
}
END_TEST

START_TEST(crash_while_starting_twice)
{
    for (uint64_t first = 1; first < 60; first += 3)
        for (uint64_t second = 2; second < 60; second += 3)
            crash_at(first, second);
}
END_TEST

START_TEST(what_is_told_waits_for_a_barrier_or_a_while)
{
    begin(1);
    ck_assert(life_flush(l));
    struct store *s = keeper_store(l->keeper);
    life_settle(l, life_last(l, q), 0);
    uint64_t number = store_filling(s);
    life_step(l);
    ck_assert(life_work(l) == KEEPER_IDLE && store_filling(s) == number);
    ck_assert_uint_eq(keeper_due_ns(l->keeper), l->now_ns + STORE_INTERVAL_NS);
    l->now_ns += STORE_INTERVAL_NS;
    life_step(l);
    ck_assert_uint_eq(keeper_due_ns(l->keeper), UINT64_MAX); /* it is under way */
    ck_assert_int_eq(life_work(l), KEEPER_WORKED);
    ck_assert_uint_lt(store_durable(s), number);
    life_step(l);
    ck_assert_uint_eq(store_durable(s), number);
    life_free(l);
}
END_TEST

START_TEST(when_nothing_comes_the_end_is_closed_once)
{
    begin(1);
    ck_assert(life_flush(l));
    uint64_t n = keeper_counts(l->keeper).batches;
    for (int i = 0; i < 3; i++) {
        l->now_ns += UINT64_C(2000000000);
        life_settle_down(l);
        ck_assert_uint_eq(keeper_counts(l->keeper).batches, n + 1);
    }
    ck_assert_uint_eq(keeper_due_ns(l->keeper), UINT64_MAX);
    life_free(l);
}
END_TEST

START_TEST(a_failing_disk_is_waited_for)
{
    begin(1);
    for (uint64_t k = 1; k < 30; k++)
        false_disk_fail_at(l->fd, false_disk_count(l->fd) + k, k % 2 == 0 ? ERR_IO : ERR_FULL);
    unsigned n_failed = 0;
    while (!life_flush(l))
        n_failed++;
    ck_assert_uint_gt(n_failed, 2);
    life_power(l);
    ck_assert_int_eq(life_start(l), OK);
    ck_assert(life_last(l, q)->found);
    life_free(l);
}
END_TEST

START_TEST(a_stop_writes_everything)
{
    for (int clean = 0; clean < 2; clean++) {
        begin(1);
        ck_assert(life_stop(l, clean));
        ck_assert_int_eq(life_start(l), OK);
        ck_assert(l->figures.clean == clean && life_last(l, q)->found);
        ck_assert(life_stop(l, clean)); /* nothing was told */
        ck_assert_int_eq(life_start(l), OK);
        ck_assert(l->figures.clean == clean && life_last(l, q)->found);
        life_free(l);
    }
}
END_TEST

START_TEST(a_stop_says_when_the_disk_fails)
{
    begin(1);
    false_disk_cut(l->fd);
    ck_assert(!life_stop(l, true));
    life_recover(l, 0);
    ck_assert(!l->figures.clean);
    life_free(l);
}
END_TEST

SUITE("keeper", locked, crash_while_starting, crash_while_starting_twice,
      what_is_told_waits_for_a_barrier_or_a_while, when_nothing_comes_the_end_is_closed_once,
      a_failing_disk_is_waited_for, a_stop_writes_everything, a_stop_says_when_the_disk_fails)
