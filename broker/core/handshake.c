// SPDX-License-Identifier: Apache-2.0
#include "broker/core/handshake.h"

#include <stdlib.h>

#include "amqp/table.h"
#include "base/limits.h"
#include "base/log.h"
#include "broker/auth/sasl.h"
#include "broker/core/core.h"
#include "broker/core/vhost.h"

/* What clients choose their behaviour by: product and version are RabbitMQ's, the rest says who we
 * are. */
static enum err handshake_properties(const struct core *core, struct buf *b)
{
    static const char *const CAPABILITIES[] = {
        "publisher_confirms",           "exchange_exchange_bindings", "basic.nack",
        "consumer_cancel_notify",       "connection.blocked",         "consumer_priorities",
        "authentication_failure_close", "per_consumer_qos",           "direct_reply_to"};
    struct buf caps;
    buf_init(&caps);
    enum err e = OK;
    for (size_t i = 0; e == OK && i < sizeof(CAPABILITIES) / sizeof(CAPABILITIES[0]); i++)
        e = table_add_bool(&caps, span_str(CAPABILITIES[i]), true);
    if (e == OK)
        e = table_add(b, SPAN_LIT("capabilities"), 'F', buf_span(&caps));
    buf_fini(&caps);
    const struct {
        const char *name;
        struct span value;
    } texts[] = {{"cluster_name", SPAN_LIT("whippet@localhost")},
                 {"copyright", SPAN_LIT("The Whippet authors")},
                 {"information", SPAN_LIT("Whippet, an AMQP 0-9-1 broker; Apache License 2.0")},
                 {"platform", SPAN_LIT("Whippet (C)")},
                 {"product", SPAN_LIT("RabbitMQ")},
                 {"version", core->options.version}};
    for (size_t i = 0; e == OK && i < sizeof(texts) / sizeof(texts[0]); i++)
        e = table_add_longstr(b, span_str(texts[i].name), texts[i].value);
    return e;
}

enum err handshake_start(struct session *s)
{
    struct buf properties;
    buf_init(&properties);
    enum err e = handshake_properties(s->core, &properties);
    if (e == OK) {
        struct method m = {.id = METHOD_connection_start};
        m.connection_start.version_major = 0;
        m.connection_start.version_minor = 9;
        m.connection_start.server_properties = buf_span(&properties);
        m.connection_start.mechanisms = SPAN_LIT(SASL_MECHANISMS);
        m.connection_start.locales = SPAN_LIT("en_US");
        replies_method(s->channel_zero, &m, 0);
    }
    buf_fini(&properties);
    return e;
}

void handshake_refuse(struct session *s, const char *why)
{
    log_event(LOG_CONN_REFUSED, "peer=%s state=%s reason=\"%s\"", s->peer,
              session_state_name(s->state), why);
    session_move(s, SESSION_ENDED);
    session_order(s, ORDER_CLOSE_LATE);
}

static bool handshake_capability(struct span client_properties, const char *name)
{
    struct field caps;
    struct field f;
    return table_find(client_properties, SPAN_LIT("capabilities"), &caps) && caps.tag == 'F' &&
           table_find(caps.value, span_str(name), &f) && f.tag == 't' && f.value.at[0] != 0;
}

/* The reason goes to the log alone. */
static void handshake_login_refused(struct session *s, struct span mechanism, struct span user,
                                    enum users_verdict verdict)
{
    log_event(LOG_CONN_REFUSED, "peer=%s user=\"%.*s\" reason=\"%s\"", s->peer, SPAN_FMT(user),
              users_verdict_text(verdict));
    if (!s->wants_close_reason) {
        session_move(s, SESSION_ENDED);
        session_order(s, ORDER_CLOSE_LATE);
        return;
    }
    struct fault f = {.class_id = 0, .method_id = 0};
    fault_set(&f, REPLY_ACCESS_REFUSED,
              "Login was refused using authentication mechanism %.*s. For details see the broker "
              "logfile.",
              SPAN_FMT(mechanism));
    session_close(s, &f);
}

static void handshake_start_ok(struct session *s, const struct amqp_connection_start_ok *m)
{
    struct span user;
    struct span password;
    s->wants_close_reason = handshake_capability(m->client_properties,
                                                 "authentication_failure_close");
    s->wants_cancels = handshake_capability(m->client_properties, "consumer_cancel_notify");
    switch (sasl_response(m->mechanism, m->response, &user, &password)) {
    case OK: break;
    case ERR_NOT_FOUND: handshake_refuse(s, "unknown authentication mechanism"); return;
    case ERR_NOMEM:
    case ERR_LIMIT:
    case ERR_IO:
    case ERR_FULL:
    case ERR_TAKEN:
    case ERR_FUTURE:
    case ERR_SYNTAX: handshake_refuse(s, "malformed authentication response"); return;
    }
    enum users_verdict verdict = users_check(s->core->options.users, user, password, s->loopback);
    if (verdict != USERS_RIGHT) {
        handshake_login_refused(s, m->mechanism, user, verdict);
        return;
    }
    s->user = span_dup(user);
    if (s->user.at == NULL) {
        session_abort(s);
        return;
    }
    session_move(s, SESSION_TUNE);
    struct method tune = {.id = METHOD_connection_tune};
    tune.connection_tune = (struct amqp_connection_tune){
        .channel_max = s->core->options.channel_max,
        .frame_max = s->core->options.frame_max,
        .heartbeat = s->core->options.heartbeat_s};
    replies_method(s->channel_zero, &tune, 0);
}

