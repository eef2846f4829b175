// SPDX-License-Identifier: Apache-2.0
/* The chunks against an array by tag. */
#include "broker/core/unsettled.h"

#include <string.h>

#include "base/rng.h"
#include "tests/base/suite.h"

enum { TAGS = 20000 };

static struct unsettled u;

static void push(uint64_t tag)
{
    struct unsettled_entry e = {.tag = tag, .seq = tag * 3, .queue = 7, .consumer = 9};
    if (unsettled_push(&u, &e) != OK)
        ck_abort_msg("out of memory");
}

static void settle(uint64_t tag)
{
    struct unsettled_entry *e = unsettled_find(&u, tag);
    if (e == NULL || e->seq != tag * 3)
        ck_abort_msg("tag %llu is not found", (unsigned long long)tag);
    unsettled_remove(&u, e);
}

/* Chunks that hold memory, placeholders not counted. */
static size_t n_chunks(void)
{
    return u.chunks.n - u.n_empty;
}

START_TEST(a_tag_is_found_until_it_is_settled)
{
    unsettled_init(&u);
    ck_assert_ptr_null(unsettled_find(&u, 1));
    ck_assert_ptr_null(unsettled_first(&u));
    push(1);
    push(2);
    push(5);
    ck_assert_ptr_null(unsettled_find(&u, 0));
    ck_assert_ptr_null(unsettled_find(&u, 3));
    ck_assert_ptr_null(unsettled_find(&u, 6));
    ck_assert_ptr_null(unsettled_find(&u, UINT64_MAX));
    ck_assert_uint_eq(unsettled_find(&u, 5)->seq, 15);
    ck_assert_uint_eq(unsettled_tag(unsettled_after(&u, 2)), 5);
    settle(2);
    ck_assert_ptr_null(unsettled_find(&u, 2));
    ck_assert_uint_eq(unsettled_tag(unsettled_after(&u, 1)), 5);
    ck_assert_ptr_null(unsettled_after(&u, 5));
    settle(1);
    ck_assert_uint_eq(unsettled_tag(unsettled_first(&u)), 5);
    settle(5);
    ck_assert_ptr_null(unsettled_first(&u));
    unsettled_fini(&u);
}
END_TEST

START_TEST(it_finds_what_an_array_finds)
{
    static bool in[TAGS + 1];
    for (uint64_t seed = 0; seed < 8; seed++) {
        struct rng rng = {seed};
        uint64_t last = 0;
        size_t n = 0;
        unsettled_init(&u);
        memset(in, 0, sizeof(in));
        while (last < TAGS) {
            for (uint64_t k = rng_below(&rng, 200); k != 0 && last < TAGS; k--) {
                last += rng_below(&rng, 10) == 0 && last + 1 < TAGS ? 2 : 1;
                push(last);
                in[last] = true;
                n++;
            }
            /* Mostly the oldest go, some from anywhere. */
            for (uint64_t k = rng_below(&rng, 210); k != 0 && n != 0; k--) {
                struct unsettled_entry *e = rng_below(&rng, 4) != 0
                                                ? unsettled_first(&u)
                                                : unsettled_after(&u, rng_below(&rng, last));
                if (e == NULL)
                    continue;
                uint64_t tag = unsettled_tag(e);
                if (!in[tag])
                    ck_abort_msg("tag %llu was settled", (unsigned long long)tag);
                unsettled_remove(&u, e);
                in[tag] = false;
                n--;
            }
            ck_assert_uint_eq(u.n, n);
            uint64_t tag = rng_below(&rng, last + 1);
            ck_assert_int_eq(unsettled_find(&u, tag) != NULL, in[tag]);
        }
        uint64_t at = 0;
        for (uint64_t tag = 1; tag <= TAGS; tag++) {
            if (!in[tag])
                continue;
            struct unsettled_entry *e = unsettled_after(&u, at);
            if (e == NULL || unsettled_tag(e) != tag)
                ck_abort_msg("seed %llu: tag %llu is passed over", (unsigned long long)seed,
                             (unsigned long long)tag);
            at = tag;
        }
        ck_assert_ptr_null(unsettled_after(&u, at));
        while (u.n != 0)
            unsettled_remove(&u, unsettled_first(&u));
        unsettled_fini(&u);
    }
}
END_TEST

START_TEST(one_stuck_tag_pins_one_chunk)
{
    unsettled_init(&u);
    push(1);
    for (uint64_t tag = 2; tag < 1000000; tag++) {
        push(tag);
        if (tag > 1000)
            settle(tag - 990);
    }
    ck_assert_uint_le(n_chunks(), 16);
    ck_assert_uint_le(u.chunks.n, 128);
    ck_assert_uint_eq(unsettled_tag(unsettled_first(&u)), 1);
    while (u.n != 0)
        unsettled_remove(&u, unsettled_first(&u));
    unsettled_fini(&u);
}
END_TEST

START_TEST(one_tag_at_a_time_needs_one_chunk)
{
    unsettled_init(&u);
    for (uint64_t tag = 1; tag < 100000; tag++) {
        push(tag);
        settle(tag);
    }
    ck_assert_uint_eq(u.chunks.n, 1);
    unsettled_fini(&u);
}
END_TEST

START_TEST(a_held_entry_keeps_its_tag)
{
    unsettled_init(&u);
    for (uint64_t tag = 1; tag < 300; tag++)
        push(tag);
    unsettled_hold(unsettled_find(&u, 150), true);
    ck_assert(unsettled_held(unsettled_find(&u, 150)));
    ck_assert_uint_eq(unsettled_tag(unsettled_find(&u, 150)), 150);
    ck_assert_uint_eq(unsettled_tag(unsettled_after(&u, 149)), 150);
    ck_assert_uint_eq(unsettled_tag(unsettled_after(&u, 150)), 151);
    unsettled_hold(unsettled_find(&u, 150), false);
    ck_assert(!unsettled_held(unsettled_find(&u, 150)));
    unsettled_hold(unsettled_find(&u, 299), true);
    settle(299);
    while (u.n != 0)
        unsettled_remove(&u, unsettled_first(&u));
    unsettled_fini(&u);
}
END_TEST

SUITE("unsettled", a_tag_is_found_until_it_is_settled, it_finds_what_an_array_finds,
      one_stuck_tag_pins_one_chunk, one_tag_at_a_time_needs_one_chunk, a_held_entry_keeps_its_tag)
