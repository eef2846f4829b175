// SPDX-License-Identifier: Apache-2.0
/* What a redeclare is compared with, and how a difference reads. Expectations are RabbitMQ's
 * answers to the same declarations. */
#include <check.h>

#include "broker/core/arguments.h"
#include "tests/broker/refusal.h"
#include "tests/broker/table_notation.h"

#define QUEUE_Q "x-queue-type=S:quorum "

static const char *equal(const char *declared, const char *current)
{
    struct fault f = {0};
    const struct reply *refusal = queue_arguments_equal(notation(declared), notation(current),
                                                        SPAN_LIT("q"), SPAN_LIT("/"), &f);
    return said(refusal, &f);
}

struct redeclare {
    const char *declared;
    const char *current;
    const char *wanted; /* without "inequivalent arg 'x-expires' for Q: " */
};

START_TEST(differing_values_are_shown_and_so_is_their_absence)
{
    static const struct redeclare ROWS[] = {
        {"", "x-expires=I:10", "received none but current is the value '10' of type 'signedint'"},
        {"", "x-expires=l:10", "received none but current is the value '10' of type 'long'"},
        {"x-expires=I:10", "", "received the value '10' of type 'signedint' but current is none"},
        {"x-expires=S:foo", "", "received the value 'foo' of type 'longstr' but current is none"},
        {"x-expires=V:", "", "received the value 'undefined' of type 'void' but current is none"},
        {"x-expires=D:2,550", "",
         "received the value '{2,550}' of type 'decimal' but current is none"},
        {"x-expires=F{a=I:1}", "",
         "received the value '[{<<\"a\">>,signedint,1}]' of type 'table' but current is none"},
        {"x-expires=I:20", "x-expires=I:10", "received '20' but current is '10'"},
        {"x-expires=d:10", "x-expires=I:10", "received '10.0' but current is '10'"},
        {"x-expires=S:10", "x-expires=I:10", "received '10' but current is '10'"},
        {"x-expires=t:1", "x-expires=I:1", "received 'true' but current is '1'"},
        {"x-expires=V:", "x-expires=I:10", "received none but current is '10'"},
        {"x-expires=A{}", "x-expires=I:10", "received '[]' but current is '10'"},
        {"x-expires=T:18446744073709551615", "x-expires=l:-1",
         "received '18446744073709551615' but current is '-1'"},
    };
    for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
        char wanted[256];
        snprintf(wanted, sizeof(wanted), "inequivalent arg 'x-expires' for Q: %s", ROWS[i].wanted);
        ck_assert_str_eq(equal(ROWS[i].declared, ROWS[i].current), wanted);
    }
}
END_TEST

START_TEST(equal_values_need_not_be_of_one_type)
{
    static const char *const TAGS = "bBsuIilLT";
    char declared[64];
    char current[64];
    for (size_t i = 0; TAGS[i] != '\0'; i++) {
        for (size_t k = 0; TAGS[k] != '\0'; k++) {
            snprintf(declared, sizeof(declared), "x-expires=%c:10", TAGS[i]);
            snprintf(current, sizeof(current), "x-expires=%c:10", TAGS[k]);
            ck_assert_str_eq(equal(declared, current), "ok");
        }
    }
    ck_assert_str_eq(equal("x-dead-letter-exchange=x:a", "x-dead-letter-exchange=S:a"), "ok");
    ck_assert_str_ne(equal("x-dead-letter-exchange=x:a", "x-dead-letter-exchange=S:b"), "ok");
    ck_assert_str_eq(equal("x-queue-mode=F{}", "x-queue-mode=A{}"), "ok");
    ck_assert_str_eq(equal("x-queue-mode=f:1.5", "x-queue-mode=d:1.5"), "ok");
    ck_assert_str_ne(equal("x-queue-mode=f:0.1", "x-queue-mode=d:0.1"), "ok");
    ck_assert_str_eq(equal("x-queue-mode=V:", "x-queue-mode=V: x-foo=I:1"), "ok");
    ck_assert_str_eq(equal("x-single-active-consumer=t:2", "x-single-active-consumer=t:1"), "ok");
    ck_assert_str_ne(equal("x-single-active-consumer=t:0", "x-single-active-consumer=t:1"), "ok");
}
END_TEST

