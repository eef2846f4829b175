// SPDX-License-Identifier: Apache-2.0
#include "broker/core/session.h"

#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/log.h"
#include "broker/core/core.h"
#include "broker/core/dispatch.h"
#include "broker/core/handshake.h"
#include "broker/core/messages.h"
#include "broker/core/publish.h"

#define SESSION_STATE_ROW(name, next) [name] = {next, #name},
static const struct {
    unsigned next;
    const char *name;
} SESSION_ROWS[] = {SESSION_STATES(SESSION_STATE_ROW)};
#undef SESSION_STATE_ROW

const char *session_state_name(enum session_state state)
{
    return SESSION_ROWS[state].name;
}

void session_move(struct session *s, enum session_state state)
{
    ASSERT((SESSION_ROWS[s->state].next & BIT(state)) != 0);
    s->state = state;
}

/* ---- Life ---- */

enum err session_new(struct session **out, struct core_link *link, const struct in_opened *ev)
{
    *out = NULL;
    struct session *s = calloc(1, sizeof(*s));
    if (s == NULL)
        return ERR_NOMEM;
    s->core = link->core;
    s->link = link;
    s->conn = ev->head.conn;
    s->loopback = ev->loopback;
    memcpy(s->peer, ev->peer, sizeof(s->peer));
    s->state = SESSION_START;
    map_init(&s->channels);
    list_init(&s->channel_list);
    list_init(&s->exclusive_queues);
    list_init(&s->waiting);
    list_init(&s->awaiting_output);
    list_init(&s->in_teardowns);
    list_init(&s->in_orders);
    list_init(&s->in_throttled);
    fifo_init(&s->in_flight, sizeof(struct message *));
    if (channel_new(&s->channel_zero, s, 0) != OK) {
        free(s);
        return ERR_NOMEM;
    }
    list_push_back(&s->core->sessions, &s->in_core);
    *out = s;
    if (handshake_start(s) != OK)
        session_abort(s);
    return OK;
}

void session_free(struct session *s)
{
    ASSERT(list_empty(&s->channel_list) && list_empty(&s->exclusive_queues));
    ASSERT(!list_linked(&s->in_throttled));
    s->link->sessions[s->conn.index] = NULL;
    list_remove(&s->in_core);
    list_remove(&s->in_orders);
    list_remove(&s->in_teardowns);
    channel_free(s->channel_zero);
    map_fini(&s->channels);
    fifo_fini(&s->in_flight);
    free((void *)(uintptr_t)s->user.at);
    free(s);
}

/* ---- Orders to the I/O side ---- */

void session_order(struct session *s, enum order order)
{
    if (s->orders_due == 0 && output_order(s, order))
        return;
    s->orders_due |= BIT(order);
    if (!list_linked(&s->in_orders))
        list_push_back(&s->core->orders, &s->in_orders);
}

bool session_flush_orders(struct session *s)
{
    for (enum order order = ORDER_OPEN; order <= ORDER_RELEASED; order++) {
        if ((s->orders_due & BIT(order)) == 0)
            continue;
        if (!output_order(s, order))
            return false;
        s->orders_due &= ~BIT(order);
    }
    list_remove(&s->in_orders);
    if (s->released)
        session_free(s);
    return true;
}

/* An order that is still due and its opposite cancel out. */
static void session_order_either(struct session *s, enum order order, enum order opposite)
{
    if ((s->orders_due & BIT(opposite)) != 0)
        s->orders_due &= ~BIT(opposite);
    else
        session_order(s, order);
}

static void session_pace(struct session *s)
{
    uint64_t limit = s->core->options.memory_limit_bytes;
    bool crowded = limit != 0 && s->core->parked_bytes > limit / PARKING_SHARE;
    size_t most = crowded ? BLOCKED_PARKING_BYTES_CROWDED : BLOCKED_PARKING_BYTES;
    bool pause = s->parked_bytes > most;
    if (s->state == SESSION_ENDED || pause == s->paused || (!pause && s->parked_bytes > most / 2))
        return;
    s->paused = pause;
    session_order_either(s, pause ? ORDER_PAUSE : ORDER_RESUME, pause ? ORDER_RESUME : ORDER_PAUSE);
}

