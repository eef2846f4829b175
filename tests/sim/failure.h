// SPDX-License-Identifier: Apache-2.0
/* tests/sim/failure.h — what happened lately, and the end when something is wrong.
 *
 * The last events are kept in a ring and hashed; a failure prints seed, step and ring, and ends the
 * process. So does an assertion of the broker.
 *
 * Thread: the one of the simulation.
 */
#ifndef TESTS_SIM_FAILURE_H
#define TESTS_SIM_FAILURE_H

#include <stdbool.h>
#include <stdint.h>

/* Begins a run: forgets the events, and remembers what to print. */
void failure_begin(uint64_t seed, const char *program);

/* Says in a few words what kind of a run it is. */
__attribute__((format(printf, 1, 2))) void failure_describe(const char *format, ...);

/* Prints every event when it happens. */
void failure_show(void);

/* From now on events belong to this step. */
void failure_step(uint64_t step);

/* Notes an event of connection `conn` and channel `channel`. `what` must live for ever. */
void trace(const char *what, uint32_t conn, uint32_t channel, uint64_t a, uint64_t b);

/* How many events there were. */
uint64_t trace_count(void);

/* A hash over all events of the run so far. */
uint64_t trace_hash(void);

/* Mixes anything else into the hash. */
void trace_mix(uint64_t v);

/* Prints why and ends the process with 1. */
_Noreturn __attribute__((format(printf, 1, 2))) void fail(const char *format, ...);

/* fail() unless `cond`. */
#define EXPECT(cond, ...) ((cond) ? (void)0 : fail(__VA_ARGS__))

#endif
