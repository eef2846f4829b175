// SPDX-License-Identifier: Apache-2.0
/* base/assert.h — assertions about our own code, kept in every build.
 *
 * ASSERT is for what only a bug of ours can break. Nothing that a peer, a file or the machine
 * sends may reach one; those go through `struct reply` and `enum err`.
 *
 * Thread: any.   Blocks: never (a failing one writes to stderr and aborts).
 */
#ifndef BASE_ASSERT_H
#define BASE_ASSERT_H

#define MUST_USE __attribute__((warn_unused_result))

#define ASSERT(cond) \
    (__builtin_expect(!(cond), 0) ? assert_failed(#cond, __FILE__, __LINE__) : (void)0)

/* The object that holds `member` at `ptr`. */
#define CONTAINER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

#define BIT(n) (1u << (n))

/* Writes the failed condition to stderr and aborts. */
_Noreturn void assert_failed(const char *cond, const char *file, int line);

#endif