void session_throttle(struct session *s, bool on)
{
    session_order_either(s, on ? ORDER_THROTTLE : ORDER_UNTHROTTLE,
                         on ? ORDER_UNTHROTTLE : ORDER_THROTTLE);
}

void session_charge(struct session *s, size_t n)
{
    s->parked_bytes += n;
    s->core->parked_bytes += n;
    session_pace(s);
}

void session_uncharge(struct session *s, size_t n)
{
    s->parked_bytes -= n;
    s->core->parked_bytes -= n;
    session_pace(s);
}

/* ---- Its end ---- */

static void session_move_to_end(struct session *s)
{
    if (s->state != SESSION_ENDED)
        session_move(s, SESSION_ENDED);
}

static void session_teardown(struct session *s)
{
    if (!list_linked(&s->in_teardowns))
        list_push_back(&s->core->teardowns, &s->in_teardowns);
}

void session_abort(struct session *s)
{
    if (s->state == SESSION_ENDED)
        return;
    session_move(s, SESSION_ENDED);
    session_order(s, ORDER_CLOSE);
    session_teardown(s);
}

void session_close(struct session *s, const struct fault *f)
{
    LIST_EACH(&s->channel_list, node)
        replies_drop_confirms(CONTAINER_OF(node, struct channel, in_session));
    struct method m = {.id = METHOD_connection_close};
    m.connection_close = (struct amqp_connection_close){.reply_code = f->reply->code,
                                                        .reply_text = span_str(f->text),
                                                        .class_id = f->class_id,
                                                        .method_id = f->method_id};
    replies_method_then(s->channel_zero, &m, s->last_batch, THEN_AWAIT_CLOSE_OK,
                        (struct slot_id){0, 0});
    if (s->state != SESSION_ENDED)
        session_move(s, SESSION_CLOSING);
    session_teardown(s);
}

void session_fail(struct session *s, struct channel *ch, const struct fault *f)
{
    bool ending = s->state == SESSION_CLOSING || s->state == SESSION_ENDED;
    bool open = ch != NULL && ch->number != 0 && ch->state == CHANNEL_OPEN;
    if (!ending && f->reply->scope == SCOPE_CHANNEL && ch != NULL && ch->number != 0) {
        if (open)
            channel_fail(ch, f);
        return;
    }
    /* What comes behind the fault on its channel is not executed, had it to wait or not. */
    if (open)
        channel_move(ch, CHANNEL_CLOSING);
    if (ending)
        return;
    log_event(LOG_CONN_FAULT, "peer=%s user=\"%.*s\" code=%u text=\"%s\"", s->peer,
              SPAN_FMT(s->user), f->reply->code, f->text);
    session_close(s, f);
}

/* Must the end wait for what this channel has still to do? What came before the end is executed;
 * a wait for memory or output counts only while the client waits for its close-ok. */
static bool session_waits_for(const struct session *s, const struct channel *ch)
{
    switch (ch->parking.why) {
    case PARK_NONE: return false;
    case PARK_JOB:
    case PARK_REPLAY:
    case PARK_AGAIN: return true;
    case PARK_MEMORY:
    case PARK_OUTPUT: return s->close_ok_due && !s->socket_gone;
    }
    return false;
}

static bool session_release_channels(struct session *s, unsigned *work)
{
    LIST_EACH(&s->channel_list, node) {
        struct channel *ch = CONTAINER_OF(node, struct channel, in_session);
        /* One that has to wait holds up the end, but not the others. */
        if (session_waits_for(s, ch))
            continue;
        /* What waits for memory or output is not executed on a channel that is being released. */
        parking_fini(ch);
        if (!channel_release_some(ch, work))
            continue;
        if (ch->replies.list.n != 0 && !s->socket_gone && s->state != SESSION_ENDED)
            continue;
        if (*work == 0)
            return false;
        --*work;
        channel_retire(ch);
    }
    return list_empty(&s->channel_list);
}

