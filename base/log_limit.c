// SPDX-License-Identifier: Apache-2.0
#include "base/log_limit.h"

struct log_verdict log_limit_ask(struct log_limit *l, uint32_t per_second, uint32_t now_s,
                                 uint32_t n)
{
    if (per_second == 0)
        return (struct log_verdict){true, 0};
    /* Nothing else hangs on the state: its own order is enough. */
    uint64_t before = atomic_load_explicit(&l->state, memory_order_relaxed);
    for (;;) {
        uint32_t second = (uint32_t)(before >> 32);
        uint32_t asked = (uint32_t)before;
        uint32_t suppressed = 0;
        if (second < now_s) {
            suppressed = asked > per_second ? asked - per_second : 0;
            second = now_s;
            asked = 0;
        }
        asked = asked > UINT32_MAX - n ? UINT32_MAX : asked + n;
        uint64_t after = (uint64_t)second << 32 | asked;
        /* Only who brings the next second about speaks of the one before. */
        if (after == before ||
            atomic_compare_exchange_weak_explicit(&l->state, &before, after, memory_order_relaxed,
                                                  memory_order_relaxed))
            return (struct log_verdict){asked <= per_second, suppressed};
    }
}
