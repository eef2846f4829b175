// SPDX-License-Identifier: Apache-2.0
/* What comes from the broker, against what must come. */
#include <stdio.h>
#include <string.h>

#include "tests/sim/actor.h"
#include "tests/sim/failure.h"
#include "tests/sim/properties.h"

#define CHAN_FMT      "c%u.%u: "
#define CHAN_ARGS(ch) (ch)->actor->conn, (ch)->number
#define U64(v)        ((unsigned long long)(v))

static struct model *chan_model(const struct chan *ch)
{
    return &ch->actor->world->model;
}

/* Commands up to this one have been executed. */
static void chan_executed(struct chan *ch, uint64_t cmd)
{
    if (cmd > ch->executed)
        ch->executed = cmd;
}

static bool span_is(struct span s, const char *text)
{
    return span_eq(s, span_str(text));
}

/* ---- Answers ---- */

/* What a purge or delete with command `cmd` took. */
static uint32_t chan_sweep(struct model_queue *q, uint64_t cmd)
{
    uint32_t n = 0;
    for (size_t i = q->first; i < q->places.n; i++) {
        struct place *p = model_place(q, i);
        if (p->state != PLACE_READY || p->purge_cmd != cmd)
            continue;
        p->state = PLACE_GONE;
        n++;
    }
    return n;
}

static void chan_expect_count(const struct chan *ch, const struct expected *e, uint32_t n,
                              uint32_t wanted)
{
    EXPECT(n == wanted, CHAN_FMT "%s of queue %s says %u messages, there were %u", CHAN_ARGS(ch),
           method_info(e->id)->name, e->queue->name, n, wanted);
}

static void chan_on_declare_ok(struct chan *ch, const struct expected *e,
                               const struct amqp_queue_declare_ok *m)
{
    struct model_queue *q = e->queue;
    if (q->name[0] == 0)
        snprintf(q->name, sizeof(q->name), "%.*s", SPAN_FMT(m->queue));
    EXPECT(span_is(m->queue, q->name), CHAN_FMT "declare-ok is for %.*s, due was %s", CHAN_ARGS(ch),
           SPAN_FMT(m->queue), q->name);
    EXPECT(q->owner != ch->uid || m->message_count <= e->n_most,
           CHAN_FMT "queue %s has %u messages, at most %u are possible", CHAN_ARGS(ch), q->name,
           m->message_count, e->n_most);
    if (!e->exact)
        return;
    chan_expect_count(ch, e, m->message_count, e->n_messages);
    EXPECT(m->consumer_count == e->n_consumers, CHAN_FMT "queue %s has %u consumers, there were %u",
           CHAN_ARGS(ch), q->name, m->consumer_count, e->n_consumers);
}

static void chan_on_delete_ok(struct chan *ch, const struct expected *e, uint32_t n)
{
    struct model_queue *q = e->queue;
    if (q->owner == ch->uid)
        chan_expect_count(ch, e, n, chan_sweep(q, e->cmd));
    /* A client that did not ask to be told of cancelled consumers is not. */
    for (int i = 0; i < CONSUMERS_MAX; i++)
        if (ch->consumers[i].queue == q && !ch->actor->wants_cancels)
            ch->consumers[i].state = CONSUMER_UNUSED;
}

static void chan_on_consume_ok(struct chan *ch, const struct expected *e, struct span tag)
{
    struct sim_consumer *c = chan_consumer(ch, e->consumer);
    if (c == NULL)
        return; /* its queue was deleted meanwhile, and the broker has said so */
    EXPECT(span_is(tag, c->tag), CHAN_FMT "consume-ok is for %.*s, due was %s", CHAN_ARGS(ch),
           SPAN_FMT(tag), c->tag);
    if (c->state == CONSUMER_ASKED)
        c->state = CONSUMER_ACTIVE;
}

