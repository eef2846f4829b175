// SPDX-License-Identifier: Apache-2.0
/* base/tally.h — how often values of each order of magnitude occurred: 0, 1, 2-3, 4-7, 8-15 …
 *
 * Thread: one adds, any looks; what is seen may be a moment old, and its parts of different
 * moments. Allocates: never.
 */
#ifndef BASE_TALLY_H
#define BASE_TALLY_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

enum { TALLY_BUCKETS = 65, TALLY_TEXT_MAX = 160 };

struct tally {
    _Atomic(uint64_t) n;
    _Atomic(uint64_t) sum;
    _Atomic(uint64_t) most;
    _Atomic(uint64_t) counts[TALLY_BUCKETS]; /* by the number of bits */
};

void tally_add(struct tally *t, uint64_t value);

/* The least upper bound known of the smallest `per_mille` thousandths of all values. */
uint64_t tally_bound(const struct tally *t, unsigned per_mille);

/* "n=… mean=… p50<=… p99<=… p999<=… max=…" into `text` (TALLY_TEXT_MAX). */
const char *tally_print(const struct tally *t, char *text);

#endif
