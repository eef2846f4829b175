// SPDX-License-Identifier: Apache-2.0
#include "broker/core/publish_check.h"

#include <string.h>

#include "amqp/table.h"
#include "base/bytes.h"
#include "tests/base/suite.h"

static struct session s = {.user = {(const uint8_t *)"guest", 5}};
static struct fault f;

static const char *answer(const struct reply *reply)
{
    if (reply == NULL)
        return "ok";
    ck_assert_ptr_eq(reply, f.reply);
    return f.text;
}

static const char *check_text(unsigned flag, const char *value)
{
    uint8_t rest[300];
    struct properties p;
    uint8_t *end = put_shortstr(put_u16(rest, (uint16_t)flag), span_str(value));
    return answer(publish_check(&s, span_of(rest, (size_t)(end - rest)), &p, &f));
}

START_TEST(an_expiration_is_a_number_of_milliseconds)
{
    static const char *const RIGHT[] = {"0", "1", "60000", "315360000000", "+5", "-0", "0005"};
    for (size_t i = 0; i < sizeof(RIGHT) / sizeof(RIGHT[0]); i++)
        ck_assert_msg(strcmp(check_text(PROPERTY_expiration, RIGHT[i]), "ok") == 0, "%s: %s",
                      RIGHT[i], f.text);
    static const char *const WRONG[][2] = {
        {"", "''"},      {"x", "'x'"},         {"-1", "value_negative,-1"},
        {"1x", "\"x\""}, {"1.5", "\".5\""},    {"315360000001", "value_too_large,315360000001"},
        {"+", "'+'"},    {" 1", "no_integer"}, {"99999999999999999999999", "value_too_large"},
    };
    for (size_t i = 0; i < sizeof(WRONG) / sizeof(WRONG[0]); i++) {
        const char *text = check_text(PROPERTY_expiration, WRONG[i][0]);
        ck_assert_msg(strncmp(text, "PRECONDITION_FAILED - invalid expiration '", 42) == 0,
                      "%s: %s", WRONG[i][0], text);
        ck_assert_msg(strstr(text, WRONG[i][1]) != NULL, "%s: %s", WRONG[i][0], text);
    }
}
END_TEST

START_TEST(a_user_id_is_the_users_own)
{
    ck_assert_str_eq(check_text(PROPERTY_user_id, "guest"), "ok");
    ck_assert_str_eq(check_text(PROPERTY_user_id, "other"),
                     "PRECONDITION_FAILED - user_id property set to 'other' but authenticated user "
                     "was 'guest'");
    ck_assert_str_eq(check_text(PROPERTY_app_id, "other"), "ok");
}
END_TEST

static const char *check_header(const char *name, char tag, struct span value)
{
    struct buf b;
    uint8_t rest[300];
    struct properties p;
    buf_init(&b);
    ck_assert_int_eq(table_add(&b, span_str(name), tag, value), OK);
    uint8_t *end = put_longstr(put_u16(rest, PROPERTY_headers), buf_span(&b));
    const char *text = answer(publish_check(&s, span_of(rest, (size_t)(end - rest)), &p, &f));
    buf_fini(&b);
    return text;
}

START_TEST(further_keys_are_an_array)
{
    ck_assert_str_eq(check_header("CC", 'A', SPAN_LIT("S\0\0\0\1q")), "ok");
    ck_assert_str_eq(check_header("BCC", 'A', SPAN_NONE), "ok");
    ck_assert_str_eq(check_header("cc", 'S', SPAN_LIT("q")), "ok");
    ck_assert_str_eq(check_header("CC", 'S', SPAN_LIT("q")),
                     "PRECONDITION_FAILED - invalid message: "
                     "{unacceptable_type_in_header,\"CC\",longstr}");
    ck_assert_str_eq(check_header("BCC", 'I', SPAN_LIT("\0\0\0\1")),
                     "PRECONDITION_FAILED - invalid message: "
                     "{unacceptable_type_in_header,\"BCC\",signedint}");
}
END_TEST

START_TEST(malformed_properties_end_the_connection)
{
    struct properties p;
    const struct span wrong[] = {SPAN_NONE, SPAN_LIT("\x80\0\5abc"), SPAN_LIT("\0\1"),
                                 SPAN_LIT("\0\0x")};
    for (size_t i = 0; i < 4; i++) {
        const struct reply *reply = publish_check(&s, wrong[i], &p, &f);
        ck_assert_ptr_nonnull(reply);
        ck_assert_int_eq(reply->scope, SCOPE_CONNECTION);
    }
}
END_TEST

SUITE("publish_check", an_expiration_is_a_number_of_milliseconds, a_user_id_is_the_users_own,
      further_keys_are_an_array, malformed_properties_end_the_connection)
