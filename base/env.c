// SPDX-License-Identifier: Apache-2.0
#include "base/env.h"

#include <sys/random.h>
#include <time.h>

#include "base/assert.h"

uint64_t env_now_ns(struct env *env)
{
    return env->now_ns(env);
}

void env_secret(struct env *env, void *at, size_t size)
{
    env->secret(env, at, size);
}

uint64_t env_wall_ns(struct env *env)
{
    return env->wall_ns(env);
}

static uint64_t env_clock_ns(clockid_t clock)
{
    struct timespec t;
    int failed = clock_gettime(clock, &t);
    ASSERT(failed == 0);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint64_t env_real_now_ns(struct env *env)
{
    (void)env;
    return env_clock_ns(CLOCK_MONOTONIC);
}

static uint64_t env_real_wall_ns(struct env *env)
{
    (void)env;
    return env_clock_ns(CLOCK_REALTIME);
}

static void env_real_secret(struct env *env, void *at, size_t size)
{
    (void)env;
    /* Requests of up to 256 bytes are never cut short once the pool is seeded: random(7). */
    ASSERT(size <= 256);
    ssize_t n = getrandom(at, size, 0);
    ASSERT(n == (ssize_t)size);
}

struct env env_real(void)
{
    return (struct env){
        .now_ns = env_real_now_ns, .secret = env_real_secret, .wall_ns = env_real_wall_ns};
}
