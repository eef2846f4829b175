// SPDX-License-Identifier: Apache-2.0
#include "base/fifo.h"

#include "base/rng.h"
#include "tests/base/suite.h"

static void push(struct fifo *f, uint64_t v)
{
    uint64_t *place = fifo_push(f);
    ck_assert_ptr_nonnull(place);
    *place = v;
}

static size_t n_chunks(const struct fifo *f)
{
    size_t n = 0;
    for (const struct fifo_chunk *c = f->front; c != NULL; c = c->next)
        n++;
    return n;
}

START_TEST(first_in_is_first_out)
{
    struct rng rng = {3};
    struct fifo f;
    fifo_init(&f, sizeof(uint64_t));
    uint64_t in = 0;
    uint64_t out = 0;
    for (int round = 0; round < 4000; round++) {
        for (uint64_t n = rng_below(&rng, round < 2000 ? 20 : 9); n != 0; n--)
            push(&f, in++);
        for (uint64_t n = rng_below(&rng, round < 2000 ? 9 : 20); n != 0 && f.n != 0; n--) {
            ck_assert_uint_eq(*(uint64_t *)fifo_front(&f), out++);
            fifo_pop(&f);
        }
        ck_assert_uint_eq(f.n, in - out);
        ck_assert_int_eq(fifo_front(&f) == NULL, in == out);
    }
    fifo_fini(&f);
}
END_TEST

START_TEST(an_empty_one_has_no_front_and_little_memory)
{
    struct fifo f;
    fifo_init(&f, sizeof(uint64_t));
    ck_assert_ptr_null(fifo_front(&f));
    for (uint64_t i = 0; i < 10000; i++)
        push(&f, i);
    ck_assert_uint_ge(n_chunks(&f), 10000 / FIFO_CHUNK_MAX);
    while (f.n != 0)
        fifo_pop(&f);
    ck_assert_ptr_null(fifo_front(&f));
    ck_assert(f.front == NULL || f.front->capacity == 8);
    for (int i = 0; i < 1000; i++) {
        push(&f, 1);
        fifo_pop(&f);
        ck_assert_uint_le(n_chunks(&f), 1);
    }
    fifo_fini(&f);
}
END_TEST

START_TEST(a_moved_one_is_whole_and_leaves_nothing)
{
    struct fifo from;
    struct fifo to;
    fifo_init(&from, sizeof(uint64_t));
    fifo_init(&to, sizeof(uint64_t));
    push(&to, 99);
    fifo_pop(&to);
    for (uint64_t i = 0; i < 1000; i++)
        push(&from, i);
    fifo_move(&to, &from);
    ck_assert_uint_eq(from.n, 0);
    ck_assert_ptr_null(fifo_front(&from));
    for (uint64_t i = 0; i < 1000; i++, fifo_pop(&to))
        ck_assert_uint_eq(*(uint64_t *)fifo_front(&to), i);
    push(&from, 5);
    ck_assert_uint_eq(*(uint64_t *)fifo_front(&from), 5);
    fifo_fini(&from);
    fifo_fini(&to);
}
END_TEST

SUITE("fifo", first_in_is_first_out, an_empty_one_has_no_front_and_little_memory,
      a_moved_one_is_whole_and_leaves_nothing)
