// SPDX-License-Identifier: Apache-2.0
/* What a publisher is told, and transactions. */
#include "checks.h"

#include "properties.h"

#include <stdio.h>

#define N_CONFIRMS 200

void check_confirms(struct session *s)
{
    amqp_confirm_select(s->conn, 1);
    ok(s->conn, "confirm.select");
    struct name q = queue(s->conn, 1);
    for (int i = 0; i < N_CONFIRMS; i++) {
        send_text(s->conn, 1, "", q.text, "one of many");
    }
    bool confirmed[N_CONFIRMS + 1] = {false};
    for (int n_left = N_CONFIRMS; n_left > 0;) {
        struct event event = await(s->conn, AMQP_BASIC_ACK_METHOD);
        const amqp_basic_ack_t *ack = event.method.decoded;
        if (ack->delivery_tag < 1 || ack->delivery_tag > N_CONFIRMS ||
            confirmed[ack->delivery_tag]) {
            fail("unexpected ack of %llu", (unsigned long long)ack->delivery_tag);
        }
        for (uint64_t tag = ack->multiple ? 1 : ack->delivery_tag; tag <= ack->delivery_tag;
             tag++) {
            n_left -= !confirmed[tag];
            confirmed[tag] = true;
        }
    }
    same_number("messages once confirmed", ready(s->conn, fresh_channel(s), q.text), N_CONFIRMS);

    /* What reaches no queue is confirmed as well. */
    send_text(s->conn, 1, "", unique("nowhere").text, "lost");
    await_ack(s->conn, N_CONFIRMS + 1);
    nothing_more(s->conn);
}

void check_return(struct session *s)
{
    amqp_confirm_select(s->conn, 1);
    ok(s->conn, "confirm.select");
    struct name missing = unique("missing");
    amqp_basic_properties_t sent = every_property();
    send_message(s->conn, 1, "", missing.text, true, &sent, amqp_cstring_bytes("back to you"));
    struct event event = await(s->conn, AMQP_BASIC_RETURN_METHOD);
    const amqp_basic_return_t *back = event.method.decoded;
    same_number("the reply code", back->reply_code, AMQP_NO_ROUTE);
    same_text("the reply text", back->reply_text, "NO_ROUTE");
    same_text("the exchange", back->exchange, "");
    same_text("the routing key", back->routing_key, missing.text);
    same_text("the body", event.message.body, "back to you");
    carries(event.message.properties, sent);
    amqp_destroy_message(&event.message);
    await_ack(s->conn, 1);

    struct name q = queue(s->conn, 1);
    send_message(s->conn, 1, "", q.text, true, &sent, amqp_cstring_bytes("routed"));
    await_ack(s->conn, 2);
    nothing_more(s->conn);
}

static void commit(struct session *s)
{
    amqp_tx_commit(s->conn, 1);
    ok(s->conn, "tx.commit");
}

static void close_channel(struct session *s, amqp_channel_t channel)
{
    amqp_rpc_reply_t reply = amqp_channel_close(s->conn, channel, AMQP_REPLY_SUCCESS);
    same_number("the answer to channel.close", reply.reply_type, AMQP_RESPONSE_NORMAL);
}

void check_commit(struct session *s)
{
    struct name q = queue(s->conn, 1);
    amqp_channel_t other = fresh_channel(s);
    amqp_tx_select(s->conn, 1);
    ok(s->conn, "tx.select");
    send_text(s->conn, 1, "", q.text, "1");
    send_text(s->conn, 1, "", q.text, "2");
    same_number("messages before the commit", ready(s->conn, other, q.text), 0);
    commit(s);
    same_number("messages after the commit", ready(s->conn, other, q.text), 2);

    amqp_basic_ack(s->conn, 1, get_text(s->conn, 1, q.text, false, "1", false), false);
    commit(s);
    close_channel(s, 1);
    holds(s->conn, other, q.text, "2", NULL);
}

void check_rollback(struct session *s)
{
    struct name q = queue(s->conn, 1);
    amqp_channel_t other = fresh_channel(s);
    amqp_tx_select(s->conn, 1);
    ok(s->conn, "tx.select");
    send_text(s->conn, 1, "", q.text, "kept");
    commit(s);
    send_text(s->conn, 1, "", q.text, "undone");
    amqp_basic_ack(s->conn, 1, get_text(s->conn, 1, q.text, false, "kept", false), false);
    amqp_tx_rollback(s->conn, 1);
    ok(s->conn, "tx.rollback");
    commit(s);
    close_channel(s, 1);
    get_text(s->conn, other, q.text, true, "kept", true);
    get_nothing(s->conn, other, q.text);
}
