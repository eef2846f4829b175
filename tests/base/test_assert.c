// SPDX-License-Identifier: Apache-2.0
#include "base/assert.h"

#include <signal.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/base/suite.h"

struct outer {
    int before;
    int member;
};

START_TEST(a_true_condition_goes_on)
{
    int evaluated = 0;
    ASSERT(++evaluated == 1);
    ck_assert_int_eq(evaluated, 1);
}
END_TEST

START_TEST(a_false_condition_aborts)
{
    volatile int never = 0;
    ASSERT(never);
}
END_TEST

START_TEST(container_of_finds_the_outer_object)
{
    struct outer o = {.before = 1, .member = 2};
    ck_assert_ptr_eq(CONTAINER_OF(&o.member, struct outer, member), &o);
    ck_assert_uint_eq(BIT(0) | BIT(5), 33);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("assert");
    TCase *cases = tcase_create("assert");
    tcase_add_test(cases, a_true_condition_goes_on);
    tcase_add_test_raise_signal(cases, a_false_condition_aborts, SIGABRT);
    tcase_add_test(cases, container_of_finds_the_outer_object);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    /* An abort must not take the runner with it. */
    srunner_set_fork_status(runner, CK_FORK);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