bool session_teardown_some(struct session *s, unsigned *work)
{
    if (!session_release_channels(s, work))
        return false;
    for (struct list *node; (node = list_first(&s->exclusive_queues)) != NULL;) {
        if (*work == 0)
            return false;
        --*work; /* before the rest: it may use up what is left */
        queue_delete(CONTAINER_OF(node, struct queue, in_owner));
    }
    list_remove(&s->in_teardowns);
    if (s->socket_gone) {
        list_remove(&s->in_throttled);
        output_drop(s);
        replies_drop_all(s->channel_zero);
        session_order(s, ORDER_RELEASED);
        s->released = true;
        if (s->orders_due == 0)
            session_free(s);
        return true;
    }
    if (s->close_ok_due) {
        s->close_ok_due = false;
        struct method ok = {.id = METHOD_connection_close_ok};
        replies_method_then(s->channel_zero, &ok, 0, THEN_CLOSE, (struct slot_id){0, 0});
    }
    return true;
}

/* ---- Events ---- */

struct channel *session_channel(struct session *s, uint16_t number)
{
    if (s->channel_last != NULL && s->channel_last->number == number)
        return s->channel_last;
    struct map_node *n = map_find(&s->channels, number);
    if (n == NULL)
        return NULL;
    s->channel_last = CONTAINER_OF(n, struct channel, by_number);
    return s->channel_last;
}

static void session_method_zero(struct session *s, const struct method *m)
{
    struct fault f = {.class_id = method_info(m->id)->class_id,
                      .method_id = method_info(m->id)->method_id};
    struct method ok = {.id = METHOD_connection_update_secret_ok};
    switch ((int)m->id) {
    case METHOD_connection_close:
        session_move(s, SESSION_CLOSING);
        s->close_ok_due = true;
        session_teardown(s);
        return;
    case METHOD_connection_update_secret:
        /* The credentials of this broker do not expire: there is nothing to replace. */
        replies_method(s->channel_zero, &ok, 0);
        return;
    default:
        fault_set(&f, REPLY_CHANNEL_ERROR, "unexpected method in connection state running");
        session_fail(s, NULL, &f);
    }
}

/* After either side has said close, only the other's word is of interest. */
static void session_method_closing(struct session *s, const struct method *m)
{
    if (m->id == METHOD_connection_close_ok) {
        session_order(s, ORDER_CLOSE);
    } else if (m->id == METHOD_connection_close) {
        struct method ok = {.id = METHOD_connection_close_ok};
        replies_method_then(s->channel_zero, &ok, 0, THEN_CLOSE, (struct slot_id){0, 0});
    }
}

static void session_open_channel(struct session *s, uint16_t number, const struct method *m)
{
    struct fault f = {.class_id = method_info(m->id)->class_id,
                      .method_id = method_info(m->id)->method_id};
    struct channel *ch;
    if (s->channels.n >= s->channel_max) {
        f.class_id = f.method_id = 0; /* RabbitMQ blames no method for the count */
        fault_set(&f, REPLY_NOT_ALLOWED,
                  "number of channels opened (%zu) has reached the negotiated channel_max (%u)",
                  s->channels.n, s->channel_max);
    } else if (m->id != METHOD_channel_open) {
        fault_set(&f, REPLY_CHANNEL_ERROR, "expected 'channel.open'");
    } else if (channel_new(&ch, s, number) != OK) {
        fault_set(&f, REPLY_RESOURCE_ERROR, "out of memory");
    } else {
        struct method ok = {.id = METHOD_channel_open_ok};
        replies_method(ch, &ok, 0);
        return;
    }
    session_fail(s, NULL, &f);
}

/* A channel that we closed waits for close-ok; the client's own close may cross ours. */
static void session_method_faulted(struct channel *ch, const struct method *m)
{
    if (m->id == METHOD_channel_close_ok) {
        parking_retire(ch); /* `m` may be gone with it */
    } else if (m->id == METHOD_channel_close) {
        struct method ok = {.id = METHOD_channel_close_ok};
        replies_method(ch, &ok, 0);
    } else if (m->id == METHOD_channel_open) {
        /* The one method that RabbitMQ does not discard here: the number is still taken. */
        struct fault f = {.class_id = method_info(m->id)->class_id,
                          .method_id = method_info(m->id)->method_id};
        fault_set(&f, REPLY_CHANNEL_ERROR, "second 'channel.open' seen");
        session_fail(ch->session, ch, &f);
    }
}

