// SPDX-License-Identifier: Apache-2.0
#include "broker/cli/perf_report.h"

#include <string.h>

void perf_result_init(struct perf_result *r)
{
    memset(r, 0, sizeof(*r));
    histogram_init(&r->latency);
    histogram_init(&r->to_confirm);
    histogram_init(&r->step_ns);
}

void perf_sample_take(struct perf_sample *s, const struct perf_options *o)
{
    s->at_ns = process_now_ns();
    s->own_cpu_ns = process_own_cpu_ns();
    s->all_cpu_ns = process_all_cpu_ns();
    if (o->broker_pid != 0 && !process_cpu_get((pid_t)o->broker_pid, &s->broker))
        s->broker = (struct process_cpu){0, 0, 0};
    if (o->broker_pid != 0 && !process_memory_get((pid_t)o->broker_pid, &s->memory))
        s->memory = (struct process_memory){0, 0};
}

static double perf_per(uint64_t part, uint64_t whole)
{
    return whole == 0 ? 0.0 : (double)part / (double)whole;
}

static double perf_seconds(const struct perf_sample *from, const struct perf_sample *until)
{
    return (double)(until->at_ns - from->at_ns) / 1e9;
}

static double perf_rate(uint64_t n, double seconds)
{
    return seconds <= 0 ? 0.0 : (double)n / seconds;
}

/* What CPU is divided by: deliveries when there are any, else publishes, else steps. */
static uint64_t perf_work(const struct perf_sample *from, const struct perf_sample *until)
{
    if (until->n_delivered != from->n_delivered)
        return until->n_delivered - from->n_delivered;
    if (until->n_sent != from->n_sent)
        return until->n_sent - from->n_sent;
    return until->n_steps - from->n_steps;
}

static const char *perf_work_name(const struct perf_result *r)
{
    if (r->end.n_delivered != r->begin.n_delivered)
        return "delivery";
    return r->end.n_sent != r->begin.n_sent || r->step == NULL ? "publish" : r->step;
}

static double perf_broker_us(const struct perf_sample *from, const struct perf_sample *until)
{
    return perf_per(until->broker.all_ns - from->broker.all_ns, perf_work(from, until)) / 1e3;
}

static double perf_own_us(const struct perf_sample *from, const struct perf_sample *until)
{
    return perf_per(until->own_cpu_ns - from->own_cpu_ns, perf_work(from, until)) / 1e3;
}

/* CPUs that were busy with neither the broker nor us: what else spoils the figures. */
static double perf_others(const struct perf_sample *from, const struct perf_sample *until)
{
    double others_ns = (double)(until->all_cpu_ns - from->all_cpu_ns) -
                       (double)(until->broker.all_ns - from->broker.all_ns) -
                       (double)(until->own_cpu_ns - from->own_cpu_ns);
    double span_ns = (double)(until->at_ns - from->at_ns);
    return others_ns <= 0 || span_ns <= 0 ? 0.0 : others_ns / span_ns;
}

void perf_report_line(FILE *to, const struct perf_sample *start, const struct perf_sample *from,
                      const struct perf_sample *until, const struct histogram *latency)
{
    double seconds = perf_seconds(from, until);
    fprintf(to, "%7.1f s  sent %9.0f/s  received %9.0f/s", perf_seconds(start, until),
            perf_rate(until->n_sent - from->n_sent, seconds),
            perf_rate(until->n_delivered - from->n_delivered, seconds));
    if (until->n_confirmed != 0)
        fprintf(to, "  confirmed %9.0f/s",
                perf_rate(until->n_confirmed - from->n_confirmed, seconds));
    if (until->broker.all_ns != 0)
        fprintf(to, "  broker %.3f us", perf_broker_us(from, until));
    if (latency->n != 0)
        fprintf(to, "  p50 %.1f  p99 %.1f us", (double)histogram_percentile(latency, 50) / 1e3,
                (double)histogram_percentile(latency, 99) / 1e3);
    fputc('\n', to);
    fflush(to);
}

static const double PERF_PERCENTS[] = {50, 75, 95, 99, 99.9, 99.99};
enum { PERF_N_PERCENTS = sizeof(PERF_PERCENTS) / sizeof(PERF_PERCENTS[0]) };

static void perf_print_histogram(FILE *to, const char *name, const struct histogram *h)
{
    if (h->n == 0)
        return;
    fprintf(to, "%s, us: mean %.1f  min %.1f", name, histogram_mean(h) / 1e3,
            (double)h->least / 1e3);
    for (size_t i = 0; i < PERF_N_PERCENTS; i++)
        fprintf(to, "  p%g %.1f", PERF_PERCENTS[i],
                (double)histogram_percentile(h, PERF_PERCENTS[i]) / 1e3);
    fprintf(to, "  max %.1f\n", (double)h->most / 1e3);
}

static void perf_print_memory(FILE *to, const struct perf_result *r)
{
    uint64_t n = r->end.n_steps - r->begin.n_steps;
    fprintf(to, "broker memory: resident %.1f -> %.1f MB, anonymous %.1f -> %.1f MB",
            (double)r->begin.memory.rss_bytes / 1e6, (double)r->end.memory.rss_bytes / 1e6,
            (double)r->begin.memory.anonymous_bytes / 1e6,
            (double)r->end.memory.anonymous_bytes / 1e6);
    if (n != 0)
        fprintf(to, "; per %s: resident %.0f, anonymous %.0f bytes", r->step,
                ((double)r->end.memory.rss_bytes - (double)r->begin.memory.rss_bytes) / (double)n,
                ((double)r->end.memory.anonymous_bytes - (double)r->begin.memory.anonymous_bytes) /
                    (double)n);
    fputc('\n', to);
}

