// SPDX-License-Identifier: Apache-2.0
/* base/env.h — everything the outside world can do to us, as one value.
 *
 * broker/server builds the real one (env_real), tests/sim a false one. Code above base/ asks `env`
 * and nothing else for time and chance, so that a seed replays a whole broker.
 *
 * Thread: any; `now_ns` of the real one is a system call, so callers read it once per turn.
 */
#ifndef BASE_ENV_H
#define BASE_ENV_H

#include <stddef.h>
#include <stdint.h>

struct env {
    /* Monotonic nanoseconds. */
    uint64_t (*now_ns)(struct env *env);
    /* Bytes nobody can guess; in a simulation, bytes that the seed fixes. */
    void (*secret)(struct env *env, void *at, size_t size);
    /* Nanoseconds since 1970, which may jump. Only what keeps things on a disk asks for it. */
    uint64_t (*wall_ns)(struct env *env);
    void *self;
};

uint64_t env_now_ns(struct env *env);
void env_secret(struct env *env, void *at, size_t size);
uint64_t env_wall_ns(struct env *env);

/* The operating system's clock and generator. Aborts when the system has no randomness to give. */
struct env env_real(void);

#endif
