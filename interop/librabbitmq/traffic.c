// SPDX-License-Identifier: Apache-2.0
/* What a check declares, publishes and reads on its channels. */
#include "session.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct name queue(amqp_connection_state_t conn, amqp_channel_t channel)
{
    const amqp_queue_declare_ok_t *declared = amqp_queue_declare(
        conn, channel, amqp_empty_bytes, false, false, true, false, amqp_empty_table);
    ok(conn, "queue.declare");
    struct name name;
    snprintf(name.text, sizeof name.text, "%.*s", (int)declared->queue.len,
             (const char *)declared->queue.bytes);
    return name;
}

struct name exchange(struct session *s, const char *type)
{
    struct name name = unique(type);
    for (int passive = 0; passive < 2; passive++) {
        amqp_exchange_declare(s->conn, 1, amqp_cstring_bytes(name.text), amqp_cstring_bytes(type),
                              passive, false, true, false, amqp_empty_table);
        ok(s->conn, "exchange.declare");
    }
    return name;
}

struct name bound_queue(struct session *s, const char *exchange_name, const char *key,
                        amqp_table_t arguments)
{
    struct name q = queue(s->conn, 1);
    amqp_queue_bind(s->conn, 1, amqp_cstring_bytes(q.text), amqp_cstring_bytes(exchange_name),
                    amqp_cstring_bytes(key), arguments);
    ok(s->conn, "queue.bind");
    return q;
}

uint32_t ready(amqp_connection_state_t conn, amqp_channel_t channel, const char *queue_name)
{
    const amqp_queue_declare_ok_t *declared = amqp_queue_declare(
        conn, channel, amqp_cstring_bytes(queue_name), true, false, false, false, amqp_empty_table);
    ok(conn, "passive queue.declare");
    return declared->message_count;
}

void send_message(amqp_connection_state_t conn, amqp_channel_t channel, const char *exchange_name,
                  const char *key, bool mandatory, const amqp_basic_properties_t *properties,
                  amqp_bytes_t body)
{
    int status = amqp_basic_publish(conn, channel, amqp_cstring_bytes(exchange_name),
                                    amqp_cstring_bytes(key), mandatory, false, properties, body);
    if (status != AMQP_STATUS_OK) {
        fail("basic.publish: %s", amqp_error_string2(status));
    }
}

void send_text(amqp_connection_state_t conn, amqp_channel_t channel, const char *exchange_name,
               const char *key, const char *body)
{
    send_message(conn, channel, exchange_name, key, false, NULL, amqp_cstring_bytes(body));
}

void consume(amqp_connection_state_t conn, amqp_channel_t channel, const char *queue_name,
             const char *tag, bool no_ack)
{
    amqp_basic_consume(conn, channel, amqp_cstring_bytes(queue_name), amqp_cstring_bytes(tag),
                       false, no_ack, false, amqp_empty_table);
    ok(conn, "basic.consume");
}

static amqp_message_t read_message(amqp_connection_state_t conn, amqp_channel_t channel)
{
    amqp_message_t message;
    amqp_rpc_reply_t reply = amqp_read_message(conn, channel, &message, 0);
    if (reply.reply_type != AMQP_RESPONSE_NORMAL) {
        fail("reading a message: %s", reply_text(&reply));
    }
    return message;
}

struct event await(amqp_connection_state_t conn, amqp_method_number_t method)
{
    amqp_frame_t frame;
    int status = amqp_simple_wait_frame_noblock(conn, &frame,
                                                &(struct timeval){.tv_sec = DEADLINE_S});
    if (status != AMQP_STATUS_OK) {
        fail("waiting for %s: %s", amqp_method_name(method), amqp_error_string2(status));
    }
    same_number("the type of the frame", frame.frame_type, AMQP_FRAME_METHOD);
    if (frame.payload.method.id != method) {
        fail("instead of %s came %s", amqp_method_name(method),
             amqp_method_name(frame.payload.method.id));
    }
    struct event event = {.channel = frame.channel, .method = frame.payload.method};
    if (amqp_method_has_content(method)) {
        event.message = read_message(conn, frame.channel);
    }
    return event;
}

uint64_t await_delivery(amqp_connection_state_t conn, const char *body, bool redelivered)
{
    struct event event = await(conn, AMQP_BASIC_DELIVER_METHOD);
    const amqp_basic_deliver_t *deliver = event.method.decoded;
    same_text("the body", event.message.body, body);
    same_number("redelivered", deliver->redelivered != 0, redelivered);
    amqp_destroy_message(&event.message);
    return deliver->delivery_tag;
}

void await_ack(amqp_connection_state_t conn, uint64_t tag)
{
    struct event event = await(conn, AMQP_BASIC_ACK_METHOD);
    const amqp_basic_ack_t *ack = event.method.decoded;
    same_number("the confirmed tag", ack->delivery_tag, tag);
}

void nothing_more(amqp_connection_state_t conn)
{
    amqp_frame_t frame;
    int status = amqp_simple_wait_frame_noblock(conn, &frame, &(struct timeval){0});
    if (status == AMQP_STATUS_OK) {
        fail("further came a frame of type %d", frame.frame_type);
    }
    same_number("the status of reading on", (uint64_t)status, (uint64_t)AMQP_STATUS_TIMEOUT);
}

/* NULL if the queue is empty. */
static amqp_basic_get_ok_t *try_get(amqp_connection_state_t conn, amqp_channel_t channel,
                                    const char *queue_name, bool no_ack)
{
    amqp_rpc_reply_t reply = amqp_basic_get(conn, channel, amqp_cstring_bytes(queue_name), no_ack);
    if (reply.reply_type != AMQP_RESPONSE_NORMAL) {
        fail("basic.get from %s is not answered", queue_name);
    }
    return reply.reply.id == AMQP_BASIC_GET_OK_METHOD ? reply.reply.decoded : NULL;
}

struct got get(amqp_connection_state_t conn, amqp_channel_t channel, const char *queue_name,
               bool no_ack)
{
    struct got got = {.ok = try_get(conn, channel, queue_name, no_ack)};
    if (got.ok == NULL) {
        fail("queue %s is empty", queue_name);
    }
    got.message = read_message(conn, channel);
    return got;
}

uint64_t get_text(amqp_connection_state_t conn, amqp_channel_t channel, const char *queue_name,
                  bool no_ack, const char *body, bool redelivered)
{
    struct got got = get(conn, channel, queue_name, no_ack);
    same_text("the body", got.message.body, body);
    same_number("redelivered", got.ok->redelivered != 0, redelivered);
    amqp_destroy_message(&got.message);
    return got.ok->delivery_tag;
}

void get_nothing(amqp_connection_state_t conn, amqp_channel_t channel, const char *queue_name)
{
    if (try_get(conn, channel, queue_name, true) != NULL) {
        amqp_message_t message = read_message(conn, channel);
        fail("further came '%.*s'", (int)message.body.len, (const char *)message.body.bytes);
    }
}

void holds(amqp_connection_state_t conn, amqp_channel_t channel, const char *queue_name, ...)
{
    va_list bodies;
    va_start(bodies, queue_name);
    for (const char *body; (body = va_arg(bodies, const char *)) != NULL;) {
        struct got got = get(conn, channel, queue_name, true);
        same_text("the next body", got.message.body, body);
        amqp_destroy_message(&got.message);
    }
    va_end(bodies);
    get_nothing(conn, channel, queue_name);
}
