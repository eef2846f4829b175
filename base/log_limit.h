// SPDX-License-Identifier: Apache-2.0
/* base/log_limit.h — at most so many lines a second, and how many there were beyond them.
 *
 * The clock is the caller's, in seconds from anywhere. One that is behind counts into the second
 * that another thread has begun: none is counted twice or forgotten.
 *
 * Thread: any.   Blocks: never.
 */
#ifndef BASE_LOG_LIMIT_H
#define BASE_LOG_LIMIT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct log_limit {
    _Atomic uint64_t state; /* the second, and in its lower half the lines asked for */
};

struct log_verdict {
    bool written;        /* the lines asked for are within the limit */
    uint32_t suppressed; /* lines beyond it in the second that has just ended: say so, once */
};

/* Asks for `n` lines; 0 only looks whether a second has ended. `per_second` 0 = no limit. */
struct log_verdict log_limit_ask(struct log_limit *l, uint32_t per_second, uint32_t now_s,
                                 uint32_t n);

#endif
