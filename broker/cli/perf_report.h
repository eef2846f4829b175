// SPDX-License-Identifier: Apache-2.0
/* broker/cli/perf_report.h — what a run has measured, as lines for people and as JSON.
 *
 * Thread: one.
 */
#ifndef BROKER_CLI_PERF_REPORT_H
#define BROKER_CLI_PERF_REPORT_H

#include "broker/cli/perf_histogram.h"
#include "broker/cli/perf_options.h"
#include "broker/cli/perf_process.h"

/* Where the counters stood at a moment. */
struct perf_sample {
    uint64_t at_ns;
    uint64_t own_cpu_ns;
    uint64_t all_cpu_ns;       /* of the whole machine */
    struct process_cpu broker; /* zero without a pid */
    struct process_memory memory;
    uint64_t n_sent;
    uint64_t n_confirmed;
    uint64_t n_nacked;
    uint64_t n_returned;
    uint64_t n_delivered;
    uint64_t n_steps; /* connections or declares of the modes that send no messages */
};

struct perf_result {
    struct perf_sample begin;
    struct perf_sample end;
    bool complete;    /* the counts that were asked for were reached */
    const char *step; /* what n_steps counts, or NULL */
    struct histogram latency;
    struct histogram to_confirm;
    struct histogram step_ns;
};

void perf_result_init(struct perf_result *r);

/* Fills in time, CPU and memory. */
void perf_sample_take(struct perf_sample *s, const struct perf_options *o);

/* The line of one interval; `latency` may be empty. */
void perf_report_line(FILE *to, const struct perf_sample *start, const struct perf_sample *from,
                      const struct perf_sample *until, const struct histogram *latency);

void perf_report_summary(FILE *to, const struct perf_options *o, const struct perf_result *r);
void perf_report_json(FILE *to, const struct perf_options *o, const struct perf_result *r);

#endif
