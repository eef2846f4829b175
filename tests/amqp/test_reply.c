// SPDX-License-Identifier: Apache-2.0
#include "amqp/reply.h"

#include <string.h>

#include "tests/base/suite.h"

START_TEST(a_fault_is_its_name_and_a_sentence)
{
    struct fault f = {.class_id = 50, .method_id = 10};
    ck_assert_ptr_eq(fault_set(&f, REPLY_NOT_FOUND, "no queue '%s'", "q"), REPLY_NOT_FOUND);
    ck_assert_ptr_eq(f.reply, REPLY_NOT_FOUND);
    ck_assert_str_eq(f.text, "NOT_FOUND - no queue 'q'");
    ck_assert_uint_eq(f.class_id, 50);
    ck_assert_uint_eq(f.method_id, 10);
}
END_TEST

START_TEST(a_text_fits_a_short_string)
{
    char name[400];
    for (size_t n = 220; n < 300; n++) {
        struct fault f;
        memset(name, 'n', n);
        name[n] = 0;
        fault_set(&f, REPLY_NOT_FOUND, "%s", name);
        size_t size = strlen("NOT_FOUND - ") + n;
        ck_assert_uint_eq(strlen(f.text), size < REPLY_TEXT_MAX ? size : REPLY_TEXT_MAX);
        bool cut = strcmp(f.text + strlen(f.text) - 3, "...") == 0;
        ck_assert_int_eq(cut, size > REPLY_TEXT_MAX);
    }
}
END_TEST

START_TEST(codes_and_scopes_are_those_of_the_protocol)
{
    ck_assert_uint_eq(REPLY_NOT_FOUND->code, 404);
    ck_assert_int_eq(REPLY_NOT_FOUND->scope, SCOPE_CHANNEL);
    ck_assert_int_eq(REPLY_NO_ROUTE->scope, SCOPE_NONE);
    ck_assert_int_eq(REPLY_NOT_IMPLEMENTED->scope, SCOPE_CONNECTION);
    ck_assert_str_eq(REPLY_PRECONDITION_FAILED->name, "PRECONDITION_FAILED");
#define REPLY_CHECK(name, code_, scope_) \
    ck_assert((code_ >= 500) == (REPLY_##name->scope == SCOPE_CONNECTION) || code_ < 500);
    AMQP_REPLIES(REPLY_CHECK)
#undef REPLY_CHECK
}
END_TEST

SUITE("reply", a_fault_is_its_name_and_a_sentence, a_text_fits_a_short_string,
      codes_and_scopes_are_those_of_the_protocol)
