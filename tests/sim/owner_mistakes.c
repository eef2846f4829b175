// SPDX-License-Identifier: Apache-2.0
/* What a channel does wrong on purpose: the broker must close it, with the right code. */
#include "tests/sim/owner.h"

/* Many need an occasion: tried so often, then it is one that needs none. */
enum { MISTAKE_TRIES = 3 };

void owner_publish_in_vain(struct chan *ch, const struct publish_options *o)
{
    struct expected e = {.id = METHOD_channel_close, .code = 404};
    bool first = ch->state == CHAN_OPEN;
    if (first)
        chan_ending(ch, CHAN_FAILING);
    chan_publish(ch, o);
    if (!first)
        return;
    struct expected *place = deque_push(&ch->expected);
    ASSERT(place != NULL);
    *place = e;
    place->cmd = ch->cmd;
}

/* Fills in the method that must fail. False when there is no occasion for it. */
typedef bool owner_mistake(struct chan *ch, struct method *m);

static bool mistake_no_queue(struct chan *ch, struct method *m)
{
    m->id = METHOD_queue_declare;
    m->queue_declare = (struct amqp_queue_declare){.queue = SPAN_LIT("no-such-queue"),
                                                   .passive = true};
    (void)ch;
    return true;
}

static bool mistake_consume_no_queue(struct chan *ch, struct method *m)
{
    m->id = METHOD_basic_consume;
    m->basic_consume.queue = SPAN_LIT("no-such-queue");
    (void)ch;
    return true;
}

static bool mistake_get_no_queue(struct chan *ch, struct method *m)
{
    m->id = METHOD_basic_get;
    m->basic_get.queue = SPAN_LIT("no-such-queue");
    (void)ch;
    return true;
}

static bool mistake_bind_nothing(struct chan *ch, struct method *m)
{
    const struct model_queue *q = owner_queue(ch);
    if (q == NULL)
        return false;
    m->id = METHOD_queue_bind;
    m->queue_bind = (struct amqp_queue_bind){.queue = span_str(q->name),
                                             .exchange = SPAN_LIT("no-such-exchange")};
    return true;
}

static bool mistake_reserved_name(struct chan *ch, struct method *m)
{
    m->id = METHOD_queue_declare;
    m->queue_declare.queue = SPAN_LIT("amq.mine");
    (void)ch;
    return true;
}

static bool mistake_delete_system_exchange(struct chan *ch, struct method *m)
{
    m->id = METHOD_exchange_delete;
    m->exchange_delete.exchange = SPAN_LIT("amq.direct");
    (void)ch;
    return true;
}

static bool mistake_other_durable(struct chan *ch, struct method *m)
{
    const struct model_queue *q = owner_queue(ch);
    if (q == NULL || q->exclusive) /* as those are that the broker has named */
        return false;
    m->id = METHOD_queue_declare;
    m->queue_declare = (struct amqp_queue_declare){
        .queue = span_str(q->name), .durable = !q->durable, .auto_delete = q->auto_delete};
    return true;
}

static bool mistake_other_type(struct chan *ch, struct method *m)
{
    const struct model_exchange *x = owner_exchange(ch);
    if (x == NULL)
        return false;
    m->id = METHOD_exchange_declare;
    m->exchange_declare = (struct amqp_exchange_declare){
        .exchange = span_str(x->name),
        .type = span_str(KIND_NAMES[(x->kind + 1) % KIND_COUNT]),
        .durable = x->durable};
    return true;
}

static bool mistake_unknown_tag(struct chan *ch, struct method *m)
{
    m->id = METHOD_basic_ack;
    m->basic_ack.delivery_tag = ch->last_tag + 100000;
    return true;
}

static bool mistake_mixed_modes(struct chan *ch, struct method *m)
{
    m->id = ch->tx ? METHOD_confirm_select : METHOD_tx_commit;
    return true;
}

/* A queue of its own that has a consumer, or NULL. */
static const struct model_queue *mistake_consumed_queue(const struct chan *ch)
{
    uint64_t first = owner_draw(ch, CONSUMERS_MAX);
    for (uint64_t i = 0; i < CONSUMERS_MAX; i++) {
        const struct sim_consumer *c = &ch->consumers[(first + i) % CONSUMERS_MAX];
        bool consumes = c->state == CONSUMER_ASKED || c->state == CONSUMER_ACTIVE;
        if (consumes && c->queue->live && c->queue->owner == ch->uid)
            return c->queue;
    }
    return NULL;
}

static bool mistake_delete_used(struct chan *ch, struct method *m)
{
    const struct model_queue *q = mistake_consumed_queue(ch);
    if (q == NULL)
        return false;
    m->id = METHOD_queue_delete;
    m->queue_delete = (struct amqp_queue_delete){.queue = span_str(q->name), .if_unused = true};
    return true;
}

static bool mistake_delete_filled(struct chan *ch, struct method *m)
{
    const struct model_queue *q = owner_queue(ch);
    if (q == NULL || !chan_knows(ch, q) || model_n_ready(q) == 0)
        return false;
    m->id = METHOD_queue_delete;
    m->queue_delete = (struct amqp_queue_delete){.queue = span_str(q->name), .if_empty = true};
    return true;
}

