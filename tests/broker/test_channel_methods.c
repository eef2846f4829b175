// SPDX-License-Identifier: Apache-2.0
/* channel_methods.c, but what test_tx, test_channel and test_session show already. */
#include "tests/broker/core_fixture.h"

static struct fixture *fx;
static struct client *c;

static void begin(void)
{
    fx = fixture_new(0);
    c = fixture_connect(fx);
}

START_TEST(a_channel_is_opened_once)
{
    begin();
    say(c, "1 channel_open");
    heard(c,
          "0 connection_close reply_code=504 reply_text=CHANNEL_ERROR - second 'channel.open' "
          "seen class_id=20 method_id=10",
          "order CLOSING");
    fixture_free(fx);
}
END_TEST

START_TEST(flow_may_be_asked_for_and_not_stopped)
{
    begin();
    say(c, "1 channel_flow active");
    heard(c, "1 channel_flow_ok active");
    say(c, "1 channel_flow");
    heard(c,
          "0 connection_close reply_code=540 reply_text=NOT_IMPLEMENTED - active=false "
          "class_id=20 method_id=20",
          "order CLOSING");
    fixture_free(fx);
}
END_TEST

START_TEST(access_is_always_granted)
{
    begin();
    say(c, "1 access_request realm=/data active");
    heard(c, "1 access_request_ok ticket=1");
    fixture_free(fx);
}
END_TEST

START_TEST(confirms_count_from_their_select_and_saying_it_again_is_fine)
{
    begin();
    say(c, "1 basic_publish routing_key=nowhere | before");
    say(c, "1 confirm_select");
    say(c, "1 basic_publish routing_key=nowhere | first");
    say(c, "1 confirm_select");
    say(c, "1 basic_publish routing_key=nowhere | second");
    heard(c, "1 confirm_select_ok", "1 basic_ack delivery_tag=1", "1 confirm_select_ok",
          "1 basic_ack delivery_tag=2");
    fixture_free(fx);
}
END_TEST

SUITE("channel_methods", a_channel_is_opened_once, flow_may_be_asked_for_and_not_stopped,
      access_is_always_granted, confirms_count_from_their_select_and_saying_it_again_is_fine)
