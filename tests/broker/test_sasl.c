// SPDX-License-Identifier: Apache-2.0
#include "broker/auth/sasl.h"

#include "amqp/table.h"
#include "tests/base/suite.h"

static struct span user;
static struct span password;

static enum err plain(struct span response)
{
    return sasl_response(SPAN_LIT("PLAIN"), response, &user, &password);
}

START_TEST(plain_is_three_parts)
{
    ck_assert_int_eq(plain(SPAN_LIT("\0me\0secret")), OK);
    ck_assert(span_eq(user, SPAN_LIT("me")));
    ck_assert(span_eq(password, SPAN_LIT("secret")));
    ck_assert_int_eq(plain(SPAN_LIT("somebody\0me\0secret")), OK);
    ck_assert(span_eq(user, SPAN_LIT("me")));
    ck_assert_int_eq(plain(SPAN_LIT("\0\0")), OK);
    ck_assert_uint_eq(user.size + password.size, 0);
}
END_TEST

START_TEST(plain_of_other_parts_is_malformed)
{
    ck_assert_int_eq(plain(SPAN_NONE), ERR_SYNTAX);
    ck_assert_int_eq(plain(SPAN_LIT("me")), ERR_SYNTAX);
    ck_assert_int_eq(plain(SPAN_LIT("\0me")), ERR_SYNTAX);
    ck_assert_int_eq(plain(SPAN_LIT("\0me\0secret\0more")), ERR_SYNTAX);
    ck_assert_int_eq(plain(SPAN_LIT("\0")), ERR_SYNTAX);
}
END_TEST

static enum err amqplain(const char *login, char login_tag, const char *pass, char pass_tag)
{
    static struct buf b;
    buf_fini(&b);
    if (login != NULL)
        ck_assert_int_eq(table_add(&b, SPAN_LIT("LOGIN"), login_tag, span_str(login)), OK);
    if (pass != NULL)
        ck_assert_int_eq(table_add(&b, SPAN_LIT("PASSWORD"), pass_tag, span_str(pass)), OK);
    return sasl_response(SPAN_LIT("AMQPLAIN"), buf_span(&b), &user, &password);
}

START_TEST(amqplain_is_a_table)
{
    ck_assert_int_eq(amqplain("me", 'S', "secret", 'S'), OK);
    ck_assert(span_eq(user, SPAN_LIT("me")));
    ck_assert(span_eq(password, SPAN_LIT("secret")));
    ck_assert_int_eq(amqplain("me", 'S', NULL, 'S'), ERR_SYNTAX);
    ck_assert_int_eq(amqplain(NULL, 'S', "secret", 'S'), ERR_SYNTAX);
    ck_assert_int_eq(amqplain("\1", 't', "secret", 'S'), ERR_SYNTAX);
    ck_assert_int_eq(amqplain("me", 'S', "secret", 'x'), ERR_SYNTAX);
    ck_assert_int_eq(sasl_response(SPAN_LIT("AMQPLAIN"), SPAN_LIT("\5LOGI"), &user, &password),
                     ERR_SYNTAX);
}
END_TEST

START_TEST(other_mechanisms_are_not_known)
{
    const char *const names[] = {"", "plain", "PLAIN ", "EXTERNAL", "ANONYMOUS", "CRAM-MD5"};
    for (size_t i = 0; i < 6; i++)
        ck_assert_int_eq(sasl_response(span_str(names[i]), SPAN_LIT("\0a\0b"), &user, &password),
                         ERR_NOT_FOUND);
}
END_TEST

SUITE("sasl", plain_is_three_parts, plain_of_other_parts_is_malformed, amqplain_is_a_table,
      other_mechanisms_are_not_known)
