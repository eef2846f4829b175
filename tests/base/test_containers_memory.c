// SPDX-License-Identifier: Apache-2.0
/* Each allocation of each container fails once: it says so, keeps what it has, and works again. */
#include "base/buf.h"
#include "base/deque.h"
#include "base/fifo.h"
#include "base/map.h"
#include "base/pool.h"
#include "base/ring.h"
#include "base/slots.h"
#include "base/timers.h"
#include "tests/base/memory.h"
#include "tests/base/suite.h"

enum { MANY = 3000 };

START_TEST(a_buffer_without_memory_keeps_its_bytes)
{
    struct buf b;
    buf_init(&b);
    memory_fail_from(0);
    enum err e = buf_append(&b, SPAN_LIT("x"));
    memory_heal();
    ck_assert_int_eq(e, ERR_NOMEM);
    ck_assert_int_eq(buf_append(&b, SPAN_LIT("abc")), OK);
    memory_fail_from(0);
    uint8_t *room = buf_reserve(&b, 100000);
    memory_heal();
    ck_assert_ptr_null(room);
    ck_assert(span_eq(buf_span(&b), SPAN_LIT("abc")));
    buf_fini(&b);
}
END_TEST

START_TEST(a_deque_without_memory_keeps_its_elements)
{
    struct deque d;
    deque_init(&d, sizeof(int));
    unsigned n_failures = 0;
    for (int i = 0; i < MANY;) {
        memory_fail_from(0);
        int *place = deque_push(&d);
        memory_heal();
        n_failures += place == NULL;
        if (place == NULL)
            place = deque_push(&d);
        *place = i++;
        ck_assert_uint_eq(d.n, (size_t)i);
    }
    ck_assert_uint_gt(n_failures, 5);
    /* Shrinking fails in silence: only memory is lost. */
    int n_wrong = 0;
    memory_fail_from(0);
    for (int i = 0; i < MANY; i++) {
        n_wrong += *(int *)deque_at(&d, 0) != i;
        deque_pop(&d);
    }
    memory_heal();
    ck_assert_int_eq(n_wrong, 0);
    deque_fini(&d);
}
END_TEST

START_TEST(a_fifo_without_memory_keeps_its_elements)
{
    struct fifo f;
    fifo_init(&f, sizeof(int));
    unsigned n_failures = 0;
    for (int i = 0; i < MANY; i++) {
        memory_fail_from(0);
        int *place = fifo_push(&f);
        memory_heal();
        n_failures += place == NULL;
        if (place == NULL)
            place = fifo_push(&f);
        *place = i;
    }
    ck_assert_uint_gt(n_failures, 5);
    for (int i = 0; i < MANY; i++, fifo_pop(&f))
        ck_assert_int_eq(*(int *)fifo_front(&f), i);
    fifo_fini(&f);
}
END_TEST

START_TEST(slots_without_memory_name_nothing)
{
    static int things[MANY];
    static struct slot_id ids[MANY];
    struct slots s;
    slots_init(&s);
    unsigned n_failures = 0;
    for (int i = 0; i < MANY; i++) {
        for (unsigned n = 0;; n++) {
            memory_fail_once(n);
            enum err e = slots_add(&s, &things[i], &ids[i]);
            memory_heal();
            if (e == OK)
                break;
            n_failures++;
            ck_assert_int_eq(e, ERR_NOMEM);
            ck_assert_uint_eq(s.n, (size_t)i);
        }
    }
    ck_assert_uint_gt(n_failures, 10);
    for (int i = 0; i < MANY; i++)
        ck_assert_ptr_eq(slots_at(&s, ids[i]), &things[i]);
    slots_fini(&s);
}
END_TEST

/* A table that cannot grow gets slower, that is all. */
START_TEST(a_map_without_memory_still_takes_everything)
{
    static struct map_node nodes[MANY];
    struct map m;
    map_init(&m);
    memory_fail_from(0);
    for (size_t i = 0; i < MANY; i++)
        map_insert(&m, &nodes[i], map_hash(1, span_of(&i, sizeof(i))));
    memory_heal();
    ck_assert(memory_failed);
    for (size_t i = 0; i < MANY; i++)
        ck_assert_ptr_eq(map_find(&m, nodes[i].hash), &nodes[i]);
    for (size_t i = 0; i < MANY; i++)
        map_remove(&m, &nodes[i]);
    ck_assert_uint_eq(m.n, 0);
    map_fini(&m);
}
END_TEST

START_TEST(timers_reserve_ahead_or_not_at_all)
{
    struct timers ts;
    timers_init(&ts);
    memory_fail_from(0);
    enum err e = timers_reserve(&ts);
    memory_heal();
    ck_assert_int_eq(e, ERR_NOMEM);
    ck_assert_uint_eq(ts.reserved, 0);
    ck_assert_int_eq(timers_reserve(&ts), OK);
    timers_fini(&ts);
}
END_TEST

START_TEST(what_cannot_be_copied_is_null)
{
    struct pool p;
    pool_init(&p);
    memory_fail_from(0);
    struct span copy = span_dup(SPAN_LIT("abc"));
    void *block = pool_take(&p, 10);
    void *large = pool_take(&p, 10000);
    memory_heal();
    ck_assert_ptr_null(copy.at);
    ck_assert_ptr_null(block);
    ck_assert_ptr_null(large);
    pool_fini(&p);
}
END_TEST

SUITE("containers_memory", a_buffer_without_memory_keeps_its_bytes,
      a_deque_without_memory_keeps_its_elements, a_fifo_without_memory_keeps_its_elements,
      slots_without_memory_name_nothing, a_map_without_memory_still_takes_everything,
      timers_reserve_ahead_or_not_at_all, what_cannot_be_copied_is_null)