/* RabbitMQ's rule for a value of ours that the client answers with its own. */
static const struct reply *handshake_check_limit(const char *name, uint32_t theirs, uint32_t ours,
                                                 uint32_t least, struct fault *f)
{
    if (theirs != 0 && theirs < least)
        return fault_set(f, REPLY_NOT_ALLOWED,
                         "negotiated %s = %u is lower than the minimum allowed value (%u)", name,
                         theirs, least);
    if (ours != 0 && (theirs == 0 || theirs > ours))
        return fault_set(f, REPLY_NOT_ALLOWED,
                         "negotiated %s = %u%s is higher than the maximum allowed value (%u)", name,
                         theirs, theirs == 0 ? " (no limit)" : "", ours);
    return NULL;
}

static void handshake_tune_ok(struct session *s, const struct amqp_connection_tune_ok *m)
{
    struct fault f = {.class_id = 10, .method_id = 31};
    const struct core_options *o = &s->core->options;
    if (handshake_check_limit("frame_max", m->frame_max, o->frame_max, FRAME_MAX_MIN, &f) != NULL ||
        handshake_check_limit("channel_max", m->channel_max, o->channel_max, 0, &f) != NULL) {
        session_fail(s, NULL, &f);
        return;
    }
    s->channel_max = m->channel_max;
    session_move(s, SESSION_OPEN);
}

static void handshake_open(struct session *s, const struct amqp_connection_open *m)
{
    struct fault f = {.class_id = 10, .method_id = 40};
    if (!span_eq(m->virtual_host, s->core->vhost->name)) {
        log_event(LOG_CONN_REFUSED,
                  "peer=%s user=\"%.*s\" vhost=\"%.*s\" reason=\"unknown virtual host\"", s->peer,
                  SPAN_FMT(s->user), SPAN_FMT(m->virtual_host));
        fault_set(&f, REPLY_NOT_ALLOWED, "vhost %.*s not found", SPAN_FMT(m->virtual_host));
        session_close(s, &f);
        return;
    }
    s->vhost = s->core->vhost;
    log_event(LOG_CONN_OPENED, "peer=%s user=\"%.*s\" vhost=\"%.*s\"", s->peer, SPAN_FMT(s->user),
              SPAN_FMT(m->virtual_host));
    session_move(s, SESSION_RUNNING);
    struct method ok = {.id = METHOD_connection_open_ok};
    replies_method(s->channel_zero, &ok, 0);
    session_order(s, ORDER_OPEN);
}

/* Once the limits are agreed the client can be told; before, RabbitMQ says nothing. */
static void handshake_unexpected(struct session *s, const struct method *m)
{
    struct fault f = {.class_id = method_info(m->id)->class_id,
                      .method_id = method_info(m->id)->method_id};
    if (s->state != SESSION_OPEN) {
        handshake_refuse(s, "unexpected method during the handshake");
        return;
    }
    fault_set(&f, REPLY_CHANNEL_ERROR, "unexpected method in connection state opening");
    session_fail(s, NULL, &f);
}

void handshake_method(struct session *s, const struct method *m)
{
    if (s->state == SESSION_START && m->id == METHOD_connection_start_ok)
        handshake_start_ok(s, &m->connection_start_ok);
    else if (s->state == SESSION_TUNE && m->id == METHOD_connection_tune_ok)
        handshake_tune_ok(s, &m->connection_tune_ok);
    else if (s->state == SESSION_OPEN && m->id == METHOD_connection_open)
        handshake_open(s, &m->connection_open);
    else
        handshake_unexpected(s, m);
}

void handshake_channel_method(struct session *s, struct span payload)
{
    char octets[128];
    struct fault f = {.class_id = 0, .method_id = 0};
    if (s->state != SESSION_OPEN) {
        handshake_refuse(s, "method on a channel during the handshake");
        return;
    }
    bool cut = payload.size > 16;
    fault_print_octets(octets, sizeof(octets), span_of(payload.at, cut ? 16 : payload.size), true);
    fault_set(&f, REPLY_UNEXPECTED_FRAME, "type %d, %s octets = %s", FRAME_METHOD,
              cut ? "first 16" : "all", octets);
    session_fail(s, NULL, &f);
}
