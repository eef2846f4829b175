// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/failure.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { EVENTS_KEPT = 64 };

struct event {
    const char *what;
    uint64_t step;
    uint32_t conn;
    uint32_t channel;
    uint64_t a;
    uint64_t b;
};

static struct {
    uint64_t seed;
    const char *program;
    uint64_t step;
    uint64_t hash;
    uint64_t n;
    char description[256];
    bool failing;
    bool shown;
    struct event events[EVENTS_KEPT];
} failure;

static void failure_print_event(const struct event *e)
{
    fprintf(stderr, "  step %-8llu c%u.%u %s %llu %llu\n", (unsigned long long)e->step, e->conn,
            e->channel, e->what, (unsigned long long)e->a, (unsigned long long)e->b);
}

void failure_describe(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(failure.description, sizeof(failure.description), format, args);
    va_end(args);
}

void failure_show(void)
{
    failure.shown = true;
}

static void failure_print(void)
{
    if (failure.failing)
        return;
    failure.failing = true;
    uint64_t first = failure.n > EVENTS_KEPT ? failure.n - EVENTS_KEPT : 0;
    for (uint64_t i = first; i < failure.n && !failure.shown; i++)
        failure_print_event(&failure.events[i % EVENTS_KEPT]);
    fprintf(stderr, "  %s\n", failure.description);
    fprintf(stderr, "FAILED at step %llu; to see it again: %s --seed %llu\n",
            (unsigned long long)failure.step, failure.program, (unsigned long long)failure.seed);
}

static void failure_on_signal(int number)
{
    /* Deliberate: not async-signal-safe; the signal is the broker's own abort or crash, on this
     * thread, and the process ends right after. */
    failure_print();
    signal(number, SIG_DFL);
    raise(number);
}

/* Sanitizers end the process without a signal. */
__attribute__((weak)) void __sanitizer_set_death_callback(void (*callback)(void));

void failure_begin(uint64_t seed, const char *program)
{
    failure.seed = seed;
    failure.program = program;
    failure.step = 0;
    failure.hash = seed;
    failure.n = 0;
    signal(SIGABRT, failure_on_signal);
    if (__sanitizer_set_death_callback != NULL)
        __sanitizer_set_death_callback(failure_print);
    else
        signal(SIGSEGV, failure_on_signal);
}

void failure_step(uint64_t step)
{
    failure.step = step;
}

void trace_mix(uint64_t v)
{
    uint64_t h = failure.hash ^ (v * 0x9e3779b97f4a7c15u);
    failure.hash = (h ^ (h >> 29)) * 0xbf58476d1ce4e5b9u;
}

void trace(const char *what, uint32_t conn, uint32_t channel, uint64_t a, uint64_t b)
{
    struct event *e = &failure.events[failure.n++ % EVENTS_KEPT];
    *e = (struct event){what, failure.step, conn, channel, a, b};
    if (failure.shown)
        failure_print_event(e);
    trace_mix(failure.step);
    trace_mix(((uint64_t)conn << 32) | channel);
    trace_mix(a);
    trace_mix(b);
}

uint64_t trace_count(void)
{
    return failure.n;
}

uint64_t trace_hash(void)
{
    return failure.hash;
}

void fail(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("sim: ", stderr);
    vfprintf(stderr, format, args);
    fputs("\n", stderr);
    va_end(args);
    failure_print();
    exit(1);
}
