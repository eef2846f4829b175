// SPDX-License-Identifier: Apache-2.0
#include "storage/parcel.h"

#include "tests/base/suite.h"

static struct parcel parcel;
static int message; /* stands for any */

static void begin(void)
{
    parcel_init(&parcel);
    ck_assert_int_eq(parcel_reserve(&parcel), OK);
}

static size_t publish(const struct store_target *targets, size_t n, uint64_t group)
{
    size_t index;
    ck_assert_int_eq(parcel_publish(&parcel, &message, 100, targets, n, group, &index), OK);
    return index;
}

START_TEST(a_publish_remembers_where_it_goes)
{
    static const struct store_target ONE = {7, 1};
    static const struct store_target THREE[] = {{7, 2}, {8, 1}, {9, 5}};
    begin();
    publish(&ONE, 1, 0);
    publish(THREE, 3, 0);
    const struct parcel_entry *e = parcel.entries;
    ck_assert_uint_eq(parcel_targets(&parcel, &e[0])[0].queue, 7);
    ck_assert_mem_eq(parcel_targets(&parcel, &e[1]), THREE, sizeof(THREE));
    ck_assert_uint_gt(parcel.n_bytes, 200);
    parcel_fini(&parcel);
}
END_TEST

START_TEST(a_publish_settled_everywhere_is_left_out)
{
    static const struct store_target TWO[] = {{7, 2}, {8, 1}};
    bool moot;
    begin();
    size_t index = publish(TWO, 2, 0);
    ck_assert_ptr_null(parcel_settle_own(&parcel, index, &moot));
    ck_assert(!moot);
    ck_assert_ptr_eq(parcel_settle_own(&parcel, index, &moot), &message);
    ck_assert(moot);
    ck_assert_int_eq(parcel.entries[index].kind, PARCEL_LEFT_OUT);
    ck_assert_uint_eq(parcel.n_written, 0);
    parcel_fini(&parcel);
}
END_TEST

START_TEST(a_publish_of_a_group_stays)
{
    static const struct store_target ONE = {7, 1};
    bool moot;
    begin();
    size_t index = publish(&ONE, 1, 3);
    ck_assert_ptr_null(parcel_settle_own(&parcel, index, &moot));
    ck_assert(!moot && parcel.n_written == 1);
    parcel_fini(&parcel);
}
END_TEST

START_TEST(settlements_of_neighbours_are_one)
{
    begin();
    for (uint64_t seq = 5; seq < 10; seq++)
        parcel_settle(&parcel, (struct store_target){7, seq}, 0);
    ck_assert_uint_eq(parcel.n, 1);
    ck_assert_uint_eq(parcel.entries[0].target.seq, 5);
    ck_assert_uint_eq(parcel.entries[0].with.last, 9);
    parcel_settle(&parcel, (struct store_target){7, 11}, 0);
    parcel_settle(&parcel, (struct store_target){8, 12}, 0);
    parcel_settle(&parcel, (struct store_target){8, 13}, 4); /* in a group each is its own */
    parcel_settle(&parcel, (struct store_target){8, 14}, 4);
    ck_assert_uint_eq(parcel.n, 5);
    parcel_fini(&parcel);
}
END_TEST

START_TEST(what_may_not_fail_has_room)
{
    static const struct store_target ONE = {7, 1};
    begin();
    for (int i = 0; i < PARCEL_RESERVE; i++) {
        publish(&ONE, 1, 0); /* does not use the reserve up */
        parcel_undeclared(&parcel, (uint64_t)i);
    }
    ck_assert_uint_eq(parcel.n, 2 * PARCEL_RESERVE);
    ck_assert_int_eq(parcel_reserve(&parcel), OK);
    parcel_commit(&parcel, 1);
    parcel_fini(&parcel);
}
END_TEST

START_TEST(one_that_is_reset_is_empty_and_not_large)
{
    static const struct store_target TWO[] = {{7, 2}, {8, 1}};
    begin();
    for (int i = 0; i < 100000; i++)
        publish(TWO, 2, 0);
    ck_assert_int_eq(parcel_declared(&parcel, 3, SPAN_LIT("what it is")), OK);
    parcel_reset(&parcel);
    ck_assert(parcel.n == 0 && parcel.n_bytes == 0 && parcel.n_written == 0 && !parcel.awaited);
    ck_assert_uint_lt(parcel.capacity, 100000);
    ck_assert_uint_eq(publish(TWO, 2, 0), 0);
    ck_assert_mem_eq(parcel_targets(&parcel, &parcel.entries[0]), TWO, sizeof(TWO));
    parcel_fini(&parcel);
}
END_TEST

SUITE("parcel", a_publish_remembers_where_it_goes, a_publish_settled_everywhere_is_left_out,
      a_publish_of_a_group_stays, settlements_of_neighbours_are_one, what_may_not_fail_has_room,
      one_that_is_reset_is_empty_and_not_large)