static void chan_on_cancel_ok(struct chan *ch, const struct expected *e, struct span tag)
{
    struct sim_consumer *c = chan_consumer(ch, e->consumer);
    EXPECT(c != NULL && span_is(tag, c->tag), CHAN_FMT "cancel-ok is for %.*s", CHAN_ARGS(ch),
           SPAN_FMT(tag));
    c->state = CONSUMER_UNUSED;
    chan_sweep(e->queue, e->cmd);
}

/* Takes the first answer that is due; it must be this one. */
static struct expected chan_take_expected(struct chan *ch, enum method_id id)
{
    const char *name = method_info(id)->name;
    EXPECT(ch->expected.n != 0, CHAN_FMT "%s, and no answer is due", CHAN_ARGS(ch), name);
    struct expected e = *(struct expected *)deque_at(&ch->expected, 0);
    bool same = e.id == id || (e.id == METHOD_basic_get_ok && id == METHOD_basic_get_empty);
    EXPECT(same, CHAN_FMT "%s overtakes %s (command %llu)", CHAN_ARGS(ch), name,
           method_info(e.id)->name, U64(e.cmd));
    EXPECT(world_is_durable(ch->actor->world, e.batch), CHAN_FMT "%s before its batch is durable",
           CHAN_ARGS(ch), name);
    deque_pop(&ch->expected);
    /* A cancel is executed past publishes that wait for memory: it proves nothing about them. */
    if (id != METHOD_basic_cancel_ok || ch->actor->world->plan.memory_limit == 0)
        chan_executed(ch, e.cmd);
    if (ch->actor->chore != CHORE_DRAIN) /* its answers would hide that nobody else gets any */
        ch->actor->world->progress_step = ch->actor->world->step;
    return e;
}

static void chan_on_close(struct chan *ch, const struct amqp_channel_close *m)
{
    EXPECT(ch->state == CHAN_FAILING, CHAN_FMT "closed by the broker: %.*s", CHAN_ARGS(ch),
           SPAN_FMT(m->reply_text));
    struct expected e = chan_take_expected(ch, METHOD_channel_close);
    EXPECT(m->reply_code == e.code || m->reply_code == e.or_code,
           CHAN_FMT "closed with %u, due was %u: %.*s", CHAN_ARGS(ch), m->reply_code, e.code,
           SPAN_FMT(m->reply_text));
    struct method ok = {.id = METHOD_channel_close_ok};
    client_method(&ch->actor->client, ch->number, &ok);
    chan_ended(ch);
}

static void chan_on_get_empty(struct chan *ch, const struct expected *e)
{
    EXPECT(!e->exact || e->message == 0, CHAN_FMT "queue %s is empty, due was message %llu",
           CHAN_ARGS(ch), e->queue->name, U64(e->message));
    if (ch->actor->role == ROLE_JANITOR)
        ch->drained = true;
}

static void chan_on_answer(struct chan *ch, const struct method *m)
{
    struct expected e = chan_take_expected(ch, m->id);
    switch ((int)m->id) {
    case METHOD_channel_open_ok: ch->state = CHAN_OPEN; break;
    case METHOD_channel_close_ok:
        EXPECT(ch->expected.n == 0, CHAN_FMT "close-ok before other answers", CHAN_ARGS(ch));
        chan_ended(ch);
        break;
    case METHOD_queue_declare_ok: chan_on_declare_ok(ch, &e, &m->queue_declare_ok); break;
    case METHOD_queue_purge_ok:
        if (e.queue->shared)
            e.queue->n_purges--;
        else if (e.queue->owner == ch->uid)
            chan_expect_count(ch, &e, m->queue_purge_ok.message_count, chan_sweep(e.queue, e.cmd));
        break;
    case METHOD_queue_delete_ok: chan_on_delete_ok(ch, &e, m->queue_delete_ok.message_count); break;
    case METHOD_basic_consume_ok:
        chan_on_consume_ok(ch, &e, m->basic_consume_ok.consumer_tag);
        break;
    case METHOD_basic_cancel_ok: chan_on_cancel_ok(ch, &e, m->basic_cancel_ok.consumer_tag); break;
    case METHOD_basic_qos_ok: ch->limit = e.limit; break;
    case METHOD_basic_get_empty: chan_on_get_empty(ch, &e); break;
    default: break;
    }
}