static void session_execute(struct channel *ch, const struct method *m)
{
    if (ch->state == CHANNEL_FAULTED) {
        session_method_faulted(ch, m);
        return;
    }
    if (ch->state != CHANNEL_OPEN)
        return;
    struct fault f;
    f.class_id = method_info(m->id)->class_id;
    f.method_id = method_info(m->id)->method_id;
    if (dispatch(ch, m, &f) != NULL)
        session_fail(ch->session, ch, &f);
    core_serve_returned(ch->session->core);
}

static void session_execute_publish(struct channel *ch, struct in_publish *p)
{
    struct core *core = ch->session->core;
    struct fault f;
    f.class_id = method_info((enum method_id)p->method_id)->class_id;
    f.method_id = method_info((enum method_id)p->method_id)->method_id;
    if (ch->state != CHANNEL_OPEN || p->method_id != METHOD_basic_publish) {
        if (p->large != NULL)
            message_body_home(core, p->large);
        p->large = NULL;
        if (ch->state != CHANNEL_OPEN)
            return;
        fault_set(&f, REPLY_COMMAND_INVALID, "unimplemented method");
        session_fail(ch->session, ch, &f);
        return;
    }
    if (publish(ch, p, &f) != NULL)
        session_fail(ch->session, ch, &f);
}

void session_replay(struct channel *ch, struct in_head *event)
{
    if (event->kind == IN_METHOD)
        session_execute(ch, &((struct in_method *)event)->method);
    else
        session_execute_publish(ch, (struct in_publish *)event);
}

void session_on_method(struct session *s, struct in_method *ev)
{
    const struct method *m = &ev->method;
    if (s->state == SESSION_CLOSING && ev->head.channel == 0)
        session_method_closing(s, m);
    if (s->state == SESSION_CLOSING || s->state == SESSION_ENDED)
        return;
    if (s->state != SESSION_RUNNING) {
        if (ev->head.channel == 0)
            handshake_method(s, m);
        else
            handshake_channel_method(s, ev->payload);
        return;
    }
    if (ev->head.channel == 0) {
        session_method_zero(s, m);
        return;
    }
    struct channel *ch = session_channel(s, ev->head.channel);
    if (ch == NULL)
        session_open_channel(s, ev->head.channel, m);
    else if (parking_holds(ch, &ev->head))
        parking_keep(ch, &ev->head);
    else {
        session_execute(ch, m);
        parking_keep_again(ch, &ev->head);
    }
}

void session_on_publish(struct session *s, struct in_publish *ev)
{
    struct channel *ch = s->state == SESSION_RUNNING ? session_channel(s, ev->head.channel) : NULL;
    if (ch != NULL && !parking_holds(ch, &ev->head)) {
        if (publish_waits(ch)) {
            parking_memory(ch);
            parking_keep(ch, &ev->head);
        } else {
            session_execute_publish(ch, ev);
            parking_keep_again(ch, &ev->head);
        }
        return;
    }
    if (ch != NULL) {
        parking_keep(ch, &ev->head);
        return;
    }
    if (ev->large != NULL)
        message_body_home(s->core, ev->large);
    if (s->state == SESSION_RUNNING) {
        struct method m = {.id = (enum method_id)ev->method_id};
        session_open_channel(s, ev->head.channel, &m);
    } else if (s->state < SESSION_RUNNING) {
        handshake_refuse(s, "content during the handshake");
    }
}

void session_on_fault(struct session *s, const struct in_fault *ev)
{
    if (s->state < SESSION_RUNNING)
        handshake_refuse(s, ev->fault.text);
    else
        session_fail(s, NULL, &ev->fault);
}

void session_on_sent(struct session *s, const struct in_sent *ev)
{
    output_sent(s, ev->contents);
}

void session_on_closed(struct session *s)
{
    if (s->vhost != NULL)
        log_event(LOG_CONN_CLOSED, "peer=%s user=\"%.*s\" reason=\"%s\"", s->peer,
                  SPAN_FMT(s->user),
                  s->state == SESSION_RUNNING ? "ended without a close" : "closed");
    s->socket_gone = true;
    session_move_to_end(s);
    session_teardown(s);
}

void session_check(const struct session *s)
{
    LIST_EACH(&s->channel_list, node) {
        const struct channel *ch = CONTAINER_OF(node, struct channel, in_session);
        ASSERT(ch->session == s && ch->state != CHANNEL_GONE);
        channel_check(ch);
    }
}
