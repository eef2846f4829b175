// SPDX-License-Identifier: Apache-2.0
/* Connections, refusals and failures of a check. What is read and written on channels is in
 * traffic.c. */
#include "session.h"

#include <amqp_tcp_socket.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct timeval DEADLINE = {.tv_sec = DEADLINE_S};

/* One check runs at a time, so one place to return to and one reason are enough. */
static jmp_buf out_of_check;
static char reason[512];

void fail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(reason, sizeof reason, format, arguments);
    va_end(arguments);
    longjmp(out_of_check, 1);
}

/* In a function of its own: what main loops over must not live in a frame that setjmp returns to
 * twice. */
static bool run_check(struct session *s, void (*check)(struct session *))
{
    if (setjmp(out_of_check) != 0) {
        return false;
    }
    s->conn = connect_to_broker(s, 0);
    s->last_channel = 1;
    check(s);
    return true;
}

bool session_check(const char *name, void (*check)(struct session *))
{
    struct session s = {0};
    bool passed = run_check(&s, check);
    for (int i = 0; i < s.n_opened; i++) {
        if (passed) {
            amqp_connection_close(s.opened[i], AMQP_REPLY_SUCCESS);
        }
        amqp_destroy_connection(s.opened[i]);
    }
    if (passed) {
        printf("ok - %s\n", name);
    } else {
        printf("not ok - %s: %s\n", name, reason);
    }
    return passed;
}

void same_number(const char *what, uint64_t got, uint64_t wanted)
{
    if (got != wanted) {
        fail("%s is %llu, not %llu", what, (unsigned long long)got, (unsigned long long)wanted);
    }
}

void same_text(const char *what, amqp_bytes_t got, const char *wanted)
{
    if (got.len != strlen(wanted) || (got.len > 0 && memcmp(got.bytes, wanted, got.len) != 0)) {
        fail("%s is '%.*s', not '%s'", what, got.len > 200 ? 200 : (int)got.len,
             (const char *)got.bytes, wanted);
    }
}

amqp_connection_state_t dial(struct session *s)
{
    const char *host = getenv("AMQP_HOST");
    const char *port = getenv("AMQP_PORT");
    if (host == NULL || port == NULL) {
        fail("AMQP_HOST and AMQP_PORT must be set");
    }
    if (s->n_opened == N_CONNECTIONS_MAX) {
        fail("more connections than a session has room for");
    }
    amqp_connection_state_t conn = amqp_new_connection();
    s->opened[s->n_opened++] = conn;
    int status = amqp_socket_open_noblock(amqp_tcp_socket_new(conn), host, atoi(port), &DEADLINE);
    if (status != AMQP_STATUS_OK) {
        fail("connecting: %s", amqp_error_string2(status));
    }
    amqp_set_handshake_timeout(conn, &DEADLINE);
    amqp_set_rpc_timeout(conn, &DEADLINE);
    return conn;
}

amqp_rpc_reply_t login(amqp_connection_state_t conn, const char *vhost, const char *password,
                       int heartbeat_s)
{
    amqp_table_entry_t capability = {
        .key = amqp_cstring_bytes("consumer_cancel_notify"),
        .value = {.kind = AMQP_FIELD_KIND_BOOLEAN, .value.boolean = 1},
    };
    amqp_table_entry_t property = {
        .key = amqp_cstring_bytes("capabilities"),
        .value = {.kind = AMQP_FIELD_KIND_TABLE, .value.table = {1, &capability}},
    };
    amqp_table_t properties = {1, &property};
    return amqp_login_with_properties(conn, vhost, 0, AMQP_DEFAULT_FRAME_SIZE, heartbeat_s,
                                      &properties, AMQP_SASL_METHOD_PLAIN, "guest", password);
}

const char *reply_text(const amqp_rpc_reply_t *reply)
{
    return reply->reply_type == AMQP_RESPONSE_LIBRARY_EXCEPTION
               ? amqp_error_string2(reply->library_error)
               : "refused by the broker";
}

