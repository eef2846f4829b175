// SPDX-License-Identifier: Apache-2.0
/* Deliveries, what becomes of them, and the end of consumers. */
#include "checks.h"

#include <stdio.h>

void check_nack(struct session *s)
{
    static const char *const BODIES[] = {"1", "2", "3"};
    struct name q = queue(s->conn, 1);
    consume(s->conn, 1, q.text, "reader", false);
    uint64_t tag = 0;
    for (int i = 0; i < 3; i++) {
        send_text(s->conn, 1, "", q.text, BODIES[i]);
    }
    for (int i = 0; i < 3; i++) {
        tag = await_delivery(s->conn, BODIES[i], false);
    }
    amqp_basic_nack(s->conn, 1, tag, true, true);
    for (int i = 0; i < 3; i++) {
        amqp_basic_nack(s->conn, 1, await_delivery(s->conn, BODIES[i], true), false, false);
    }

    /* A message goes back to where it stood. */
    amqp_basic_cancel(s->conn, 1, amqp_cstring_bytes("reader"));
    ok(s->conn, "basic.cancel");
    send_text(s->conn, 1, "", q.text, "4");
    send_text(s->conn, 1, "", q.text, "5");
    tag = get_text(s->conn, 1, q.text, false, "4", false);
    amqp_basic_nack(s->conn, 1, tag, false, true);
    get_text(s->conn, 1, q.text, true, "4", true);
    get_text(s->conn, 1, q.text, true, "5", false);
    get_nothing(s->conn, 1, q.text);
}

void check_reject(struct session *s)
{
    struct name q = queue(s->conn, 1);
    send_text(s->conn, 1, "", q.text, "once more");
    uint64_t tag = get_text(s->conn, 1, q.text, false, "once more", false);
    amqp_basic_reject(s->conn, 1, tag, true);
    tag = get_text(s->conn, 1, q.text, false, "once more", true);
    amqp_basic_reject(s->conn, 1, tag, false);
    get_nothing(s->conn, 1, q.text);

    /* So does everything that a closed channel had not acknowledged. */
    send_text(s->conn, 1, "", q.text, "left behind");
    amqp_channel_t other = fresh_channel(s);
    get_text(s->conn, other, q.text, false, "left behind", false);
    amqp_channel_close(s->conn, other, AMQP_REPLY_SUCCESS);
    get_text(s->conn, 1, q.text, true, "left behind", true);
}

void check_recover(struct session *s)
{
    struct name q = queue(s->conn, 1);
    send_text(s->conn, 1, "", q.text, "1");
    send_text(s->conn, 1, "", q.text, "2");
    get_text(s->conn, 1, q.text, false, "1", false);
    get_text(s->conn, 1, q.text, false, "2", false);
    amqp_basic_recover(s->conn, 1, true);
    ok(s->conn, "basic.recover");
    get_text(s->conn, 1, q.text, true, "1", true);
    get_text(s->conn, 1, q.text, true, "2", true);
}

/* Publishes from channel 1, which must be in confirm mode with `tag` as its next tag, and waits
 * until the message is in its queue. Without that, the counts of a declare-ok may be older than a
 * message published before it. */
static void send_confirmed(struct session *s, const char *queue_name, const char *body,
                           uint64_t tag)
{
    send_text(s->conn, 1, "", queue_name, body);
    await_ack(s->conn, tag);
}

static uint64_t await_numbers(struct session *s, int from, int to)
{
    uint64_t tag = 0;
    for (int i = from; i <= to; i++) {
        char body[16];
        snprintf(body, sizeof body, "%d", i);
        tag = await_delivery(s->conn, body, false);
    }
    return tag;
}

/* What waits in the queue and what was delivered add up to what was published, so nothing is on
 * its way beyond the prefetch. */
static void stands(struct session *s, const char *queue_name, uint32_t waiting)
{
    same_number("messages held back", ready(s->conn, 1, queue_name), waiting);
    nothing_more(s->conn);
}

void check_prefetch(struct session *s)
{
    struct name q = queue(s->conn, 1);
    amqp_confirm_select(s->conn, 1);
    ok(s->conn, "confirm.select");
    for (int i = 1; i <= 10; i++) {
        char body[16];
        snprintf(body, sizeof body, "%d", i);
        send_confirmed(s, q.text, body, (uint64_t)i);
    }
    amqp_basic_qos(s->conn, 1, 0, 3, false);
    ok(s->conn, "basic.qos");
    consume(s->conn, 1, q.text, "reader", false);
    uint64_t second = await_numbers(s, 1, 2);
    await_numbers(s, 3, 3);
    stands(s, q.text, 7);
    amqp_basic_ack(s->conn, 1, second, true);
    uint64_t fifth = await_numbers(s, 4, 5);
    stands(s, q.text, 5);
    amqp_basic_ack(s->conn, 1, fifth, false);
    uint64_t sixth = await_numbers(s, 6, 6);
    stands(s, q.text, 4);
    amqp_basic_ack(s->conn, 1, sixth, true);
    await_numbers(s, 7, 9);
    stands(s, q.text, 1);
}

void check_cancel(struct session *s)
{
    struct name q = queue(s->conn, 1);
    consume(s->conn, 1, q.text, "mine", false);
    send_text(s->conn, 1, "", q.text, "before");
    uint64_t before = await_delivery(s->conn, "before", false);
    const amqp_basic_cancel_ok_t *cancelled = amqp_basic_cancel(s->conn, 1,
                                                                amqp_cstring_bytes("mine"));
    ok(s->conn, "basic.cancel");
    same_text("the cancelled tag", cancelled->consumer_tag, "mine");
    amqp_confirm_select(s->conn, 1);
    ok(s->conn, "confirm.select");
    send_confirmed(s, q.text, "after", 1);
    same_number("messages behind the consumer", ready(s->conn, 1, q.text), 1);
    nothing_more(s->conn);
    amqp_basic_ack(s->conn, 1, before, false);
    holds(s->conn, 1, q.text, "after", NULL);
}

void check_server_cancel(struct session *s)
{
    struct name q = queue(s->conn, 1);
    consume(s->conn, 1, q.text, "doomed", true);
    amqp_queue_delete(s->conn, fresh_channel(s), amqp_cstring_bytes(q.text), false, false);
    ok(s->conn, "queue.delete");
    struct event event = await(s->conn, AMQP_BASIC_CANCEL_METHOD);
    const amqp_basic_cancel_t *cancel = event.method.decoded;
    same_number("the channel of the cancel", event.channel, 1);
    same_text("the cancelled tag", cancel->consumer_tag, "doomed");
    same_number("nowait", cancel->nowait != 0, true);
    same_number("messages of a new queue on the channel", ready(s->conn, 1, queue(s->conn, 1).text),
                0);
}
