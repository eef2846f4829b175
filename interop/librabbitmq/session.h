// SPDX-License-Identifier: Apache-2.0
/* session.h — the connections of one check, and what is asserted about them.
 *
 * A check fails by calling fail(), directly or in one of the functions here; it then ends at once
 * (longjmp), and its connections are closed for it. Every wait ends with a failure after
 * DEADLINE_S. What a function returns by pointer lives until the connection is closed.
 */
#ifndef INTEROP_SESSION_H
#define INTEROP_SESSION_H

#include <amqp.h>
#include <amqp_framing.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/time.h>

#define DEADLINE_S        10
#define N_CONNECTIONS_MAX 4

struct session {
    amqp_connection_state_t conn; /* channel 1 is open on it */
    amqp_connection_state_t opened[N_CONNECTIONS_MAX];
    int n_opened;
    amqp_channel_t last_channel;
};

struct name {
    char text[256];
};

/* Runs one check with a session of its own and prints how it went. */
bool session_check(const char *name, void (*check)(struct session *));

/* Why a call did not get its answer. */
const char *reply_text(const amqp_rpc_reply_t *reply);

_Noreturn void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
void same_number(const char *what, uint64_t got, uint64_t wanted);
void same_text(const char *what, amqp_bytes_t got, const char *wanted);

/* Connects without logging in; the session closes it. */
amqp_connection_state_t dial(struct session *s);
/* Announces consumer_cancel_notify; the library adds authentication_failure_close. */
amqp_rpc_reply_t login(amqp_connection_state_t conn, const char *vhost, const char *password,
                       int heartbeat_s);
amqp_connection_state_t connect_to_broker(struct session *s, int heartbeat_s);
void disconnect(struct session *s, amqp_connection_state_t conn);
/* Opens the next channel number of s->conn. */
amqp_channel_t fresh_channel(struct session *s);
void open_channel(amqp_connection_state_t conn, amqp_channel_t channel);

/* Asserts that the last operation on conn was answered as it should be. */
void ok(amqp_connection_state_t conn, const char *what);
/* Asserts that it was answered with channel.close, answers that, and asserts that it cost this
 * channel only: another channel and the connection go on, and a new channel opens. */
void refused(struct session *s, amqp_channel_t channel, int code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* The same for something without an answer: waits for the channel.close. */
void closed(struct session *s, amqp_channel_t channel, int code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* A name that no other run against the same broker uses. */
struct name unique(const char *what);
/* Declares an exclusive queue that the server names. */
struct name queue(amqp_connection_state_t conn, amqp_channel_t channel);
/* Declares an auto-delete exchange; it goes with the bindings of the session's queues. */
struct name exchange(struct session *s, const char *type);
struct name bound_queue(struct session *s, const char *exchange, const char *key,
                        amqp_table_t arguments);
/* The number of ready messages, by a passive declare. */
uint32_t ready(amqp_connection_state_t conn, amqp_channel_t channel, const char *queue);

void send_text(amqp_connection_state_t conn, amqp_channel_t channel, const char *exchange,
               const char *key, const char *body);
void send_message(amqp_connection_state_t conn, amqp_channel_t channel, const char *exchange,
                  const char *key, bool mandatory, const amqp_basic_properties_t *properties,
                  amqp_bytes_t body);
void consume(amqp_connection_state_t conn, amqp_channel_t channel, const char *queue,
             const char *tag, bool no_ack);

/* What the server sent unasked. `message` is empty for methods without content. */
struct event {
    amqp_channel_t channel;
    amqp_method_t method;
    amqp_message_t message;
};

/* Waits for the next of them and asserts its method. */
struct event await(amqp_connection_state_t conn, amqp_method_number_t method);
/* Waits for a delivery, asserts its body and whether it was out before; returns its tag. */
uint64_t await_delivery(amqp_connection_state_t conn, const char *body, bool redelivered);
/* Waits until the server has confirmed this tag of a channel without other confirms in flight. */
void await_ack(amqp_connection_state_t conn, uint64_t tag);
/* Asserts that nothing unasked is waiting to be read from what has arrived. */
void nothing_more(amqp_connection_state_t conn);

struct got {
    amqp_basic_get_ok_t *ok;
    amqp_message_t message;
};

/* basic.get of a message that must be there. */
struct got get(amqp_connection_state_t conn, amqp_channel_t channel, const char *queue,
               bool no_ack);
uint64_t get_text(amqp_connection_state_t conn, amqp_channel_t channel, const char *queue,
                  bool no_ack, const char *body, bool redelivered);
void get_nothing(amqp_connection_state_t conn, amqp_channel_t channel, const char *queue);

/* Asserts that the queue holds exactly these bodies in this order (NULL ends them), and empties
 * it. */
void holds(amqp_connection_state_t conn, amqp_channel_t channel, const char *queue, ...)
    __attribute__((sentinel));

#endif
