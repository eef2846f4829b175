// SPDX-License-Identifier: Apache-2.0
/* base/rng.h — a small, fast, seeded generator (SplitMix64). Not for secrets: those come from
 * env_secret.
 *
 * Thread: that of the owner.
 */
#ifndef BASE_RNG_H
#define BASE_RNG_H

#include <stdint.h>

struct rng {
    uint64_t state;
};

uint64_t rng_next(struct rng *r);

/* 0 … n-1; `n` must not be 0. */
uint64_t rng_below(struct rng *r, uint64_t n);

#endif
