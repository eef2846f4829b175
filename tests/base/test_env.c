// SPDX-License-Identifier: Apache-2.0
#include "base/env.h"

#include <string.h>

#include "tests/base/suite.h"

START_TEST(the_real_clock_never_goes_back)
{
    struct env env = env_real();
    uint64_t before = env_now_ns(&env);
    for (int i = 0; i < 1000; i++) {
        uint64_t now = env_now_ns(&env);
        ck_assert_uint_ge(now, before);
        before = now;
    }
    ck_assert_uint_ne(before, 0);
}
END_TEST

START_TEST(real_secrets_fill_all_bytes_and_differ)
{
    struct env env = env_real();
    uint8_t a[256] = {0};
    uint8_t b[256] = {0};
    env_secret(&env, a, sizeof(a));
    env_secret(&env, b, sizeof(b));
    ck_assert_mem_ne(a, b, sizeof(a));
    /* 32 zeros in a row at the end would be a buffer that was not filled. */
    uint8_t zeros[32] = {0};
    ck_assert_mem_ne(a + 224, zeros, sizeof(zeros));
    uint8_t untouched = 7;
    env_secret(&env, &untouched, 0);
    ck_assert_uint_eq(untouched, 7);
}
END_TEST

static uint64_t fixed_now_ns(struct env *env)
{
    return *(uint64_t *)env->self;
}

static void fixed_secret(struct env *env, void *at, size_t size)
{
    (void)env;
    memset(at, 0x5a, size);
}

START_TEST(a_made_up_world_is_asked_instead)
{
    uint64_t clock = 42;
    struct env env = {.now_ns = fixed_now_ns, .secret = fixed_secret, .self = &clock};
    uint8_t secret[3];
    ck_assert_uint_eq(env_now_ns(&env), 42);
    env_secret(&env, secret, sizeof(secret));
    ck_assert_mem_eq(secret, "\x5a\x5a\x5a", 3);
}
END_TEST

SUITE("env", the_real_clock_never_goes_back, real_secrets_fill_all_bytes_and_differ,
      a_made_up_world_is_asked_instead)
