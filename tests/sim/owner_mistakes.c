// SPDX-License-Identifier: Apache-2.0
/* What a channel does wrong on purpose: the broker must close it, with the right code. */
#include "tests/sim/owner.h"

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

void owner_err(struct chan *ch)
{
    if (!owner_chance(ch, 6))
        return;
    struct method m = {.id = METHOD_queue_declare};
    uint16_t code = 404;
    const struct model_queue *q = owner_queue(ch);
    switch (owner_draw(ch, 6)) {
    case 0:
        m.queue_declare = (struct amqp_queue_declare){.queue = SPAN_LIT("no-such-queue"),
                                                      .passive = true};
        break;
    case 1:
        if (owner_world(ch)->plan.memory_limit != 0)
            return; /* it would overtake publishes that wait for memory, and they would be lost */
        m.id = METHOD_basic_ack;
        m.basic_ack.delivery_tag = ch->last_tag + 100000;
        code = 406;
        break;
    case 2:
        m.id = METHOD_basic_consume;
        m.basic_consume.queue = SPAN_LIT("no-such-queue");
        break;
    case 3:
        m.queue_declare.queue = SPAN_LIT("amq.mine");
        code = 403;
        break;
    case 4:
        if (q == NULL || q->exclusive) /* as those are that the broker has named */
            return;
        m.queue_declare = (struct amqp_queue_declare){
            .queue = span_str(q->name), .durable = !q->durable, .auto_delete = q->auto_delete};
        code = 406;
        break;
    default: {
        struct publish_options o = {.exchange = "no-such-exchange", .key = "k", .size = 10};
        owner_publish_in_vain(ch, &o);
        return;
    }
    }
    chan_provoke(ch, &m, code);
}

/* Commands behind a mistake are dropped: none of these messages may ever be seen. */
void owner_keep_talking(struct chan *ch)
{
    if (ch->talk == 0)
        return;
    ch->talk--;
    owner_publish_some(ch, 1);
}
