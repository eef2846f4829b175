// SPDX-License-Identifier: Apache-2.0
#include "broker/core/handshake.h"

#include <string.h>

#include "amqp/table.h"
#include "tests/broker/core_fixture.h"

static struct fixture *fx;
static struct client *c;

static void begin(void)
{
    fx = fixture_new(0);
    c = fixture_socket(fx, 0);
    ck_assert_uint_eq(n_heard(c), 1);
    ck_assert_str_eq(line_heard(c, 0),
                     "0 connection_start version_minor=9 mechanisms=PLAIN AMQPLAIN "
                     "locales=en_US");
    forget(c);
}

/* The text of a line ends at a NUL: a login is put by hand. */
static void log_in(const char *user, const char *password, bool wants_reason)
{
    char response[64];
    size_t n = 0;
    response[n++] = 0;
    n += strlen(strcpy(response + n, user)) + 1;
    n += strlen(strcpy(response + n, password));
    struct buf caps;
    struct buf b;
    buf_init(&caps);
    buf_init(&b);
    if (wants_reason)
        ck_assert_int_eq(table_add_bool(&caps, SPAN_LIT("authentication_failure_close"), true), OK);
    ck_assert_int_eq(table_add(&b, SPAN_LIT("capabilities"), 'F', buf_span(&caps)), OK);
    struct method m = {.id = METHOD_connection_start_ok};
    m.connection_start_ok.client_properties = buf_span(&b);
    m.connection_start_ok.mechanism = SPAN_LIT("PLAIN");
    m.connection_start_ok.response = span_of(response, n);
    put_method(c, 0, &m);
    fixture_run(fx);
    buf_fini(&caps);
    buf_fini(&b);
}

START_TEST(start_tune_open_make_a_connection)
{
    begin();
    log_in("guest", "guest", false);
    heard(c, "0 connection_tune channel_max=2047 frame_max=131072 heartbeat=60");
    say(c, "0 connection_tune_ok channel_max=100 frame_max=4096");
    heard_nothing(c);
    say(c, "0 connection_open virtual_host=/");
    heard(c, "0 connection_open_ok", "order OPEN");
    fixture_free(fx);
}
END_TEST

START_TEST(a_refused_login_is_told_to_those_who_asked)
{
    begin();
    log_in("guest", "wrong", false);
    heard(c, "order CLOSE_LATE");
    fixture_free(fx);
    begin();
    log_in("nobody", "guest", true);
    heard(c,
          "0 connection_close reply_code=403 reply_text=ACCESS_REFUSED - Login was refused using "
          "authentication mechanism PLAIN. For details see the broker logfile.",
          "order CLOSING");
    fixture_free(fx);
}
END_TEST

static void check_tune(const char *line, const char *wanted)
{
    begin();
    log_in("guest", "guest", false);
    forget(c);
    say(c, "%s", line);
    say(c, "0 connection_open virtual_host=/");
    ck_assert_str_eq(line_heard(c, 0), wanted);
    fixture_free(fx);
}

START_TEST(tune_ok_stays_within_what_was_offered)
{
    check_tune("0 connection_tune_ok channel_max=2047 frame_max=131072", "0 connection_open_ok");
    check_tune("0 connection_tune_ok channel_max=1 frame_max=4096 heartbeat=9999",
               "0 connection_open_ok");
    check_tune("0 connection_tune_ok channel_max=1 frame_max=4095",
               "0 connection_close reply_code=530 reply_text=NOT_ALLOWED - negotiated frame_max = "
               "4095 is lower than the minimum allowed value (4096) class_id=10 method_id=31");
    check_tune("0 connection_tune_ok channel_max=1 frame_max=131073",
               "0 connection_close reply_code=530 reply_text=NOT_ALLOWED - negotiated frame_max = "
               "131073 is higher than the maximum allowed value (131072) class_id=10 method_id=31");
    check_tune(
        "0 connection_tune_ok channel_max=1",
        "0 connection_close reply_code=530 reply_text=NOT_ALLOWED - negotiated frame_max = 0 "
        "(no limit) is higher than the maximum allowed value (131072) class_id=10 "
        "method_id=31");
    check_tune(
        "0 connection_tune_ok frame_max=4096",
        "0 connection_close reply_code=530 reply_text=NOT_ALLOWED - negotiated channel_max = "
        "0 (no limit) is higher than the maximum allowed value (2047) class_id=10 "
        "method_id=31");
}
END_TEST

START_TEST(a_vhost_that_is_not_there_cannot_be_opened)
{
    begin();
    log_in("guest", "guest", false);
    say(c, "0 connection_tune_ok channel_max=1 frame_max=4096");
    forget(c);
    say(c, "0 connection_open virtual_host=none");
    heard(c,
          "0 connection_close reply_code=530 reply_text=NOT_ALLOWED - vhost none not found "
          "class_id=10 method_id=40",
          "order CLOSING");
    fixture_free(fx);
}
END_TEST

/* Whatever comes out of turn before the connection is open ends it, and is never executed. */
START_TEST(nothing_else_is_done_before_the_connection_is_open)
{
    static const char *const LINES[] = {"1 channel_open",
                                        "1 queue_declare queue=q durable",
                                        "1 basic_publish routing_key=q | x",
                                        "0 connection_open virtual_host=/",
                                        "0 connection_tune_ok channel_max=1 frame_max=4096",
                                        "0 connection_start_ok mechanism=NONE response=x",
                                        "0 connection_secure_ok response=x",
                                        "0 queue_declare queue=q"};
    for (size_t i = 0; i < sizeof(LINES) / sizeof(LINES[0]); i++) {
        begin();
        say(c, "%s", LINES[i]);
        const char *last = line_heard(c, n_heard(c) - 1);
        ck_assert_msg(strncmp(last, "order CLOS", 10) == 0, "%s: %s", LINES[i], last);
        forget(c);
        log_in("guest", "guest", false);
        say(c, "0 connection_tune_ok channel_max=1 frame_max=4096");
        say(c, "0 connection_open virtual_host=/");
        say(c, "1 channel_open");
        heard_nothing(c);
        ck_assert_ptr_null(fixture_queue(fx, "q"));
        fixture_free(fx);
    }
}
END_TEST

START_TEST(a_socket_that_goes_during_the_handshake_is_released)
{
    for (int step = 0; step < 3; step++) {
        begin();
        if (step > 0)
            log_in("guest", "guest", false);
        if (step > 1)
            say(c, "0 connection_tune_ok channel_max=1 frame_max=4096");
        put_closed(c);
        fixture_run(fx);
        ck_assert(!c->open);
        fixture_free(fx);
    }
}
END_TEST

SUITE("handshake", start_tune_open_make_a_connection, a_refused_login_is_told_to_those_who_asked,
      tune_ok_stays_within_what_was_offered, a_vhost_that_is_not_there_cannot_be_opened,
      nothing_else_is_done_before_the_connection_is_open,
      a_socket_that_goes_during_the_handshake_is_released)