/* ---- Confirms ---- */

static void chan_confirm_one(struct chan *ch, uint64_t number)
{
    struct confirm *c = deque_at(&ch->confirms, (size_t)(number - ch->n_confirmed - 1));
    EXPECT(!c->returns || c->returned, CHAN_FMT "publish %llu is confirmed before it is returned",
           CHAN_ARGS(ch), U64(number));
    EXPECT(world_is_durable(ch->actor->world, c->batch),
           CHAN_FMT "publish %llu is confirmed before it is durable", CHAN_ARGS(ch), U64(number));
    c->answered = true;
    chan_executed(ch, model_message(chan_model(ch), c->message)->cmd);
}

static void chan_on_confirm(struct chan *ch, uint64_t tag, bool multiple)
{
    EXPECT(ch->confirm, CHAN_FMT "a confirm outside confirm mode", CHAN_ARGS(ch));
    EXPECT(tag > ch->n_confirmed && tag <= ch->n_published,
           CHAN_FMT "confirm of %llu; open are %llu to %llu", CHAN_ARGS(ch), U64(tag),
           U64(ch->n_confirmed + 1), U64(ch->n_published));
    ch->actor->world->progress_step = ch->actor->world->step;
    for (uint64_t n = multiple ? ch->n_confirmed + 1 : tag; n <= tag; n++) {
        const struct confirm *c = deque_at(&ch->confirms, (size_t)(n - ch->n_confirmed - 1));
        EXPECT(!c->answered || multiple, CHAN_FMT "publish %llu is confirmed twice", CHAN_ARGS(ch),
               U64(n));
        if (!c->answered)
            chan_confirm_one(ch, n);
    }
    while (ch->confirms.n != 0 && ((struct confirm *)deque_at(&ch->confirms, 0))->answered) {
        deque_pop(&ch->confirms);
        ch->n_confirmed++;
    }
}

static void chan_on_return(struct chan *ch, uint64_t message)
{
    uint64_t *due = ch->returns.n == 0 ? NULL : deque_at(&ch->returns, 0);
    EXPECT(due != NULL && *due == message, CHAN_FMT "return of message %llu (%s/%s), due was %llu",
           CHAN_ARGS(ch), U64(message), model_message(chan_model(ch), message)->exchange,
           model_message(chan_model(ch), message)->key, U64(due == NULL ? 0 : *due));
    deque_pop(&ch->returns);
    for (size_t i = 0; i < ch->confirms.n; i++) {
        struct confirm *c = deque_at(&ch->confirms, i);
        if (c->message == message)
            c->returned = true;
    }
}

/* ---- Deliveries ---- */

/* The end of the channel that holds it is under way, or has come and its client does not know yet.
 */
static bool chan_holder_is_ending(const struct chan *ch, const struct place *p)
{
    const struct chan *holder = chan_by_uid(ch->actor->world, p->holder);
    const struct actor *a = holder->actor;
    bool ending = holder->state == CHAN_FAILING || holder->state == CHAN_CLOSING;
    /* With its connection, what it said last may not be executed any more. */
    if (a->state == ACTOR_FAILING || (a->connected && peer_is_closed(a->client.peer)))
        return ending || holder->state == CHAN_OPEN;
    return ending && p->state == PLACE_OUT;
}

static void chan_check_place(const struct chan *ch, const struct model_queue *q,
                             const struct place *p, bool redelivered)
{
    static const char *const STATES[] = {"ready", "delivered", "settled", "gone"};
    bool settled = p->state == PLACE_SETTLING || p->state == PLACE_GONE;
    bool may = p->state == PLACE_READY ||
               (p->state != PLACE_GONE && chan_holder_is_ending(ch, p)) || (settled && p->doubtful);
    EXPECT(may, CHAN_FMT "message %llu comes from queue %s and is %s there", CHAN_ARGS(ch),
           U64(p->message), q->name, STATES[p->state]);
    EXPECT(redelivered || !p->seen, CHAN_FMT "message %llu of queue %s again, not redelivered",
           CHAN_ARGS(ch), U64(p->message), q->name);
    bool unseen = p->maybe_seen || q->unseen_returns || world_has_cut_off(ch->actor->world);
    EXPECT(!redelivered || p->seen || unseen,
           CHAN_FMT "message %llu of queue %s is redelivered the first time", CHAN_ARGS(ch),
           U64(p->message), q->name);
}

