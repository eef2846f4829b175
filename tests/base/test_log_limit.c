// SPDX-License-Identifier: Apache-2.0
#include "base/log_limit.h"

#include <pthread.h>

#include "tests/base/suite.h"

enum { PER_SECOND = 3, THREADS = 4, ASKED = 20000, PER_TICK = 100 };

static struct log_limit limit;

START_TEST(so_many_lines_a_second_are_written)
{
    for (uint32_t second = 7; second < 10; second++)
        for (unsigned i = 0; i < 5; i++) {
            struct log_verdict v = log_limit_ask(&limit, PER_SECOND, second, 1);
            ck_assert(v.written == (i < PER_SECOND));
            ck_assert_uint_eq(v.suppressed, second > 7 && i == 0 ? 2 : 0);
        }
}
END_TEST

START_TEST(what_was_suppressed_is_said_once_and_only_when_the_second_is_over)
{
    for (unsigned i = 0; i < 10; i++)
        ck_assert_uint_eq(log_limit_ask(&limit, PER_SECOND, 1, 1).suppressed, 0);
    ck_assert_uint_eq(log_limit_ask(&limit, PER_SECOND, 1, 0).suppressed, 0);
    ck_assert_uint_eq(log_limit_ask(&limit, PER_SECOND, 5, 0).suppressed, 7);
    ck_assert_uint_eq(log_limit_ask(&limit, PER_SECOND, 5, 0).suppressed, 0);
    ck_assert_uint_eq(log_limit_ask(&limit, PER_SECOND, 6, 0).suppressed, 0);
    ck_assert(log_limit_ask(&limit, PER_SECOND, 6, 1).written);
}
END_TEST

START_TEST(a_clock_that_is_behind_counts_into_the_second_begun)
{
    for (unsigned i = 0; i < PER_SECOND; i++)
        ck_assert(log_limit_ask(&limit, PER_SECOND, 9, 1).written);
    ck_assert(!log_limit_ask(&limit, PER_SECOND, 8, 1).written);
    ck_assert_uint_eq(log_limit_ask(&limit, PER_SECOND, 10, 0).suppressed, 1);
}
END_TEST

START_TEST(without_a_limit_all_are_written)
{
    for (unsigned i = 0; i < 1000; i++)
        ck_assert(log_limit_ask(&limit, 0, 1, 1).written);
    ck_assert_uint_eq(log_limit_ask(&limit, 0, 2, 0).suppressed, 0);
}
END_TEST

struct asker {
    pthread_t thread;
    uint64_t n;
};

static void *ask(void *arg)
{
    struct asker *a = arg;
    for (uint32_t i = 0; i < ASKED; i++) {
        struct log_verdict v = log_limit_ask(&limit, PER_SECOND, 1 + i / PER_TICK, 1);
        a->n += v.suppressed + v.written;
    }
    return NULL;
}

/* Each line was either written or counted by exactly one of the threads. */
START_TEST(threads_lose_no_line)
{
    struct asker askers[THREADS] = {{.n = 0}};
    uint64_t n = 0;
    for (unsigned i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&askers[i].thread, NULL, ask, &askers[i]), 0);
    for (unsigned i = 0; i < THREADS; i++) {
        ck_assert_int_eq(pthread_join(askers[i].thread, NULL), 0);
        n += askers[i].n;
    }
    n += log_limit_ask(&limit, PER_SECOND, UINT32_MAX, 0).suppressed;
    ck_assert_uint_eq(n, (uint64_t)THREADS * ASKED);
}
END_TEST

SUITE("log_limit", so_many_lines_a_second_are_written,
      what_was_suppressed_is_said_once_and_only_when_the_second_is_over,
      a_clock_that_is_behind_counts_into_the_second_begun, without_a_limit_all_are_written,
      threads_lose_no_line)