void perf_report_summary(FILE *to, const struct perf_options *o, const struct perf_result *r)
{
    const struct perf_sample *a = &r->begin;
    const struct perf_sample *z = &r->end;
    double seconds = perf_seconds(a, z);
    if (r->step != NULL)
        fprintf(to, "%llu x %s in %.2f s: %.0f/s\n", (unsigned long long)(z->n_steps - a->n_steps),
                r->step, seconds, perf_rate(z->n_steps - a->n_steps, seconds));
    if (z->n_sent != 0 || z->n_delivered != 0)
        fprintf(to, "in %.2f s: sent %llu (%.0f/s), received %llu (%.0f/s)", seconds,
                (unsigned long long)(z->n_sent - a->n_sent),
                perf_rate(z->n_sent - a->n_sent, seconds),
                (unsigned long long)(z->n_delivered - a->n_delivered),
                perf_rate(z->n_delivered - a->n_delivered, seconds));
    if (o->confirm != 0)
        fprintf(to, ", confirmed %llu, nacked %llu",
                (unsigned long long)(z->n_confirmed - a->n_confirmed),
                (unsigned long long)(z->n_nacked - a->n_nacked));
    if (z->n_returned != 0)
        fprintf(to, ", returned %llu", (unsigned long long)(z->n_returned - a->n_returned));
    if (z->n_sent != 0 || z->n_delivered != 0)
        fputc('\n', to);
    if (o->broker_pid != 0) {
        fprintf(to,
                "broker CPU: %.3f us per %s (%.0f %% of one core, user %.2f s, system %.2f s)\n",
                perf_broker_us(a, z), perf_work_name(r),
                100 * (double)(z->broker.all_ns - a->broker.all_ns) / 1e9 / seconds,
                (double)(z->broker.user_ns - a->broker.user_ns) / 1e9,
                (double)(z->broker.system_ns - a->broker.system_ns) / 1e9);
        perf_print_memory(to, r);
    }
    fprintf(to, "load generator CPU: %.3f us per %s", perf_own_us(a, z), perf_work_name(r));
    if (o->broker_pid != 0)
        fprintf(to, "; others on this machine: %.2f CPUs", perf_others(a, z));
    fputc('\n', to);
    perf_print_histogram(to, "latency", &r->latency);
    perf_print_histogram(to, "confirm latency", &r->to_confirm);
    perf_print_histogram(to, r->step == NULL ? "step" : r->step, &r->step_ns);
    if (!r->complete)
        fputs("ended before the counts that were asked for were reached\n", to);
}

static void perf_json_histogram(FILE *to, const char *name, const struct histogram *h)
{
    if (h->n == 0)
        return;
    fprintf(to, ", \"%s\": {\"n\": %llu, \"mean\": %.2f", name, (unsigned long long)h->n,
            histogram_mean(h) / 1e3);
    for (size_t i = 0; i < PERF_N_PERCENTS; i++)
        fprintf(to, ", \"p%g\": %.2f", PERF_PERCENTS[i],
                (double)histogram_percentile(h, PERF_PERCENTS[i]) / 1e3);
    fprintf(to, ", \"max\": %.2f}", (double)h->most / 1e3);
}

void perf_report_json(FILE *to, const struct perf_options *o, const struct perf_result *r)
{
    const struct perf_sample *a = &r->begin;
    const struct perf_sample *z = &r->end;
    double seconds = perf_seconds(a, z);
    fprintf(to, "{\"seconds\": %.4f, \"complete\": %s", seconds, r->complete ? "true" : "false");
    const struct {
        const char *name;
        uint64_t n;
    } COUNTS[] = {{"sent", z->n_sent - a->n_sent},
                  {"received", z->n_delivered - a->n_delivered},
                  {"confirmed", z->n_confirmed - a->n_confirmed},
                  {"nacked", z->n_nacked - a->n_nacked},
                  {"returned", z->n_returned - a->n_returned},
                  {"steps", z->n_steps - a->n_steps}};
    for (size_t i = 0; i < sizeof(COUNTS) / sizeof(COUNTS[0]); i++)
        fprintf(to, ", \"%s\": %llu, \"%s_per_s\": %.1f", COUNTS[i].name,
                (unsigned long long)COUNTS[i].n, COUNTS[i].name, perf_rate(COUNTS[i].n, seconds));
    fprintf(to, ", \"per\": \"%s\", \"load_us\": %.5f", perf_work_name(r), perf_own_us(a, z));
    if (o->broker_pid != 0)
        fprintf(to,
                ", \"others\": %.3f, \"broker_us\": %.5f, \"broker_cpu_s\": %.4f, "
                "\"broker_user_s\": %.2f, "
                "\"broker_system_s\": %.2f, \"rss_before\": %llu, \"rss_after\": %llu, "
                "\"anonymous_before\": %llu, \"anonymous_after\": %llu",
                perf_others(a, z), perf_broker_us(a, z),
                (double)(z->broker.all_ns - a->broker.all_ns) / 1e9,
                (double)(z->broker.user_ns - a->broker.user_ns) / 1e9,
                (double)(z->broker.system_ns - a->broker.system_ns) / 1e9,
                (unsigned long long)a->memory.rss_bytes, (unsigned long long)z->memory.rss_bytes,
                (unsigned long long)a->memory.anonymous_bytes,
                (unsigned long long)z->memory.anonymous_bytes);
    perf_json_histogram(to, "latency_us", &r->latency);
    perf_json_histogram(to, "confirm_us", &r->to_confirm);
    perf_json_histogram(to, "step_us", &r->step_ns);
    fputs("}\n", to);
}
