// SPDX-License-Identifier: Apache-2.0
/* tests/crash/self_test.h — the checker against histories that are made up.
 *
 * Each history is one that a broker could have caused; a flawed one must be found, by its name, and
 * a clean one must be let pass.
 *
 * Thread: one.   Blocks: never.
 */
#ifndef TESTS_CRASH_SELF_TEST_H
#define TESTS_CRASH_SELF_TEST_H

/* Prints a line per history (TAP); EXIT_SUCCESS when all came out as they should. */
int self_test_run(void);

#endif
