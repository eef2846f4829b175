// SPDX-License-Identifier: Apache-2.0
/* The histogram against a sorted array of what was recorded. */
#include "broker/cli/perf_histogram.h"

#include "base/rng.h"
#include "tests/base/suite.h"

enum { VALUES = 20000 };

static uint64_t values[VALUES];
static struct histogram histogram;
static struct histogram other;

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* The least value that `percent` of the sorted array do not exceed. */
static uint64_t naive_percentile(double percent)
{
    for (size_t i = 0; i < VALUES; i++)
        if ((double)(i + 1) >= (double)VALUES * percent / 100.0)
            return values[i];
    return values[VALUES - 1];
}

static void record_random(unsigned bits)
{
    struct rng rng = {bits};
    histogram_init(&histogram);
    for (size_t i = 0; i < VALUES; i++) {
        values[i] = rng_next(&rng) >> (64 - 1 - rng_next(&rng) % bits);
        histogram_record(&histogram, values[i]);
    }
    qsort(values, VALUES, sizeof(values[0]), compare);
}

START_TEST(small_values_are_exact)
{
    for (uint64_t v = 0; v < 256; v++) {
        histogram_init(&histogram);
        histogram_record(&histogram, v);
        histogram_record(&histogram, 100000);
        ck_assert_uint_eq(histogram_percentile(&histogram, 50), v);
        ck_assert_uint_eq(histogram_percentile(&histogram, 100), 100000);
    }
}
END_TEST

START_TEST(percentiles_are_within_one_part_in_128)
{
    static const double PERCENTS[] = {0.1, 1, 25, 50, 75, 99, 99.9, 100};
    for (unsigned bits = 4; bits <= 60; bits += 7) {
        record_random(bits);
        for (size_t i = 0; i < sizeof(PERCENTS) / sizeof(PERCENTS[0]); i++) {
            uint64_t wanted = naive_percentile(PERCENTS[i]);
            uint64_t found = histogram_percentile(&histogram, PERCENTS[i]);
            ck_assert_uint_ge(found, wanted);
            ck_assert_uint_le(found - wanted, wanted / 128);
        }
    }
}
END_TEST

START_TEST(the_largest_value_has_a_bucket)
{
    histogram_init(&histogram);
    histogram_record(&histogram, UINT64_MAX);
    histogram_record(&histogram, 0);
    ck_assert_uint_eq(histogram_percentile(&histogram, 100), UINT64_MAX);
    ck_assert_uint_eq(histogram_percentile(&histogram, 50), 0);
}
END_TEST

START_TEST(adding_equals_recording_into_one)
{
    record_random(40);
    histogram_init(&other);
    struct histogram *halves[] = {&histogram, &other};
    histogram_init(&histogram);
    for (size_t i = 0; i < VALUES; i++)
        histogram_record(halves[i % 2], values[i]);
    histogram_add(&histogram, &other);
    ck_assert_uint_eq(histogram.n, VALUES);
    ck_assert_uint_eq(histogram.least, values[0]);
    ck_assert_uint_eq(histogram.most, values[VALUES - 1]);
    uint64_t found = histogram_percentile(&histogram, 50);
    ck_assert_uint_ge(found, naive_percentile(50));
    ck_assert_uint_le(found - naive_percentile(50), naive_percentile(50) / 128);
}
END_TEST

START_TEST(nothing_recorded_is_zero)
{
    histogram_init(&histogram);
    ck_assert_uint_eq(histogram_percentile(&histogram, 99), 0);
    ck_assert(histogram_mean(&histogram) == 0.0);
}
END_TEST

SUITE("perf_histogram", small_values_are_exact, percentiles_are_within_one_part_in_128,
      the_largest_value_has_a_bucket, adding_equals_recording_into_one, nothing_recorded_is_zero)
