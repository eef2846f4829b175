// SPDX-License-Identifier: Apache-2.0
/* broker/cli/perf_process.h — what another process has used so far, as the kernel counts it.
 *
 * CPU is that of the whole process, threads that ended included, to the nanosecond; the split into
 * user and system is only as fine as the kernel's tick. Memory is what the kernel has mapped in.
 *
 * Thread: any.   Blocks: never.
 */
#ifndef BROKER_CLI_PERF_PROCESS_H
#define BROKER_CLI_PERF_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct process_cpu {
    uint64_t all_ns; /* user and system */
    uint64_t user_ns;
    uint64_t system_ns;
};

struct process_memory {
    uint64_t rss_bytes;
    uint64_t anonymous_bytes; /* heap, stacks and the like: what belongs to this process alone */
};

/* False when there is no such process, or it may not be looked at. */
bool process_cpu_get(pid_t pid, struct process_cpu *out);
bool process_memory_get(pid_t pid, struct process_memory *out);

/* The monotonic clock. */
uint64_t process_now_ns(void);

/* CPU that this process itself has used. */
uint64_t process_own_cpu_ns(void);

/* CPU that all processes of the machine have used, by the kernel's tick; 0 when it is not told. */
uint64_t process_all_cpu_ns(void);

#endif
