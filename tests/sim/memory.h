// SPDX-License-Identifier: Apache-2.0
/* tests/sim/memory.h — how much memory is taken and not given back.
 *
 * The simulation is linked with --wrap for the allocator, so every call of the broker and of the
 * simulation comes through memory.c.
 *
 * Thread: the one of the simulation.
 */
#ifndef TESTS_SIM_MEMORY_H
#define TESTS_SIM_MEMORY_H

#include <stddef.h>

/* Bytes in use, and the most there ever were since memory_reset_peak. */
size_t memory_used(void);
size_t memory_peak(void);
void memory_reset_peak(void);

#endif
