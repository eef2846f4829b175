// SPDX-License-Identifier: Apache-2.0
/* Durations by logarithmic buckets with linear ones inside: see perf_histogram.h. */
#include "broker/cli/perf_histogram.h"

#include <string.h>

void histogram_init(struct histogram *h)
{
    memset(h, 0, sizeof(*h));
    h->least = UINT64_MAX;
}

/* Values below HISTOGRAM_EXACT stand for themselves; from there on the leading 1 and the
 * HISTOGRAM_SUB_BITS bits behind it choose the bucket. */
static size_t histogram_bucket(uint64_t value)
{
    if (value < HISTOGRAM_EXACT)
        return (size_t)value;
    unsigned shift = 63u - (unsigned)__builtin_clzll(value) - HISTOGRAM_SUB_BITS;
    return (size_t)shift * HISTOGRAM_SUBS + (size_t)(value >> shift);
}

/* The largest value that falls into the bucket. */
static uint64_t histogram_bucket_top(size_t bucket)
{
    if (bucket < HISTOGRAM_EXACT)
        return bucket;
    size_t shift = bucket / HISTOGRAM_SUBS - 1;
    uint64_t first = (uint64_t)(bucket % HISTOGRAM_SUBS + HISTOGRAM_SUBS) << shift;
    return first + (((uint64_t)1 << shift) - 1);
}

void histogram_record(struct histogram *h, uint64_t value)
{
    h->n++;
    h->sum += value;
    if (value < h->least)
        h->least = value;
    if (value > h->most)
        h->most = value;
    h->counts[histogram_bucket(value)]++;
}

void histogram_add(struct histogram *h, const struct histogram *from)
{
    h->n += from->n;
    h->sum += from->sum;
    if (from->least < h->least)
        h->least = from->least;
    if (from->most > h->most)
        h->most = from->most;
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++)
        h->counts[i] += from->counts[i];
}

uint64_t histogram_percentile(const struct histogram *h, double percent)
{
    double rank = (double)h->n * percent / 100.0;
    uint64_t seen = 0;
    for (size_t i = 0; i < HISTOGRAM_BUCKETS && h->n != 0; i++) {
        seen += h->counts[i];
        if (h->counts[i] != 0 && (double)seen >= rank) {
            uint64_t top = histogram_bucket_top(i);
            return top < h->most ? top : h->most;
        }
    }
    return 0;
}

double histogram_mean(const struct histogram *h)
{
    return h->n == 0 ? 0.0 : (double)h->sum / (double)h->n;
}