/* On a queue that one channel has to itself nothing may be left standing before what comes, but
 * what `n_taken` gets may have taken before. */
static void chan_check_own_order(const struct chan *ch, const struct model_queue *q, size_t at,
                                 uint64_t executed, size_t n_taken)
{
    const struct place *p = model_place(q, at);
    for (size_t i = q->first; i < at; i++) {
        const struct place *before = model_place(q, i);
        if (before->state != PLACE_READY || before->doubtful || before->sure_cmd > executed)
            continue;
        if (before->purge_cmd != 0 && p->purge_cmd != before->purge_cmd)
            continue;
        if (n_taken-- != 0)
            continue;
        fail(CHAN_FMT "message %llu of queue %s overtakes %llu (requeued by command %llu of %llu)",
             CHAN_ARGS(ch), U64(p->message), q->name, U64(before->message), U64(before->sure_cmd),
             U64(executed));
    }
}

/* First-hand messages of one publisher come in its order; get-ok may be late, for it waits its turn
 * among the answers. */
static void chan_check_shared_order(struct chan *ch, const struct model_queue *q,
                                    const struct place *p, bool by_get)
{
    struct last_seen *last = NULL;
    for (size_t i = 0; i < ch->last_seen.n && last == NULL; i++) {
        struct last_seen *l = deque_at(&ch->last_seen, i);
        if (l->queue == q && l->by == p->by && l->by_get == by_get)
            last = l;
    }
    if (last == NULL) {
        last = deque_push(&ch->last_seen);
        ASSERT(last != NULL);
        *last = (struct last_seen){q, p->by, by_get, 0};
    }
    EXPECT(p->message > last->message, CHAN_FMT "message %llu of queue %s comes after %llu",
           CHAN_ARGS(ch), U64(p->message), q->name, U64(last->message));
    last->message = p->message;
}

static size_t chan_place(const struct chan *ch, struct model_queue *q, uint64_t message)
{
    size_t at = model_find_place(q, message);
    EXPECT(at != q->places.n, CHAN_FMT "message %llu was never sent to queue %s", CHAN_ARGS(ch),
           U64(message), q->name);
    return at;
}

/* It has come; `consumer` is NULL for get. */
static void chan_take(struct chan *ch, struct model_queue *q, struct place *p, uint64_t tag,
                      struct sim_consumer *consumer, bool no_ack)
{
    trace(q->name, ch->actor->conn, ch->number, p->message, tag);
    p->seen = true;
    p->doubtful = q->n_purges != 0;
    p->holder = ch->uid;
    p->purge_cmd = 0;
    /* Of a transaction it proves only that the commit has begun. */
    if (p->by == ch->uid)
        chan_executed(ch, p->cmd - ch->tx);
    if (no_ack) {
        p->state = PLACE_GONE;
        return;
    }
    p->state = PLACE_OUT;
    struct outstanding *o = deque_push(&ch->out);
    ASSERT(o != NULL);
    *o = (struct outstanding){.tag = tag, .message = p->message, .queue = q};
    if (consumer != NULL) {
        o->consumer = consumer->id;
        consumer->n_out++;
    }
}

/* The channel's end may have been executed already: then others may have been given, before this
 * comes, what it took of a shared queue. */
static bool chan_is_late(const struct chan *ch, const struct model_queue *q, struct place *p,
                         bool no_ack)
{
    bool ending = ch->state == CHAN_FAILING || ch->state == CHAN_CLOSING ||
                  peer_is_closed(ch->actor->client.peer);
    if (!ending || q->owner == ch->uid)
        return false;
    trace("late", ch->actor->conn, ch->number, p->message, no_ack);
    p->seen = true;
    if (no_ack)
        p->state = PLACE_GONE; /* whoever else has had it, had it before */
    return true;
}