/* Beside an exclusive consumer, or exclusively beside another. */
static bool mistake_not_alone(struct chan *ch, struct method *m)
{
    const struct model_queue *q = mistake_consumed_queue(ch);
    if (q == NULL)
        return false;
    m->id = METHOD_basic_consume;
    m->basic_consume = (struct amqp_basic_consume){.queue = span_str(q->name),
                                                   .exclusive = !q->exclusive_consumer};
    return true;
}

static bool mistake_same_tag(struct chan *ch, struct method *m)
{
    const struct sim_consumer *c = &ch->consumers[owner_draw(ch, CONSUMERS_MAX)];
    bool there = c->state == CONSUMER_ASKED || c->state == CONSUMER_ACTIVE;
    if (!there || !c->queue->live || c->queue->exclusive_consumer)
        return false;
    m->id = METHOD_basic_consume;
    m->basic_consume = (struct amqp_basic_consume){.queue = span_str(c->queue->name),
                                                   .consumer_tag = span_str(c->tag)};
    return true;
}

static bool mistake_open_twice(struct chan *ch, struct method *m)
{
    m->id = METHOD_channel_open;
    (void)ch;
    return true;
}

static bool mistake_prefetch_size(struct chan *ch, struct method *m)
{
    m->id = METHOD_basic_qos;
    m->basic_qos.prefetch_size = 1;
    (void)ch;
    return true;
}

static bool mistake_recover_elsewhere(struct chan *ch, struct method *m)
{
    m->id = METHOD_basic_recover;
    (void)ch;
    return true;
}

/* Another connection's queue, if it still exists; a name that its client has chosen may be that of
 * another queue by then. */
static bool mistake_locked(struct chan *ch, struct method *m)
{
    const struct model *model = &owner_world(ch)->model;
    const struct model_queue *found = NULL;
    for (size_t i = 0; i < model->queues.n; i++) {
        const struct model_queue *q = model_queue_at(model, i);
        if (q->server_named && q->live && q->name[0] != 0 && q->actor != ch->actor->number)
            found = q;
    }
    if (found == NULL)
        return false;
    m->id = owner_chance(ch, 2) ? METHOD_basic_get : METHOD_queue_purge;
    if (m->id == METHOD_basic_get)
        m->basic_get.queue = span_str(found->name);
    else
        m->queue_purge.queue = span_str(found->name);
    return true;
}

static const struct {
    uint16_t code;
    bool connection; /* it ends that, not only the channel */
    owner_mistake *make;
} MISTAKES[] = {
    {404, false, mistake_no_queue},      {404, false, mistake_consume_no_queue},
    {404, false, mistake_get_no_queue},  {404, false, mistake_bind_nothing},
    {403, false, mistake_reserved_name}, {403, false, mistake_delete_system_exchange},
    {406, false, mistake_other_durable}, {406, false, mistake_other_type},
    {406, false, mistake_unknown_tag},   {406, false, mistake_mixed_modes},
    {406, false, mistake_delete_used},   {406, false, mistake_delete_filled},
    {403, false, mistake_not_alone},     {405, false, mistake_locked},
    {530, true, mistake_same_tag},       {504, true, mistake_open_twice},
    {540, true, mistake_prefetch_size},  {540, true, mistake_recover_elsewhere},
};

static void owner_make(struct chan *ch, size_t i, const struct method *m)
{
    struct expected e = {.id = METHOD_channel_close, .code = MISTAKES[i].code};
    e.or_code = e.code == 405 ? 404 : 0; /* its owner may just have gone */
    chan_command(ch, m, MISTAKES[i].connection ? NULL : &e);
    if (MISTAKES[i].connection)
        actor_provoked(ch, MISTAKES[i].code);
    else
        chan_ending(ch, CHAN_FAILING);
}

void owner_err(struct chan *ch)
{
    /* One that overtakes publishes which wait for memory would make them be lost. */
    bool overtakes = owner_world(ch)->plan.memory_limit != 0;
    if (!owner_chance(ch, 3))
        return;
    for (unsigned tries = 0; tries < MISTAKE_TRIES; tries++) {
        struct method m = {.id = METHOD_basic_publish};
        size_t i = owner_draw(ch, sizeof(MISTAKES) / sizeof(MISTAKES[0]));
        if (overtakes && (MISTAKES[i].connection || MISTAKES[i].make == mistake_unknown_tag))
            continue;
        if (MISTAKES[i].make(ch, &m)) {
            owner_make(ch, i, &m);
            return;
        }
    }
    struct publish_options o = {.exchange = "no-such-exchange", .key = "k", .size = 10};
    owner_publish_in_vain(ch, &o);
}

/* Commands behind a mistake are dropped: none of these messages may ever be seen. */
void owner_keep_talking(struct chan *ch)
{
    if (ch->talk == 0 || ch->state != CHAN_FAILING)
        return;
    ch->talk--;
    owner_publish_some(ch, 1);
}
