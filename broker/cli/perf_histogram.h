// SPDX-License-Identifier: Apache-2.0
/* broker/cli/perf_histogram.h — how often each duration occurred, to one part in 128.
 *
 * Values up to 255 have a bucket each; above that every power of two is cut into 128 buckets, so
 * that any value is known to within 0.8 % whatever its size. Recording is a few instructions.
 *
 * Invariant: n is the sum of all counts.
 *
 * Thread: that of the owner.   Allocates: never.
 */
#ifndef BROKER_CLI_PERF_HISTOGRAM_H
#define BROKER_CLI_PERF_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

enum {
    HISTOGRAM_SUB_BITS = 7,
    HISTOGRAM_SUBS = 1 << HISTOGRAM_SUB_BITS,
    HISTOGRAM_EXACT = 2 * HISTOGRAM_SUBS, /* below it every value has its own bucket */
    HISTOGRAM_BUCKETS = (64 - HISTOGRAM_SUB_BITS + 1) * HISTOGRAM_SUBS
};

struct histogram {
    uint64_t n;
    uint64_t sum;
    uint64_t least;
    uint64_t most;
    uint64_t counts[HISTOGRAM_BUCKETS];
};

void histogram_init(struct histogram *h);
void histogram_record(struct histogram *h, uint64_t value);

/* Adds all of `from`. */
void histogram_add(struct histogram *h, const struct histogram *from);

/* The value that `percent` of the records do not exceed; 0 when there are none. */
uint64_t histogram_percentile(const struct histogram *h, double percent);

double histogram_mean(const struct histogram *h);

#endif
