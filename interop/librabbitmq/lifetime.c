// SPDX-License-Identifier: Apache-2.0
/* Who may use a queue and how long it lasts; and refusals that cost a channel. */
#include "checks.h"

#define NO_QUEUE    "NOT_FOUND - no queue '%s' in vhost '/'"
#define NO_EXCHANGE "NOT_FOUND - no exchange '%s' in vhost '/'"

static void declare(amqp_connection_state_t conn, amqp_channel_t channel, const char *name,
                    bool durable, bool exclusive, bool auto_delete)
{
    amqp_queue_declare(conn, channel, amqp_cstring_bytes(name), false, durable, exclusive,
                       auto_delete, amqp_empty_table);
}

static void is_gone(struct session *s, const char *name)
{
    amqp_channel_t channel = fresh_channel(s);
    amqp_queue_declare(s->conn, channel, amqp_cstring_bytes(name), true, false, false, false,
                       amqp_empty_table);
    refused(s, channel, AMQP_NOT_FOUND, NO_QUEUE, name);
}

static void is_locked(struct session *s, amqp_channel_t channel, const char *name)
{
    refused(s, channel, AMQP_RESOURCE_LOCKED,
            "RESOURCE_LOCKED - cannot obtain exclusive access to locked queue '%s' in vhost '/'. It"
            " could be originally declared on another connection or the exclusive property value"
            " does not match that of the original declaration.",
            name);
}

void check_exclusive_queue(struct session *s)
{
    struct name q = unique("exclusive");
    amqp_connection_state_t owner = connect_to_broker(s, 0);
    declare(owner, 1, q.text, false, true, false);
    ok(owner, "queue.declare by the owner");
    open_channel(owner, 2);
    same_number("messages, for the owner's other channel", ready(owner, 2, q.text), 0);

    amqp_channel_t channel = fresh_channel(s);
    declare(s->conn, channel, q.text, false, true, false);
    is_locked(s, channel, q.text);
    channel = fresh_channel(s);
    amqp_basic_consume(s->conn, channel, amqp_cstring_bytes(q.text), amqp_empty_bytes, false, true,
                       false, amqp_empty_table);
    is_locked(s, channel, q.text);
    channel = fresh_channel(s);
    amqp_queue_delete(s->conn, channel, amqp_cstring_bytes(q.text), false, false);
    is_locked(s, channel, q.text);

    disconnect(s, owner);
    is_gone(s, q.text);
}

void check_auto_delete_queue(struct session *s)
{
    struct name q = unique("auto-delete");
    declare(s->conn, 1, q.text, false, false, true);
    ok(s->conn, "queue.declare");
    consume(s->conn, 1, q.text, "first", true);
    consume(s->conn, 1, q.text, "second", true);
    amqp_basic_cancel(s->conn, 1, amqp_cstring_bytes("first"));
    ok(s->conn, "basic.cancel");
    same_number("messages while a consumer is left", ready(s->conn, 1, q.text), 0);
    amqp_basic_cancel(s->conn, 1, amqp_cstring_bytes("second"));
    ok(s->conn, "basic.cancel");
    is_gone(s, q.text);
}

void check_not_found(struct session *s)
{
    struct name missing = unique("missing");
    is_gone(s, missing.text);
    amqp_channel_t channel = fresh_channel(s);
    amqp_queue_bind(s->conn, channel, amqp_cstring_bytes(queue(s->conn, 1).text),
                    amqp_cstring_bytes(missing.text), amqp_empty_bytes, amqp_empty_table);
    refused(s, channel, AMQP_NOT_FOUND, NO_EXCHANGE, missing.text);
    channel = fresh_channel(s);
    send_text(s->conn, channel, missing.text, "", "to nowhere");
    closed(s, channel, AMQP_NOT_FOUND, NO_EXCHANGE, missing.text);
}

void check_precondition_failed(struct session *s)
{
    struct name q = unique("transient");
    declare(s->conn, 1, q.text, false, false, false);
    ok(s->conn, "queue.declare");
    amqp_channel_t channel = fresh_channel(s);
    declare(s->conn, channel, q.text, true, false, false);
    refused(s, channel, AMQP_PRECONDITION_FAILED,
            "PRECONDITION_FAILED - inequivalent arg 'durable' for queue '%s' in vhost '/': received"
            " 'true' but current is 'false'",
            q.text);
    channel = fresh_channel(s);
    amqp_tx_commit(s->conn, channel);
    refused(s, channel, AMQP_PRECONDITION_FAILED,
            "PRECONDITION_FAILED - channel is not transactional");
    channel = fresh_channel(s);
    amqp_basic_ack(s->conn, channel, 77, false);
    closed(s, channel, AMQP_PRECONDITION_FAILED, "PRECONDITION_FAILED - unknown delivery tag 77");
    amqp_queue_delete(s->conn, 1, amqp_cstring_bytes(q.text), false, false);
    ok(s->conn, "queue.delete");
}
