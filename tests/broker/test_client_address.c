// SPDX-License-Identifier: Apache-2.0
/* Addresses as our tools take them: amqp://USER:PASSWORD@HOST:PORT/VHOST. */
#include "broker/cli/client.h"

#include <stdio.h>

#include "tests/base/suite.h"

static void check_parts(const char *uri, const char *user, const char *password, const char *host,
                        const char *port, const char *vhost)
{
    struct client_address a;
    ck_assert_msg(client_address_parse(&a, uri) == OK, "%s is refused", uri);
    ck_assert_str_eq(a.user, user);
    ck_assert_str_eq(a.password, password);
    ck_assert_str_eq(a.host, host);
    ck_assert_str_eq(a.port, port);
    ck_assert_str_eq(a.vhost, vhost);
}

START_TEST(missing_parts_have_defaults)
{
    check_parts("amqp://", "guest", "guest", "127.0.0.1", "5672", "/");
    check_parts("amqp:///", "guest", "guest", "127.0.0.1", "5672", "/");
    check_parts("amqp://host", "guest", "guest", "host", "5672", "/");
    check_parts("amqp://:1234", "guest", "guest", "127.0.0.1", "1234", "/");
    check_parts("amqp://u@host", "u", "guest", "host", "5672", "/");
}
END_TEST

START_TEST(every_part_is_found)
{
    check_parts("amqp://u:p@h:1/v", "u", "p", "h", "1", "v");
    check_parts("amqp://u:p@[::1]:1/v", "u", "p", "::1", "1", "v");
    check_parts("amqp://u:p@q@h/v", "u", "p@q", "h", "5672", "v");
    check_parts("amqp://u:@h", "u", "", "h", "5672", "/");
}
END_TEST

START_TEST(percent_signs_stand_for_bytes)
{
    check_parts("amqp://u%40x:p%3a%2F@h/%2f", "u@x", "p:/", "h", "5672", "/");
}
END_TEST

START_TEST(malformed_ones_are_refused)
{
    static const char *const WRONG[] = {"",
                                        "http://h",
                                        "amqp:/h",
                                        "amqp://h:",
                                        "amqp://[::1",
                                        "amqp://[::1]x",
                                        "amqp://h/%",
                                        "amqp://h/%2",
                                        "amqp://h/%zz",
                                        "amqp://h?heartbeat=1"};
    for (size_t i = 0; i < sizeof(WRONG) / sizeof(WRONG[0]); i++) {
        struct client_address a;
        ck_assert_msg(client_address_parse(&a, WRONG[i]) == ERR_SYNTAX, "%s is taken", WRONG[i]);
    }
}
END_TEST

START_TEST(a_part_too_long_is_refused)
{
    char uri[600];
    for (size_t size = CLIENT_TEXT_MAX - 2; size <= CLIENT_TEXT_MAX + 1; size++) {
        struct client_address a;
        int n = snprintf(uri, sizeof(uri), "amqp://h/%0*d", (int)size, 0);
        ck_assert_int_gt(n, 0);
        ck_assert_int_eq(client_address_parse(&a, uri), size < CLIENT_TEXT_MAX ? OK : ERR_SYNTAX);
    }
}
END_TEST

SUITE("client_address", missing_parts_have_defaults, every_part_is_found,
      percent_signs_stand_for_bytes, malformed_ones_are_refused, a_part_too_long_is_refused)