static void chan_check_limits(const struct chan *ch, const struct sim_consumer *c)
{
    EXPECT(c->prefetch == 0 || c->n_out < c->prefetch,
           CHAN_FMT "consumer %s has %u deliveries, its prefetch is %u", CHAN_ARGS(ch), c->tag,
           c->n_out + 1, c->prefetch);
    /* As in RabbitMQ, settling what get has fetched makes room too, and a transaction holds some
     * back: then the count is not the client's. */
    uint32_t limit = ch->tx || ch->last_get_tag != 0 ? 0 : ch->limit;
    for (size_t i = 0; i < ch->expected.n && limit != 0; i++) {
        const struct expected *e = deque_at(&ch->expected, i);
        if (e->id == METHOD_basic_qos_ok && (e->limit == 0 || e->limit > limit))
            limit = e->limit;
    }
    uint32_t n = chan_n_out(ch);
    EXPECT(limit == 0 || n < limit, CHAN_FMT "%u deliveries, the channel's prefetch is %u",
           CHAN_ARGS(ch), n + 1, limit);
}

static struct sim_consumer *chan_consumer_by_tag(struct chan *ch, struct span tag)
{
    for (int i = 0; i < CONSUMERS_MAX; i++)
        if (ch->consumers[i].state != CONSUMER_UNUSED && span_is(tag, ch->consumers[i].tag))
            return &ch->consumers[i];
    return NULL;
}

/* One order for what comes by consuming and by get. */
static void chan_check_tag(struct chan *ch, uint64_t tag)
{
    EXPECT(tag > ch->last_tag, CHAN_FMT "delivery tag %llu after %llu", CHAN_ARGS(ch), U64(tag),
           U64(ch->last_tag));
    ch->last_tag = tag;
}

/* Of all that could have taken the message none comes before `c`. */
static void chan_check_first(struct chan *ch, const struct sim_consumer *c)
{
    for (int i = 0; i < CONSUMERS_MAX; i++) {
        const struct sim_consumer *other = &ch->consumers[i];
        bool before = other->state == CONSUMER_ACTIVE && other->queue == c->queue &&
                      other->priority > c->priority;
        EXPECT(!before, CHAN_FMT "a message for %s, and %s has a higher priority", CHAN_ARGS(ch),
               c->tag, other->tag);
    }
    ch->first_choice = 0;
}

static void chan_on_deliver(struct chan *ch, const struct amqp_basic_deliver *m, uint64_t message)
{
    struct sim_consumer *c = chan_consumer_by_tag(ch, m->consumer_tag);
    EXPECT(c != NULL && c->state != CONSUMER_ASKED,
           CHAN_FMT "message %llu for %.*s, which does not consume", CHAN_ARGS(ch), U64(message),
           SPAN_FMT(m->consumer_tag));
    chan_check_tag(ch, m->delivery_tag);
    struct model_queue *q = c->queue;
    size_t at = chan_place(ch, q, message);
    struct place *p = model_place(q, at);
    if (chan_is_late(ch, q, p, c->no_ack))
        return;
    chan_check_place(ch, q, p, m->redelivered);
    chan_check_limits(ch, c);
    if (message == ch->first_choice)
        chan_check_first(ch, c);
    if (q->owner == ch->uid)
        chan_check_own_order(ch, q, at, ch->executed, chan_n_gets(ch, q));
    else if (!m->redelivered)
        chan_check_shared_order(ch, q, p, false);
    chan_take(ch, q, p, m->delivery_tag, c, c->no_ack);
}

