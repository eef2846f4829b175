// SPDX-License-Identifier: Apache-2.0
#include "broker/core/core.h"

#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "base/rng.h"
#include "broker/core/output.h"
#include "tests/broker/core_fixture.h"

START_TEST(names_that_nobody_guesses_never_repeat)
{
    struct fixture *fx = fixture_new(0);
    static char names[2000][64];
    for (size_t i = 0; i < 2000; i++) {
        uint8_t at[64];
        struct span name = core_make_name(fx->core, "p-", at);
        ck_assert_uint_eq(name.size, 24);
        snprintf(names[i], sizeof(names[i]), "%.*s", SPAN_FMT(name));
        ck_assert_uint_eq(strspn(names[i] + 2,
                                 "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                 "0123456789-_"),
                          22);
    }
    qsort(names, 2000, sizeof(names[0]), (int (*)(const void *, const void *))strcmp);
    for (size_t i = 1; i < 2000; i++)
        ck_assert_str_ne(names[i - 1], names[i]);
    fixture_free(fx);
}
END_TEST

START_TEST(a_core_at_rest_wants_no_turn)
{
    struct fixture *fx = fixture_new(0);
    ck_assert(!core_step(fx->core));
    struct client *c = fixture_connect(fx);
    say(c, "1 queue_declare queue=q no_wait");
    say(c, "1 basic_consume queue=q no_wait");
    ck_assert(!core_step(fx->core));
    fixture_free(fx);
}
END_TEST

/* Freed in the middle of everything, a core leaves nothing behind: for the leak checker. */
START_TEST(a_core_is_freed_with_whatever_is_going_on)
{
    struct fixture *fx = fixture_new(5000);
    struct client *c = fixture_connect(fx);
    struct client *d = fixture_connect(fx);
    say(c, "1 queue_declare queue=q durable no_wait");
    say(c, "1 queue_declare queue=e exclusive no_wait");
    d->stalled = true;
    say(d, "1 basic_consume queue=q no_wait");
    say(d, "2 channel_open");
    say(d, "2 tx_select");
    say(d, "2 basic_publish routing_key=q | held");
    fx->store_held = true;
    for (int i = 0; i < 100; i++)
        put(c, "1 basic_publish routing_key=q | 0123456789012345678901234567890123456789");
    put(c, "1 queue_declare queue=waits durable");
    put(c, "1 basic_get queue=q");
    fixture_step(fx);
    for (unsigned i = 0; i < fx->n_clients; i++)
        fx->clients[i].open = fx->clients[i].closed = true;
    core_free(fx->core);
    fx->core = NULL;
    /* What is left of the fixture itself. */
    for (unsigned i = 0; i < fx->n_clients; i++)
        forget(&fx->clients[i]);
    for (unsigned i = 0; i < FIXTURE_LINKS; i++)
        link_fini(&fx->links[i]);
    null_keeper_fini(&fx->keeper);
    users_fini(&fx->users);
    free(fx);
}
END_TEST

START_TEST(a_flood_does_not_make_a_turn_longer)
{
    struct fixture *fx = fixture_new(0);
    struct client *c = fixture_connect(fx);
    say(c, "1 queue_declare queue=q no_wait");
    for (int i = 0; i < 4; i++) {
        for (int k = 0; k < 2500; k++)
            put(c, "1 basic_publish routing_key=q | x");
        fixture_run(fx);
    }
    ck_assert_uint_eq(queue_n_ready(fixture_queue(fx, "q")), 10000);
    ck_assert_uint_le(fx->core->stats.work_max, TURN_WORK_MAX);
    fixture_free(fx);
}
END_TEST

START_TEST(a_shutdown_tells_everybody)
{
    struct fixture *fx = fixture_new(0);
    struct client *c = fixture_connect(fx);
    struct client *d = fixture_socket(fx, 1);
    forget(d);
    core_shutdown(fx->core);
    fixture_run(fx);
    heard(c,
          "0 connection_close reply_code=320 reply_text=CONNECTION_FORCED - broker forced "
          "connection closure with reason 'shutdown'",
          "order CLOSING");
    heard(d, "order CLOSE"); /* it was not that far */
    fixture_free(fx);
}
END_TEST

/* Fills the ring to the last order; what is in it is not for the client to hear. */
static void fill_ring(struct session *s)
{
    static uint8_t payload[8000];
    while (output_payload(s, 1, span_of(payload, sizeof(payload))))
        continue;
    while (output_order(s, ORDER_RESUME))
        continue;
}

static void empty_ring(struct ring *out)
{
    size_t size;
    ring_publish(out);
    ring_see_published(out);
    while (ring_peek(out, &size) != NULL)
        ring_skip(out);
    ring_release(out);
}

START_TEST(a_full_ring_does_not_hold_up_the_orders_of_other_links)
{
    struct fixture *fx = fixture_new(0);
    struct session *s[FIXTURE_LINKS];
    for (unsigned i = 0; i < FIXTURE_LINKS; i++) {
        struct client *c = fixture_socket(fx, i);
        s[i] = fx->core->links[i].sessions[c->conn.index];
    }
    for (unsigned i = 0; i < FIXTURE_LINKS; i++) {
        fill_ring(s[i]);
        session_order(s[i], ORDER_PAUSE);
        ck_assert_uint_eq(s[i]->orders_due, BIT(ORDER_PAUSE));
    }
    /* The first in the list finds no room, the other does. */
    empty_ring(&fx->links[1].out);
    fx->out_held = true;
    fixture_step(fx);
    ck_assert_uint_eq(s[0]->orders_due, BIT(ORDER_PAUSE));
    ck_assert_uint_eq(s[1]->orders_due, 0);
    empty_ring(&fx->links[0].out);
    fixture_step(fx);
    ck_assert_uint_eq(s[0]->orders_due, 0);
    fixture_free(fx);
}
END_TEST

SUITE("core", names_that_nobody_guesses_never_repeat, a_core_at_rest_wants_no_turn,
      a_core_is_freed_with_whatever_is_going_on, a_flood_does_not_make_a_turn_longer,
      a_shutdown_tells_everybody, a_full_ring_does_not_hold_up_the_orders_of_other_links)
