// SPDX-License-Identifier: Apache-2.0
#include "base/deque.h"

#include "base/rng.h"
#include "tests/base/suite.h"

static void push(struct deque *d, uint32_t v)
{
    uint32_t *place = deque_push(d);
    ck_assert_ptr_nonnull(place);
    *place = v;
}

static uint32_t at(const struct deque *d, size_t i)
{
    return *(uint32_t *)deque_at(d, i);
}

START_TEST(elements_keep_their_order_however_it_grows_and_shrinks)
{
    struct rng rng = {7};
    struct deque d;
    deque_init(&d, sizeof(uint32_t));
    uint32_t first = 0;
    uint32_t end = 0;
    for (int round = 0; round < 3000; round++) {
        bool growing = round / 500 % 2 == 0;
        for (uint64_t n = rng_below(&rng, growing ? 12 : 5); n != 0; n--)
            push(&d, end++);
        for (uint64_t n = rng_below(&rng, growing ? 5 : 12); n != 0 && d.n != 0; n--, first++)
            deque_pop(&d);
        if (round % 97 == 0 && d.n != 0) {
            size_t keep = rng_below(&rng, d.n + 1);
            deque_cut(&d, keep);
            end = first + (uint32_t)keep;
        }
        ck_assert_uint_eq(d.n, end - first);
        for (size_t i = 0; i < d.n; i++)
            ck_assert_uint_eq(at(&d, i), first + i);
    }
    deque_fini(&d);
}
END_TEST

START_TEST(an_emptied_one_gives_its_memory_back)
{
    struct deque d;
    deque_init(&d, sizeof(uint32_t));
    for (uint32_t i = 0; i < 100000; i++)
        push(&d, i);
    ck_assert_uint_ge(d.capacity, 100000);
    while (d.n != 0)
        deque_pop(&d);
    ck_assert_uint_le(d.capacity, 64);
    deque_trim(&d);
    ck_assert_uint_eq(d.capacity, 0);
    push(&d, 1);
    deque_trim(&d);
    ck_assert_uint_eq(d.n, 1);
    deque_fini(&d);
}
END_TEST

SUITE("deque", elements_keep_their_order_however_it_grows_and_shrinks,
      an_emptied_one_gives_its_memory_back)
