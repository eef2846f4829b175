// SPDX-License-Identifier: Apache-2.0
/* What happens to whole connections. */
#include "checks.h"

#include <stdio.h>
#include <string.h>

/* More than three heartbeat intervals of 1 s. */
static const struct timeval IDLE = {.tv_sec = 3, .tv_usec = 500000};

static const amqp_field_value_t *field(const amqp_table_t *table, const char *name)
{
    for (int i = 0; i < table->num_entries; i++) {
        amqp_bytes_t key = table->entries[i].key;
        if (key.len == strlen(name) && memcmp(key.bytes, name, key.len) == 0) {
            return &table->entries[i].value;
        }
    }
    fail("the server properties have no %s", name);
}

void check_connect(struct session *s)
{
    static const char *const CAPABILITIES[] = {
        "publisher_confirms",
        "exchange_exchange_bindings",
        "basic.nack",
        "connection.blocked",
        "authentication_failure_close",
        "consumer_cancel_notify",
        "consumer_priorities",
        "per_consumer_qos",
        "direct_reply_to",
    };
    const amqp_table_t *server = amqp_get_server_properties(s->conn);
    same_text("product", field(server, "product")->value.bytes, "RabbitMQ");
    const amqp_field_value_t *capabilities = field(server, "capabilities");
    same_number("the type of capabilities", capabilities->kind, AMQP_FIELD_KIND_TABLE);
    for (size_t i = 0; i < sizeof CAPABILITIES / sizeof CAPABILITIES[0]; i++) {
        const amqp_field_value_t *one = field(&capabilities->value.table, CAPABILITIES[i]);
        same_number(CAPABILITIES[i], one->kind, AMQP_FIELD_KIND_BOOLEAN);
        same_number(CAPABILITIES[i], one->value.boolean != 0, true);
    }
    same_number("frame_max", (uint64_t)amqp_get_frame_max(s->conn), AMQP_DEFAULT_FRAME_SIZE);
    amqp_rpc_reply_t reply = amqp_channel_close(s->conn, 1, AMQP_REPLY_SUCCESS);
    same_number("the answer to channel.close", reply.reply_type, AMQP_RESPONSE_NORMAL);
    open_channel(s->conn, 1);
    disconnect(s, s->conn);
}

/* The refusals that come instead of tune and of open-ok are connection.close. */
static void is_connection_close(amqp_rpc_reply_t reply, int code, const char *text)
{
    same_number("the kind of answer", reply.reply_type, AMQP_RESPONSE_SERVER_EXCEPTION);
    same_number("the method", reply.reply.id, AMQP_CONNECTION_CLOSE_METHOD);
    const amqp_connection_close_t *close = reply.reply.decoded;
    same_number("the reply code", close->reply_code, (uint64_t)code);
    same_text("the reply text", close->reply_text, text);
}

void check_refused_login(struct session *s)
{
    is_connection_close(login(dial(s), "/", "wrong", 0), AMQP_ACCESS_REFUSED,
                        "ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN."
                        " For details see the broker logfile.");
}

void check_refused_vhost(struct session *s)
{
    is_connection_close(login(dial(s), "nowhere", "guest", 0), AMQP_NOT_ALLOWED,
                        "NOT_ALLOWED - vhost nowhere not found");
}

/* Request and answer between two connections, each reading what the other wrote. */
void check_two_connections(struct session *s)
{
    amqp_connection_state_t other = connect_to_broker(s, 0);
    struct name requests = unique("requests");
    struct name answers = unique("answers");
    amqp_queue_declare(s->conn, 1, amqp_cstring_bytes(requests.text), false, false, false, true,
                       amqp_empty_table);
    ok(s->conn, "queue.declare");
    amqp_queue_declare(s->conn, 1, amqp_cstring_bytes(answers.text), false, false, false, true,
                       amqp_empty_table);
    ok(s->conn, "queue.declare");
    consume(other, 1, requests.text, "", true);
    consume(s->conn, 1, answers.text, "", true);
    for (int i = 0; i < 50; i++) {
        char request[32];
        char answer[32];
        snprintf(request, sizeof request, "request %d", i);
        snprintf(answer, sizeof answer, "answer %d", i);
        send_text(s->conn, 1, "", requests.text, request);
        await_delivery(other, request, false);
        send_text(other, 1, "", answers.text, answer);
        await_delivery(s->conn, answer, false);
    }
}

/* While it waits, the library sends heartbeats, and gives up after two intervals without a frame;
 * the server gives up after 2 to 3 s without one from here. */
void check_heartbeat(struct session *s)
{
    amqp_connection_state_t idle = connect_to_broker(s, 1);
    same_number("the negotiated heartbeat", (uint64_t)amqp_get_heartbeat(idle), 1);
    amqp_frame_t frame;
    int status = amqp_simple_wait_frame_noblock(idle, &frame, &IDLE);
    if (status != AMQP_STATUS_TIMEOUT) {
        fail("the idle wait ended with: %s", amqp_error_string2(status));
    }
    queue(idle, 1);
}
