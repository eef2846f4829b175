// SPDX-License-Identifier: Apache-2.0
/* base/timers.h — deadlines through their members, in a binary heap.
 *
 * Setting, moving and clearing cost O(log n). Equal deadlines run in the order in which they were
 * set. One owner drives the heap with timers_run.
 *
 * Thread: that of the owner.   Allocates: timer_set (the heap's array); it reserves ahead with
 * timers_reserve so that setting never fails.
 */
#ifndef BASE_TIMERS_H
#define BASE_TIMERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"
#include "base/err.h"

#define TIMER_NEVER UINT64_MAX

struct timer {
    uint64_t deadline_ns;
    uint64_t order;
    size_t index; /* in the heap, counted from 1; 0 = not set */
    void (*fire)(struct timer *t, uint64_t now_ns);
};

struct timers {
    struct timer **heap;
    size_t n;
    size_t capacity;
    size_t reserved;
    uint64_t order;
};

void timers_init(struct timers *ts);

/* Forgets all timers without running them. */
void timers_fini(struct timers *ts);

/* Makes room for one more timer that will ever be set at the same time; ERR_NOMEM. Undone by
 * timers_unreserve. Owners of a timer call it once when they are made. */
MUST_USE enum err timers_reserve(struct timers *ts);
void timers_unreserve(struct timers *ts);

/* `t` must be zeroed before its first use and have `fire` set. Sets or moves. */
void timer_set(struct timers *ts, struct timer *t, uint64_t deadline_ns);
void timer_clear(struct timers *ts, struct timer *t);
bool timer_is_set(const struct timer *t);

/* TIMER_NEVER when none is set. */
uint64_t timers_deadline_ns(const struct timers *ts);

/* Clears, then fires those due, at most `n_max`; true when more are due. */
bool timers_run(struct timers *ts, uint64_t now_ns, size_t n_max);

#endif
