// SPDX-License-Identifier: Apache-2.0
#include "broker/core/channel.h"

#include <stdlib.h>

#include "base/limits.h"
#include "base/log.h"
#include "broker/core/core.h"
#include "broker/core/long_route.h"
#include "broker/core/messages.h"
#include "broker/core/publish.h"
#include "broker/core/settle.h"
#include "broker/core/tx.h"
#include "broker/core/vhost.h"

#define CHANNEL_STATE_ROW(name, next) [name] = next,
static const unsigned CHANNEL_NEXT[] = {CHANNEL_STATES(CHANNEL_STATE_ROW)};
#undef CHANNEL_STATE_ROW

enum err channel_new(struct channel **out, struct session *s, uint16_t number)
{
    *out = NULL;
    struct channel *ch = calloc(1, sizeof(*ch));
    if (ch == NULL)
        return ERR_NOMEM;
    ch->session = s;
    ch->number = number;
    ch->state = CHANNEL_OPEN;
    replies_init(&ch->replies);
    parking_init(&ch->parking);
    unsettled_init(&ch->unsettled);
    holds_init(&ch->holds);
    map_init(&ch->consumers);
    list_init(&ch->consumer_list);
    list_init(&ch->waiting);
    list_init(&ch->waking);
    list_init(&ch->in_waking);
    list_init(&ch->in_session);
    if (number != 0) {
        map_insert(&s->channels, &ch->by_number, number);
        list_push_back(&s->channel_list, &ch->in_session);
    }
    *out = ch;
    return OK;
}

void channel_move(struct channel *ch, enum channel_state state)
{
    ASSERT((CHANNEL_NEXT[ch->state] & BIT(state)) != 0);
    ch->state = state;
}

void channel_retire(struct channel *ch)
{
    struct session *s = ch->session;
    channel_move(ch, CHANNEL_GONE);
    map_remove(&s->channels, &ch->by_number);
    list_remove(&ch->in_session);
    list_remove(&ch->in_waking);
    if (s->channel_last == ch)
        s->channel_last = NULL;
    list_push_back(&s->core->retired, &ch->in_session);
    long_route_leave(ch);
    parking_fini(ch);
    replies_drop_all(ch);
}

void channel_free(struct channel *ch)
{
    list_remove(&ch->in_session);
    parking_fini(ch);
    replies_drop_all(ch);
    replies_fini(&ch->replies);
    ASSERT(list_empty(&ch->consumer_list) && ch->tx == NULL && list_empty(&ch->holds.held));
    unsettled_fini(&ch->unsettled);
    map_fini(&ch->consumers);
    route_cache_free(ch->routes);
    free((void *)(uintptr_t)ch->last_queue.at);
    free(ch);
}

bool channel_release_some(struct channel *ch, unsigned *work)
{
    if (ch->tx != NULL && !tx_rollback_some(ch, work))
        return false;
    tx_free(ch);
    for (struct list *node; *work != 0 && (node = list_first(&ch->consumer_list)) != NULL;) {
        --*work; /* before the rest: an auto-delete queue may use up what is left */
        consumer_cancel(CONTAINER_OF(node, struct consumer, in_channel));
    }
    hold_begin(ch, ch->unsettled.n, *work);
    while (*work != 0 && ch->unsettled.n != 0) {
        --*work;
        if (settle_entry(ch, unsettled_first(&ch->unsettled), SETTLE_REQUEUE, 0) != OK) {
            ch->session->core->retry_due = true;
            return false; /* out of memory: the next turn tries again */
        }
    }
    return list_empty(&ch->consumer_list) && ch->unsettled.n == 0 && hold_release_some(ch, work);
}

static bool channel_fail_job(struct channel *ch, void *state, unsigned *work)
{
    (void)state;
    return channel_release_some(ch, work);
}

void channel_fail(struct channel *ch, const struct fault *f)
{
    const struct session *s = ch->session;
    log_event(LOG_CHANNEL_FAULT, "peer=%s user=\"%.*s\" channel=%u code=%u text=\"%s\"", s->peer,
              SPAN_FMT(s->user), ch->number, f->reply->code, f->text);
    channel_move(ch, CHANNEL_FAULTED);
    replies_drop_confirms(ch);
    struct method m = {.id = METHOD_channel_close};
    m.channel_close = (struct amqp_channel_close){.reply_code = f->reply->code,
                                                  .reply_text = span_str(f->text),
                                                  .class_id = f->class_id,
                                                  .method_id = f->method_id};
    replies_method(ch, &m, 0);
    /* What waits for memory waits no longer: it is dropped, and close-ok may be among it. */
    if (!channel_release_some(ch, &ch->session->core->work) || ch->parking.why == PARK_MEMORY)
        parking_job(ch, channel_fail_job, NULL);
}

const struct reply *channel_queue_name(const struct channel *ch, struct span *name, struct fault *f)
{
    if (name->size != 0)
        return NULL;
    if (ch->last_queue.size == 0)
        return fault_set(f, REPLY_NOT_FOUND, "no previously declared queue");
    *name = ch->last_queue;
    return NULL;
}

const struct reply *channel_queue(const struct channel *ch, struct span name, struct queue **out,
                                  struct fault *f)
{
    const struct reply *bad = channel_queue_name(ch, &name, f);
    if (bad != NULL)
        return bad;
    const struct vhost *v = ch->session->vhost;
    *out = vhost_queue(v, name);
    if (*out == NULL)
        return fault_set(f, REPLY_NOT_FOUND, "no " QUEUE_TEXT, SPAN_FMT(name), SPAN_FMT(v->name));
    return queue_check_owner(*out, ch->session, f);
}

bool channel_awaits_queue(struct channel *ch, struct queue *q)
{
    if (queue_rest(q))
        return false;
    parking_again(ch);
    return true;
}

bool channel_wake_some(struct channel *ch, unsigned *work)
{
    for (struct list *node; (node = list_first(&ch->waking)) != NULL;) {
        if (*work == 0)
            return false;
        --*work;
        consumer_wake(CONTAINER_OF(node, struct consumer, in_wait));
    }
    return true;
}

void channel_wake_consumers(struct channel *ch)
{
    struct core *core = ch->session->core;
    if (list_empty(&ch->waiting))
        return;
    /* Who is held back again must not be woken again by the same cause. */
    list_splice_back(&ch->waking, &ch->waiting);
    if (!channel_wake_some(ch, &core->work) && !list_linked(&ch->in_waking))
        list_push_back(&core->waking, &ch->in_waking);
}

const struct reply *channel_set_last_queue(struct channel *ch, struct span name, struct fault *f)
{
    if (span_eq(ch->last_queue, name))
        return NULL;
    struct span copy = span_dup(name);
    if (copy.at == NULL)
        return fault_set(f, REPLY_RESOURCE_ERROR, "out of memory");
    free((void *)(uintptr_t)ch->last_queue.at);
    ch->last_queue = copy;
    return NULL;
}

void channel_check(const struct channel *ch)
{
    size_t n_by_consumers = 0;
    size_t n_consumers = 0;
    LIST_EACH(&ch->consumer_list, node) {
        const struct consumer *c = CONTAINER_OF(node, struct consumer, in_channel);
        ASSERT(c->channel == ch);
        n_by_consumers += c->n_unsettled;
        n_consumers++;
    }
    ASSERT(n_consumers == ch->consumers.n);
    ASSERT(n_by_consumers <= ch->unsettled.n); /* cancelled ones and gets are there too */
    ASSERT(list_empty(&ch->waking) || list_linked(&ch->in_waking));
    ASSERT((ch->replies.list.n != 0) == list_linked(&ch->replies.in_flush));
}
