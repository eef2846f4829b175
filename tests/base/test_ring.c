// SPDX-License-Identifier: Apache-2.0
#include "base/ring.h"

#include <pthread.h>
#include <sched.h>
#include <string.h>

#include "base/rng.h"
#include "tests/base/suite.h"

enum { SIZE = 4096, RECORD_MAX = SIZE / 4 - 8 };

/* Record number n: its size and its bytes follow from n alone. */
static size_t record_size(uint64_t n)
{
    struct rng rng = {n};
    return sizeof(n) + rng_below(&rng, RECORD_MAX - sizeof(n) + 1);
}

static bool write_record(struct ring *r, uint64_t n)
{
    size_t size = record_size(n);
    uint8_t *at = ring_reserve(r, size);
    if (at == NULL)
        return false;
    if ((uintptr_t)at % 8 != 0)
        ck_abort_msg("record %llu is not aligned", (unsigned long long)n);
    memset(at, (int)(n & 0xff), size);
    memcpy(at, &n, sizeof(n));
    ring_commit(r, size);
    return true;
}

static bool read_record(struct ring *r, uint64_t n)
{
    size_t size;
    const uint8_t *at = ring_peek(r, &size);
    if (at == NULL)
        return false;
    uint8_t wanted[RECORD_MAX];
    memset(wanted, (int)(n & 0xff), sizeof(wanted));
    memcpy(wanted, &n, sizeof(n));
    /* One assertion per record: each of them is a message to check's own process. */
    if (size != record_size(n) || memcmp(at, wanted, size) != 0)
        ck_abort_msg("record %llu is not what was written", (unsigned long long)n);
    ring_skip(r);
    return true;
}

START_TEST(records_come_out_whole_and_in_order)
{
    struct ring r;
    struct rng rng = {1};
    uint64_t in = 0;
    uint64_t out = 0;
    ck_assert_int_eq(ring_init(&r, SIZE), OK);
    for (int step = 0; step < 20000; step++) {
        switch (rng_below(&rng, 6)) {
        case 0:
        case 1: in += write_record(&r, in); break;
        case 2: ring_publish(&r); break;
        case 3: ring_see_published(&r); break;
        case 4: ring_see_released(&r); break;
        default:
            out += read_record(&r, out);
            if (rng_below(&rng, 2) == 0)
                ring_release(&r);
        }
    }
    ring_publish(&r);
    ring_see_published(&r);
    while (read_record(&r, out))
        out++;
    ck_assert_uint_eq(in, out);
    ck_assert_uint_gt(in, 1000);
    ring_fini(&r);
}
END_TEST

START_TEST(nothing_is_seen_before_it_is_published)
{
    struct ring r;
    size_t size;
    ck_assert_int_eq(ring_init(&r, SIZE), OK);
    ck_assert(!ring_publish(&r));
    ck_assert(write_record(&r, 0));
    ck_assert(!ring_see_published(&r));
    ck_assert_ptr_null(ring_peek(&r, &size));
    ck_assert(ring_publish(&r));
    ck_assert(!ring_publish(&r));
    ck_assert(ring_see_published(&r));
    ck_assert_ptr_nonnull(ring_peek(&r, &size));
    ring_fini(&r);
}
END_TEST

/* What the other side does after the look changes nothing until the next one. */
START_TEST(each_side_sees_what_there_was_when_it_looked)
{
    struct ring r;
    size_t size;
    ck_assert_int_eq(ring_init(&r, SIZE), OK);
    ck_assert(write_record(&r, 0));
    ring_publish(&r);
    ck_assert(ring_see_published(&r));
    ck_assert(write_record(&r, 1));
    ring_publish(&r);
    ck_assert(read_record(&r, 0));
    ck_assert_ptr_null(ring_peek(&r, &size));
    ring_release(&r);
    ck_assert(!ring_has_room(&r, SIZE - record_size(1) - 16));
    ring_see_released(&r);
    ck_assert(ring_has_room(&r, SIZE - record_size(1) - 16));
    ck_assert(ring_see_published(&r));
    ck_assert(read_record(&r, 1));
    ck_assert(!ring_see_published(&r));
    ring_fini(&r);
}
END_TEST