amqp_connection_state_t connect_to_broker(struct session *s, int heartbeat_s)
{
    amqp_connection_state_t conn = dial(s);
    amqp_rpc_reply_t reply = login(conn, "/", "guest", heartbeat_s);
    if (reply.reply_type != AMQP_RESPONSE_NORMAL) {
        fail("login: %s", reply_text(&reply));
    }
    open_channel(conn, 1);
    return conn;
}

void disconnect(struct session *s, amqp_connection_state_t conn)
{
    amqp_rpc_reply_t reply = amqp_connection_close(conn, AMQP_REPLY_SUCCESS);
    same_number("the answer to connection.close", reply.reply_type, AMQP_RESPONSE_NORMAL);
    amqp_destroy_connection(conn);
    int n_left = 0;
    for (int i = 0; i < s->n_opened; i++) {
        if (s->opened[i] != conn) {
            s->opened[n_left++] = s->opened[i];
        }
    }
    s->n_opened = n_left;
}

void open_channel(amqp_connection_state_t conn, amqp_channel_t channel)
{
    amqp_channel_open(conn, channel);
    ok(conn, "channel.open");
}

amqp_channel_t fresh_channel(struct session *s)
{
    open_channel(s->conn, ++s->last_channel);
    return s->last_channel;
}

void ok(amqp_connection_state_t conn, const char *what)
{
    amqp_rpc_reply_t reply = amqp_get_rpc_reply(conn);
    if (reply.reply_type == AMQP_RESPONSE_LIBRARY_EXCEPTION) {
        fail("%s: %s", what, reply_text(&reply));
    }
    if (reply.reply_type == AMQP_RESPONSE_SERVER_EXCEPTION &&
        reply.reply.id == AMQP_CHANNEL_CLOSE_METHOD) {
        const amqp_channel_close_t *close = reply.reply.decoded;
        fail("%s: %.*s", what, (int)close->reply_text.len, (const char *)close->reply_text.bytes);
    }
    if (reply.reply_type == AMQP_RESPONSE_SERVER_EXCEPTION &&
        reply.reply.id == AMQP_CONNECTION_CLOSE_METHOD) {
        const amqp_connection_close_t *close = reply.reply.decoded;
        fail("%s: %.*s", what, (int)close->reply_text.len, (const char *)close->reply_text.bytes);
    }
    same_number(what, reply.reply_type, AMQP_RESPONSE_NORMAL);
}

/* Asserts the reason, answers with close-ok, and asserts that everything else works. */
static void costs_its_channel(struct session *s, amqp_channel_t channel,
                              const amqp_channel_close_t *close, int code, const char *text)
{
    same_number("the reply code", close->reply_code, (uint64_t)code);
    same_text("the reply text", close->reply_text, text);
    amqp_channel_close_ok_t answer = {0};
    int status = amqp_send_method(s->conn, channel, AMQP_CHANNEL_CLOSE_OK_METHOD, &answer);
    same_number("the status of sending close-ok", (uint64_t)status, AMQP_STATUS_OK);

    amqp_channel_t working[] = {1, fresh_channel(s)};
    for (int i = 0; i < 2; i++) {
        struct name q = queue(s->conn, working[i]);
        send_text(s->conn, working[i], "", q.text, "still here");
        holds(s->conn, working[i], q.text, "still here", NULL);
    }
}

void refused(struct session *s, amqp_channel_t channel, int code, const char *format, ...)
{
    char text[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    amqp_rpc_reply_t reply = amqp_get_rpc_reply(s->conn);
    same_number("the kind of answer", reply.reply_type, AMQP_RESPONSE_SERVER_EXCEPTION);
    same_number("the method that came back", reply.reply.id, AMQP_CHANNEL_CLOSE_METHOD);
    costs_its_channel(s, channel, reply.reply.decoded, code, text);
}

void closed(struct session *s, amqp_channel_t channel, int code, const char *format, ...)
{
    char text[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    struct event event = await(s->conn, AMQP_CHANNEL_CLOSE_METHOD);
    same_number("the channel that was closed", event.channel, channel);
    costs_its_channel(s, channel, event.method.decoded, code, text);
}

struct name unique(const char *what)
{
    static int n_names;
    struct name name;
    snprintf(name.text, sizeof name.text, "interop.c.%d.%d.%s", (int)getpid(), ++n_names, what);
    return name;
}
