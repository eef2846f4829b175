// SPDX-License-Identifier: Apache-2.0
/* sim --seeds A-B | --seed S [--trace | --record FILE] | --seconds N: the whole broker from seeds;
 * see world.h. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "tests/sim/failure.h"
#include "tests/sim/world.h"

static const char *const PROGRAM = "./dev sim";

static int sim_seed(uint64_t seed, const char *record)
{
    uint64_t steps;
    uint64_t hash = world_run(seed, PROGRAM, record, &steps);
    printf("seed %llu: %llu steps, hash %016llx\n", (unsigned long long)seed,
           (unsigned long long)steps, (unsigned long long)hash);
    return 0;
}

static int sim_seeds(uint64_t first, uint64_t last)
{
    uint64_t total = 0;
    for (uint64_t seed = first; seed <= last; seed++) {
        uint64_t steps;
        world_run(seed, PROGRAM, NULL, &steps);
        total += steps;
    }
    printf("%llu seeds, %llu steps, no finding\n", (unsigned long long)(last - first + 1),
           (unsigned long long)total);
    return 0;
}

/* Fresh seeds for so long. */
static int sim_seconds(uint64_t seconds)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    uint64_t first = (uint64_t)now.tv_sec * 1000;
    uint64_t seed = first;
    uint64_t total = 0;
    time_t end = now.tv_sec + (time_t)seconds;
    for (; now.tv_sec < end; seed++) {
        uint64_t steps;
        world_run(seed, PROGRAM, NULL, &steps);
        total += steps;
        clock_gettime(CLOCK_REALTIME, &now);
    }
    printf("seeds %llu-%llu: %llu seeds, %llu steps, no finding\n", (unsigned long long)first,
           (unsigned long long)(seed - 1), (unsigned long long)(seed - first),
           (unsigned long long)total);
    return 0;
}

static int sim_usage(void)
{
    fputs("Usage: sim --seconds N | --seed S [--trace | --record FILE] | --seeds A-B\n", stderr);
    return 2;
}

int main(int argc, char **argv)
{
    log_set_level(LOG_LEVEL_ERROR);
    if (argc == 5 && strcmp(argv[1], "--seed") == 0 && strcmp(argv[3], "--record") == 0)
        return sim_seed(strtoull(argv[2], NULL, 10), argv[4]);
    if (argc == 4 && strcmp(argv[3], "--trace") == 0)
        failure_show();
    else if (argc != 3)
        return sim_usage();
    char *end;
    uint64_t n = strtoull(argv[2], &end, 10);
    uint64_t last = *end == '-' ? strtoull(end + 1, NULL, 10) : n;
    if (strcmp(argv[1], "--seed") == 0)
        return sim_seed(n, NULL);
    if (strcmp(argv[1], "--seeds") == 0)
        return sim_seeds(n, last);
    if (strcmp(argv[1], "--seconds") == 0)
        return sim_seconds(n);
    return sim_usage();
}
