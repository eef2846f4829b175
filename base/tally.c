// SPDX-License-Identifier: Apache-2.0
#include "base/tally.h"

#include <stdio.h>

static uint64_t tally_get(const _Atomic(uint64_t) *at)
{
    return atomic_load_explicit(at, memory_order_relaxed);
}

/* There is one who adds: no exchange is needed. */
static void tally_put(_Atomic(uint64_t) *at, uint64_t value)
{
    atomic_store_explicit(at, value, memory_order_relaxed);
}

void tally_add(struct tally *t, uint64_t value)
{
    size_t bits = value == 0 ? 0 : 64 - (size_t)__builtin_clzll(value);
    tally_put(&t->n, tally_get(&t->n) + 1);
    tally_put(&t->sum, tally_get(&t->sum) + value);
    tally_put(&t->counts[bits], tally_get(&t->counts[bits]) + 1);
    if (value > tally_get(&t->most))
        tally_put(&t->most, value);
}

uint64_t tally_bound(const struct tally *t, unsigned per_mille)
{
    uint64_t most = tally_get(&t->most);
    uint64_t left = 0;
    for (size_t i = 0; i < TALLY_BUCKETS; i++)
        left += tally_get(&t->counts[i]);
    uint64_t wanted = left / 1000 * per_mille + left % 1000 * per_mille / 1000;
    uint64_t seen = 0;
    for (size_t i = 0; i < TALLY_BUCKETS; i++) {
        seen += tally_get(&t->counts[i]);
        uint64_t bound = i == 0 ? 0 : i == 64 ? UINT64_MAX : (UINT64_C(1) << i) - 1;
        if (seen != 0 && seen >= wanted)
            return bound < most ? bound : most;
    }
    return most;
}

const char *tally_print(const struct tally *t, char *text)
{
    uint64_t n = tally_get(&t->n);
    snprintf(text, TALLY_TEXT_MAX, "n=%llu mean=%llu p50<=%llu p99<=%llu p999<=%llu max=%llu",
             (unsigned long long)n, (unsigned long long)(n == 0 ? 0 : tally_get(&t->sum) / n),
             (unsigned long long)tally_bound(t, 500), (unsigned long long)tally_bound(t, 990),
             (unsigned long long)tally_bound(t, 999), (unsigned long long)tally_get(&t->most));
    return text;
}
