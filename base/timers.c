// SPDX-License-Identifier: Apache-2.0
#include "base/timers.h"

#include <stdlib.h>

void timers_init(struct timers *ts)
{
    *ts = (struct timers){.heap = NULL};
}

void timers_fini(struct timers *ts)
{
    free(ts->heap);
    timers_init(ts);
}

enum err timers_reserve(struct timers *ts)
{
    if (ts->reserved == ts->capacity) {
        size_t capacity = ts->capacity == 0 ? 16 : ts->capacity * 2;
        struct timer **heap = realloc(ts->heap, capacity * sizeof(struct timer *));
        if (heap == NULL)
            return ERR_NOMEM;
        ts->heap = heap;
        ts->capacity = capacity;
    }
    ts->reserved++;
    return OK;
}

void timers_unreserve(struct timers *ts)
{
    ASSERT(ts->reserved != 0);
    ts->reserved--;
    ASSERT(ts->n <= ts->reserved);
}

static bool timers_before(const struct timer *a, const struct timer *b)
{
    return a->deadline_ns < b->deadline_ns ||
           (a->deadline_ns == b->deadline_ns && a->order < b->order);
}

static void timers_place(struct timers *ts, struct timer *t, size_t i)
{
    ts->heap[i - 1] = t;
    t->index = i;
}

static void timers_sift_up(struct timers *ts, struct timer *t, size_t i)
{
    while (i > 1 && timers_before(t, ts->heap[i / 2 - 1])) {
        timers_place(ts, ts->heap[i / 2 - 1], i);
        i /= 2;
    }
    timers_place(ts, t, i);
}

static void timers_sift_down(struct timers *ts, struct timer *t, size_t i)
{
    for (;;) {
        size_t child = i * 2;
        if (child > ts->n)
            break;
        if (child < ts->n && timers_before(ts->heap[child], ts->heap[child - 1]))
            child++;
        if (!timers_before(ts->heap[child - 1], t))
            break;
        timers_place(ts, ts->heap[child - 1], i);
        i = child;
    }
    timers_place(ts, t, i);
}

void timer_clear(struct timers *ts, struct timer *t)
{
    if (t->index == 0)
        return;
    size_t i = t->index;
    struct timer *last = ts->heap[--ts->n];
    t->index = 0;
    if (last == t)
        return;
    timers_sift_up(ts, last, i);
    timers_sift_down(ts, last, last->index);
}

void timer_set(struct timers *ts, struct timer *t, uint64_t deadline_ns)
{
    timer_clear(ts, t);
    ASSERT(ts->n < ts->reserved);
    t->deadline_ns = deadline_ns;
    t->order = ts->order++;
    timers_sift_up(ts, t, ++ts->n);
}

bool timer_is_set(const struct timer *t)
{
    return t->index != 0;
}

uint64_t timers_deadline_ns(const struct timers *ts)
{
    return ts->n == 0 ? TIMER_NEVER : ts->heap[0]->deadline_ns;
}

bool timers_run(struct timers *ts, uint64_t now_ns, size_t n_max)
{
    while (n_max-- > 0 && timers_deadline_ns(ts) <= now_ns) {
        struct timer *t = ts->heap[0];
        timer_clear(ts, t);
        t->fire(t, now_ns);
    }
    return timers_deadline_ns(ts) <= now_ns;
}
