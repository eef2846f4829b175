// SPDX-License-Identifier: Apache-2.0
#include "broker/cli/perf_process.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static uint64_t process_clock_ns(clockid_t clock)
{
    struct timespec at = {0, 0};
    clock_gettime(clock, &at);
    return (uint64_t)at.tv_sec * 1000000000u + (uint64_t)at.tv_nsec;
}

uint64_t process_now_ns(void)
{
    return process_clock_ns(CLOCK_MONOTONIC);
}

uint64_t process_own_cpu_ns(void)
{
    return process_clock_ns(CLOCK_PROCESS_CPUTIME_ID);
}

uint64_t process_all_cpu_ns(void)
{
    uint64_t user;
    uint64_t nice;
    uint64_t system;
    uint64_t irq;
    uint64_t softirq;
    FILE *file = fopen("/proc/stat", "re");
    if (file == NULL)
        return 0;
    int n = fscanf(file, "cpu %" SCNu64 " %" SCNu64 " %" SCNu64 " %*u %*u %" SCNu64 " %" SCNu64,
                   &user, &nice, &system, &irq, &softirq);
    fclose(file);
    uint64_t tick_ns = 1000000000u / (uint64_t)sysconf(_SC_CLK_TCK);
    return n == 5 ? (user + nice + system + irq + softirq) * tick_ns : 0;
}

static FILE *process_file(pid_t pid, const char *name)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%ld/%s", (long)pid, name);
    return fopen(path, "re");
}

bool process_cpu_get(pid_t pid, struct process_cpu *out)
{
    clockid_t clock;
    char line[1024];
    FILE *file = process_file(pid, "stat");
    if (file == NULL)
        return false;
    bool got = fgets(line, sizeof(line), file) != NULL;
    fclose(file);
    /* The name of the program stands in parentheses and may hold any byte. */
    const char *behind = got ? strrchr(line, ')') : NULL;
    uint64_t user;
    uint64_t system;
    if (behind == NULL ||
        sscanf(behind + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %" SCNu64 " %" SCNu64,
               &user, &system) != 2)
        return false;
    uint64_t tick_ns = 1000000000u / (uint64_t)sysconf(_SC_CLK_TCK);
    *out = (struct process_cpu){(user + system) * tick_ns, user * tick_ns, system * tick_ns};
    if (clock_getcpuclockid(pid, &clock) == 0)
        out->all_ns = process_clock_ns(clock);
    return true;
}

bool process_memory_get(pid_t pid, struct process_memory *out)
{
    *out = (struct process_memory){0, 0};
    FILE *file = process_file(pid, "smaps_rollup");
    if (file == NULL)
        return false;
    char line[256];
    uint64_t kib;
    while (fgets(line, sizeof(line), file) != NULL) {
        if (sscanf(line, "Rss: %" SCNu64, &kib) == 1)
            out->rss_bytes = kib * 1024;
        if (sscanf(line, "Anonymous: %" SCNu64, &kib) == 1)
            out->anonymous_bytes = kib * 1024;
    }
    fclose(file);
    return out->rss_bytes != 0;
}