static void chan_on_get_ok(struct chan *ch, const struct amqp_basic_get_ok *m, uint64_t message)
{
    struct expected e = chan_take_expected(ch, METHOD_basic_get_ok);
    struct model_queue *q = e.queue;
    chan_check_tag(ch, m->delivery_tag);
    ch->last_get_tag = m->delivery_tag;
    size_t at = chan_place(ch, q, message);
    struct place *p = model_place(q, at);
    if (e.exact) {
        EXPECT(message == e.message, CHAN_FMT "queue %s gives message %llu, due was %llu",
               CHAN_ARGS(ch), q->name, U64(message), U64(e.message));
        chan_expect_count(ch, &e, m->message_count, e.n_messages);
        p->state = PLACE_READY;
    }
    if (chan_is_late(ch, q, p, e.no_ack))
        return;
    chan_check_place(ch, q, p, m->redelivered);
    if (q->owner == ch->uid)
        chan_check_own_order(ch, q, at, e.cmd, 0);
    else if (!m->redelivered || ch->actor->chore == CHORE_CLEAR)
        chan_check_shared_order(ch, q, p, true);
    chan_take(ch, q, p, m->delivery_tag, NULL, e.no_ack);
}

/* ---- The door ---- */

static void chan_on_cancel(struct chan *ch, struct span tag)
{
    struct sim_consumer *c = chan_consumer_by_tag(ch, tag);
    EXPECT(c != NULL && !c->queue->live, CHAN_FMT "the broker cancels %.*s without a reason",
           CHAN_ARGS(ch), SPAN_FMT(tag));
    EXPECT(ch->actor->wants_cancels, CHAN_FMT "basic.cancel for a client that cannot take it",
           CHAN_ARGS(ch));
    c->state = CONSUMER_UNUSED;
}

void chan_on_method(struct chan *ch, const struct method *m)
{
    trace(method_info(m->id)->name, ch->actor->conn, ch->number, ch->executed, ch->expected.n);
    switch ((int)m->id) {
    case METHOD_basic_ack:
        chan_on_confirm(ch, m->basic_ack.delivery_tag, m->basic_ack.multiple);
        break;
    case METHOD_basic_nack:
        fail(CHAN_FMT "the broker refuses publish %llu", CHAN_ARGS(ch),
             U64(m->basic_nack.delivery_tag));
    case METHOD_basic_cancel: chan_on_cancel(ch, m->basic_cancel.consumer_tag); break;
    case METHOD_channel_close: chan_on_close(ch, &m->channel_close); break;
    default: chan_on_answer(ch, m);
    }
}

static void chan_check_route(const struct chan *ch, uint64_t message, struct span exchange,
                             struct span key)
{
    const struct message_record *r = model_message(chan_model(ch), message);
    EXPECT(span_is(exchange, r->exchange) && span_is(key, r->key),
           CHAN_FMT "message %llu comes as %.*s/%.*s, sent as %s/%s", CHAN_ARGS(ch), U64(message),
           SPAN_FMT(exchange), SPAN_FMT(key), r->exchange, r->key);
}

void chan_on_content(struct chan *ch, const struct method *m, struct span header, struct span body)
{
    uint64_t message = properties_check(chan_model(ch), header, body);
    trace(method_info(m->id)->name, ch->actor->conn, ch->number, message, body.size);
    switch ((int)m->id) {
    case METHOD_basic_return:
        chan_check_route(ch, message, m->basic_return.exchange, m->basic_return.routing_key);
        EXPECT(m->basic_return.reply_code == 312, CHAN_FMT "a return with code %u", CHAN_ARGS(ch),
               m->basic_return.reply_code);
        chan_on_return(ch, message);
        break;
    case METHOD_basic_deliver:
        chan_check_route(ch, message, m->basic_deliver.exchange, m->basic_deliver.routing_key);
        chan_on_deliver(ch, &m->basic_deliver, message);
        break;
    case METHOD_basic_get_ok:
        chan_check_route(ch, message, m->basic_get_ok.exchange, m->basic_get_ok.routing_key);
        chan_on_get_ok(ch, &m->basic_get_ok, message);
        break;
    default: fail(CHAN_FMT "%s with content", CHAN_ARGS(ch), method_info(m->id)->name);
    }
}