START_TEST(a_missing_queue_type_is_classic)
{
    static const char *const CLASSIC[] = {"", "x-queue-type=S:classic",
                                          "x-queue-type=S:", "x-queue-type=S:undefined"};
    for (size_t i = 0; i < 4; i++)
        for (size_t k = 0; k < 4; k++)
            ck_assert_str_eq(equal(CLASSIC[i], CLASSIC[k]), "ok");
    ck_assert_str_eq(equal("x-queue-type=x:classic", "x-queue-type=S:classic"), "ok");
    ck_assert_str_eq(equal("x-queue-type=S:quorum", ""),
                     "inequivalent arg 'x-queue-type' for Q: received the value 'quorum' of type "
                     "'longstr' but current is none");
    ck_assert_str_eq(equal("x-queue-type=S:quorum", "x-queue-type=S:classic"),
                     "inequivalent arg 'x-queue-type' for Q: received 'quorum' but current is "
                     "'classic'");
    ck_assert_str_eq(equal("", "x-queue-type=S:quorum"),
                     "inequivalent arg 'x-queue-type' for Q: received none but current is the "
                     "value 'quorum' of type 'longstr'");
    ck_assert_str_eq(equal("x-queue-type=I:1", ""),
                     "inequivalent arg 'x-queue-type' for Q: received the value '1' of type "
                     "'signedint' but current is none");
}
END_TEST

START_TEST(only_what_the_type_knows_is_compared)
{
    ck_assert_str_eq(equal("x-foo=I:1", "x-foo=I:2"), "ok");
    ck_assert_str_eq(equal("", "x-foo=I:2"), "ok");
    ck_assert_str_eq(equal("x-delivery-limit=I:3 x-max-age=S:1h", ""), "ok");
    ck_assert_str_eq(equal(QUEUE_Q "x-max-priority=I:3", QUEUE_Q), "ok");
    ck_assert_str_ne(equal(QUEUE_Q "x-delivery-limit=I:3", QUEUE_Q), "ok");
    ck_assert_str_ne(equal("x-max-priority=I:3", ""), "ok");
    ck_assert_str_eq(equal("x-expires=I:5 x-expires=I:6", "x-expires=I:5"), "ok");
}
END_TEST

/* All arguments differ; then, one by one, the one that was named is made equal. */
static void check_order(const char *more, const char *const *names, size_t n)
{
    for (size_t from = 0; from < n; from++) {
        char declared[512];
        char wanted[128];
        size_t used = (size_t)snprintf(declared, sizeof(declared), "%s", more);
        for (size_t i = n; i > from; i--)
            used += (size_t)snprintf(declared + used, sizeof(declared) - used, "%s=I:7 ",
                                     names[i - 1]);
        ck_assert_uint_lt(used, 256);
        snprintf(wanted, sizeof(wanted), "inequivalent arg '%s' for Q: received ", names[from]);
        const char *got = equal(declared, more);
        ck_assert_msg(strncmp(got, wanted, strlen(wanted)) == 0, "%s, not %s", got, wanted);
    }
}

START_TEST(the_first_difference_in_the_order_of_a_classic_queue_is_named)
{
    static const char *const NAMES[] = {
        "x-expires",          "x-message-ttl",          "x-dead-letter-exchange",
        "x-max-length-bytes", "x-max-priority",         "x-overflow",
        "x-queue-mode",       "x-queue-version",        "x-single-active-consumer",
        "x-queue-type",       "x-queue-master-locator", "x-queue-leader-locator"};
    static const char *const MORE[] = {"x-dead-letter-exchange", "x-dead-letter-routing-key",
                                       "x-max-length", "x-max-length-bytes"};
    check_order("", NAMES, 6);
    check_order("", NAMES + 5, 7);
    check_order("", MORE, 4);
}
END_TEST

START_TEST(the_first_difference_in_the_order_of_a_quorum_queue_is_named)
{
    static const char *const NAMES[] = {"x-dead-letter-exchange",
                                        "x-dead-letter-routing-key",
                                        "x-dead-letter-strategy",
                                        "x-expires",
                                        "x-max-length",
                                        "x-max-length-bytes",
                                        "x-max-in-memory-length",
                                        "x-max-in-memory-bytes",
                                        "x-overflow",
                                        "x-single-active-consumer",
                                        "x-quorum-initial-group-size",
                                        "x-delivery-limit",
                                        "x-message-ttl",
                                        "x-queue-leader-locator"};
    check_order(QUEUE_Q, NAMES, 7);
    check_order(QUEUE_Q, NAMES + 6, 5);
    check_order(QUEUE_Q, NAMES + 9, 5);
    ck_assert_str_eq(equal("x-queue-type=S:classic x-quorum-initial-group-size=I:3 "
                           "x-single-active-consumer=t:1",
                           QUEUE_Q "x-single-active-consumer=t:1"),
                     "inequivalent arg 'x-queue-type' for Q: received 'classic' but current is "
                     "'quorum'");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("arguments_equal");
    TCase *cases = tcase_create("all");
    tcase_add_test(cases, differing_values_are_shown_and_so_is_their_absence);
    tcase_add_test(cases, equal_values_need_not_be_of_one_type);
    tcase_add_test(cases, a_missing_queue_type_is_classic);
    tcase_add_test(cases, only_what_the_type_knows_is_compared);
    tcase_add_test(cases, the_first_difference_in_the_order_of_a_classic_queue_is_named);
    tcase_add_test(cases, the_first_difference_in_the_order_of_a_quorum_queue_is_named);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed == 0 ? 0 : 1;
}
