// SPDX-License-Identifier: Apache-2.0
#include "storage/store.h"

#include "tests/base/suite.h"

static struct store *store;
static unsigned n_released;
static int message; /* stands for any */

static void on_release(void *arg, void *m)
{
    (void)arg;
    ck_assert_ptr_eq(m, &message);
    n_released++;
}

static void begin(void)
{
    n_released = 0;
    ck_assert_int_eq(store_new(&store), OK);
    store_set_owner(store, &(struct store_owner){.release = on_release});
    ck_assert_uint_eq(store_reserve(store), PARCEL_RESERVE);
}

static void end(void)
{
    store_end(store);
    store_free(store);
}

static uint64_t publish(uint64_t seq)
{
    uint64_t token;
    struct store_target target = {7, seq};
    ck_assert_int_eq(store_publish(store, &message, 10, &target, 1, 0, &token), OK);
    return token;
}

START_TEST(a_barrier_is_what_was_told_last)
{
    begin();
    ck_assert_uint_eq(store_barrier(store), 0); /* nothing was told: everything is durable */
    publish(1);
    ck_assert_uint_eq(store_filling(store), 1);
    ck_assert_uint_eq(store_barrier(store), 1);
    ck_assert_ptr_nonnull(store_seal(store));
    ck_assert_uint_eq(store_barrier(store), 1); /* sealed, and not durable yet */
    ck_assert_uint_eq(store_durable(store), 0);
    store_complete(store, 1);
    ck_assert_uint_eq(store_durable(store), 1);
    end();
}
END_TEST

START_TEST(references_come_back_with_their_parcel)
{
    begin();
    publish(1);
    publish(2);
    ck_assert_ptr_nonnull(store_seal(store));
    publish(3);
    ck_assert_ptr_nonnull(store_seal(store));
    store_complete(store, 1);
    ck_assert_uint_eq(n_released, 0);
    store_release(store, store_durable(store));
    ck_assert_uint_eq(n_released, 2);
    end();
    ck_assert_uint_eq(n_released, 3);
}
END_TEST

START_TEST(what_is_settled_at_once_is_not_told)
{
    begin();
    uint64_t token = publish(1);
    store_settle(store, (struct store_target){7, 1}, token, 0);
    ck_assert_uint_eq(n_released, 1);
    const struct parcel *p = store_seal(store);
    ck_assert_uint_eq(p->n_written, 0);
    token = publish(2);
    ck_assert_ptr_nonnull(store_seal(store));
    ck_assert_uint_eq(store_reserve(store), PARCEL_RESERVE);
    store_settle(store, (struct store_target){7, 2}, token, 0); /* too late for that */
    p = store_seal(store);
    ck_assert_uint_eq(p->n_written, 1);
    ck_assert_int_eq(p->entries[0].kind, PARCEL_SETTLE);
    end();
}
END_TEST

START_TEST(nobody_waits_for_settlements)
{
    begin();
    store_tick(store, 1000);
    ck_assert_uint_eq(store_due_ns(store), UINT64_MAX);
    store_settle(store, (struct store_target){7, 1}, 0, 0);
    store_tick(store, 2000);
    store_settle(store, (struct store_target){7, 2}, 0, 0);
    ck_assert_uint_eq(store_due_ns(store), 1000 + STORE_INTERVAL_NS);
    store_barrier(store);
    ck_assert_uint_eq(store_due_ns(store), 0);
    end();
}
END_TEST

START_TEST(one_that_has_much_to_write_is_full)
{
    begin();
    uint64_t token;
    struct store_target target = {7, 1};
    ck_assert_int_eq(store_publish(store, &message, STORE_FULL_BYTES, &target, 1, 0, &token), OK);
    ck_assert(store_is_full(store));
    ck_assert_uint_eq(store_due_ns(store), 0);
    ck_assert_ptr_nonnull(store_seal(store));
    ck_assert(!store_is_full(store));
    end();
}
END_TEST

START_TEST(declarations_do_not_pile_up_without_end)
{
    static uint8_t what[100000];
    unsigned n = 0;
    begin();
    while (store_declared(store, n, span_of(what, sizeof(what))) == OK)
        ck_assert_uint_lt(n++, STORE_REFUSE_BYTES / sizeof(what) + 1);
    ck_assert_uint_gt(n, STORE_FULL_BYTES / sizeof(what));
    ck_assert_ptr_nonnull(store_seal(store));
    ck_assert_int_eq(store_declared(store, n, SPAN_LIT("what")), OK);
    end();
}
END_TEST

START_TEST(one_that_has_ended_takes_nothing)
{
    begin();
    publish(1);
    store_end(store);
    ck_assert_uint_eq(n_released, 1);
    uint64_t token;
    struct store_target target = {7, 2};
    ck_assert_int_eq(store_publish(store, &message, 10, &target, 1, 0, &token), ERR_NOMEM);
    store_settle(store, target, 0, 0);
    store_undeclared(store, 9);
    store_free(store);
}
END_TEST

SUITE("store", a_barrier_is_what_was_told_last, references_come_back_with_their_parcel,
      what_is_settled_at_once_is_not_told, nobody_waits_for_settlements,
      one_that_has_much_to_write_is_full, declarations_do_not_pile_up_without_end,
      one_that_has_ended_takes_nothing)