/* A walk sees the same records as the reader, over the end of the buffer too, and takes none. */
START_TEST(a_walk_takes_nothing)
{
    struct ring r;
    uint64_t walked = 0;
    uint64_t at = 0;
    ck_assert_int_eq(ring_init(&r, SIZE), OK);
    for (uint64_t n = 0; n < 100; n++) {
        size_t size;
        if (!write_record(&r, n))
            ck_abort_msg("no room for record %llu", (unsigned long long)n);
        for (const uint8_t *p; (p = ring_walk(&r, &at, r.w_at, &size)) != NULL; walked++)
            if (size != record_size(walked) || memcmp(p, &walked, sizeof(walked)) != 0)
                ck_abort_msg("record %llu is not what was written", (unsigned long long)walked);
        ring_publish(&r);
        ck_assert(ring_see_published(&r));
        ck_assert(read_record(&r, n));
        ring_release(&r);
        ring_see_released(&r);
    }
    ck_assert_uint_eq(walked, 100);
    ring_fini(&r);
}
END_TEST

START_TEST(a_full_ring_takes_nothing_until_it_is_released)
{
    struct ring r;
    uint64_t in = 0;
    ck_assert_int_eq(ring_init(&r, SIZE), OK);
    while (write_record(&r, in))
        in++;
    ck_assert_uint_gt(in, 2);
    ring_publish(&r);
    ring_see_published(&r);
    for (uint64_t out = 0; out < in; out++)
        ck_assert(read_record(&r, out));
    ck_assert_ptr_null(ring_reserve(&r, RECORD_MAX));
    ck_assert(!ring_has_room(&r, SIZE));
    ring_release(&r);
    ring_see_released(&r);
    ck_assert(ring_has_room(&r, SIZE));
    ck_assert_ptr_nonnull(ring_reserve(&r, RECORD_MAX));
    ring_fini(&r);
}
END_TEST

/* The rest of the buffer may be too short for a record: room for one means twice its size. */
START_TEST(twice_its_size_is_room_for_a_record_wherever_the_ring_stands)
{
    enum { RECORD = 1000, NEED = 2 * (RECORD + 8) };
    for (size_t at = 0; at < SIZE; at += 8) {
        struct ring r;
        if (ring_init(&r, SIZE) != OK)
            ck_abort_msg("out of memory");
        r.w_at = r.w_tail = r.r_at = r.r_head = at;
        atomic_store(&r.head, at);
        atomic_store(&r.tail, at);
        while (ring_has_room(&r, NEED)) {
            if (ring_reserve(&r, RECORD) == NULL)
                ck_abort_msg("no room at %zu", at);
            ring_commit(&r, 16);
        }
        ring_fini(&r);
    }
}
END_TEST

START_TEST(a_record_may_shrink_when_it_is_committed)
{
    struct ring r;
    size_t size;
    ck_assert_int_eq(ring_init(&r, SIZE), OK);
    memcpy(ring_reserve(&r, 900), "abc", 3);
    ring_commit(&r, 3);
    memcpy(ring_reserve(&r, 900), "defg", 4);
    ring_commit(&r, 4);
    ring_publish(&r);
    ring_see_published(&r);
    ck_assert_mem_eq(ring_peek(&r, &size), "abc", 3);
    ck_assert_uint_eq(size, 3);
    ring_skip(&r);
    ck_assert_mem_eq(ring_peek(&r, &size), "defg", 4);
    ck_assert_uint_eq(size, 4);
    ring_fini(&r);
}
END_TEST

enum { THREAD_RECORDS = 100000 };

static void *writer(void *arg)
{
    struct ring *r = arg;
    struct rng rng = {9};
    for (uint64_t n = 0; n < THREAD_RECORDS;) {
        if (write_record(r, n)) {
            n++;
            if (rng_below(&rng, 4) == 0)
                ring_publish(r);
        } else {
            ring_publish(r);
            sched_yield();
            ring_see_released(r);
        }
    }
    ring_publish(r);
    return NULL;
}

/* Meant for the thread sanitizer above all. */
START_TEST(two_threads_see_the_same_records)
{
    struct ring r;
    pthread_t thread;
    struct rng rng = {10};
    ck_assert_int_eq(ring_init(&r, SIZE), OK);
    ck_assert_int_eq(pthread_create(&thread, NULL, writer, &r), 0);
    for (uint64_t n = 0; n < THREAD_RECORDS;) {
        if (read_record(&r, n)) {
            n++;
            if (rng_below(&rng, 4) == 0)
                ring_release(&r);
        } else {
            ring_release(&r);
            sched_yield();
            ring_see_published(&r);
        }
    }
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ring_fini(&r);
}
END_TEST

SUITE("ring", records_come_out_whole_and_in_order, nothing_is_seen_before_it_is_published,
      each_side_sees_what_there_was_when_it_looked, a_walk_takes_nothing,
      a_full_ring_takes_nothing_until_it_is_released,
      twice_its_size_is_room_for_a_record_wherever_the_ring_stands,
      a_record_may_shrink_when_it_is_committed, two_threads_see_the_same_records)
