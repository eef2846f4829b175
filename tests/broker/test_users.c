// SPDX-License-Identifier: Apache-2.0
#include "broker/auth/users.h"

#include "tests/base/suite.h"

static const uint8_t SALT[PASSWORD_SALT] = {0x90, 0x8d, 0xc6, 0x0a};

START_TEST(a_digest_is_what_rabbitmq_keeps)
{
    struct users u;
    users_init(&u);
    ck_assert_int_eq(users_add(&u, SPAN_LIT("me"), SPAN_LIT("test12"), SALT, false), OK);
    /* SHA-256 of 908dc60a and "test12", the example of RabbitMQ's own documentation. */
    static const uint8_t WANTED[] = {0xa5, 0xb9, 0x24, 0xb3, 0x09, 0x6b, 0x88, 0x97,
                                     0xd6, 0x5a, 0x3b, 0x5f, 0x80, 0xfa, 0x5d, 0xb6,
                                     0x2a, 0x94, 0xb8, 0x31, 0x22, 0xcd, 0xf4, 0xf8,
                                     0xfe, 0xad, 0x10, 0xd5, 0x15, 0xd8, 0xf3, 0x91};
    ck_assert_mem_eq(u.list[0].digest, WANTED, PASSWORD_DIGEST);
    users_fini(&u);
}
END_TEST

START_TEST(only_the_right_name_and_password_get_in)
{
    struct users u;
    users_init(&u);
    ck_assert_int_eq(users_check(&u, SPAN_NONE, SPAN_NONE, true), USERS_UNKNOWN);
    ck_assert_int_eq(users_add(&u, SPAN_LIT("a"), SPAN_LIT("pa"), SALT, false), OK);
    ck_assert_int_eq(users_add(&u, SPAN_LIT("b"), SPAN_LIT("pb"), SALT, false), OK);
    ck_assert_int_eq(users_check(&u, SPAN_LIT("a"), SPAN_LIT("pa"), false), USERS_RIGHT);
    ck_assert_int_eq(users_check(&u, SPAN_LIT("b"), SPAN_LIT("pb"), true), USERS_RIGHT);
    ck_assert_int_eq(users_check(&u, SPAN_LIT("a"), SPAN_LIT("pb"), true), USERS_WRONG_PASSWORD);
    ck_assert_int_eq(users_check(&u, SPAN_LIT("A"), SPAN_LIT("pa"), true), USERS_UNKNOWN);
    ck_assert_int_eq(users_check(&u, SPAN_LIT("a"), SPAN_LIT("p"), true), USERS_WRONG_PASSWORD);
    ck_assert_int_eq(users_check(&u, SPAN_LIT("a"), SPAN_LIT("paa"), true), USERS_WRONG_PASSWORD);
    ck_assert_int_eq(users_check(&u, SPAN_LIT("c"), SPAN_LIT("pa"), true), USERS_UNKNOWN);
    ck_assert_int_eq(users_check(&u, SPAN_NONE, SPAN_LIT("pa"), true), USERS_UNKNOWN);
    users_fini(&u);
}
END_TEST

START_TEST(a_blank_password_never_logs_in)
{
    struct users u;
    users_init(&u);
    ck_assert_int_eq(users_add(&u, SPAN_LIT("a"), SPAN_NONE, SALT, false), OK);
    ck_assert_int_eq(users_check(&u, SPAN_LIT("a"), SPAN_NONE, true), USERS_WRONG_PASSWORD);
    users_fini(&u);
}
END_TEST

START_TEST(a_loopback_user_comes_from_this_machine)
{
    struct users u;
    users_init(&u);
    ck_assert_int_eq(users_add(&u, SPAN_LIT("guest"), SPAN_LIT("guest"), SALT, true), OK);
    ck_assert_int_eq(users_check(&u, SPAN_LIT("guest"), SPAN_LIT("guest"), true), USERS_RIGHT);
    ck_assert_int_eq(users_check(&u, SPAN_LIT("guest"), SPAN_LIT("guest"), false),
                     USERS_NOT_LOOPBACK);
    users_fini(&u);
}
END_TEST

SUITE("users", a_digest_is_what_rabbitmq_keeps, only_the_right_name_and_password_get_in,
      a_blank_password_never_logs_in, a_loopback_user_comes_from_this_machine)
