// SPDX-License-Identifier: Apache-2.0
#include "broker/core/pacing.h"

#include "base/limits.h"
#include "broker/core/core.h"

/* How much of a backlog is none yet: half of what a publisher may send before it is throttled. It
 * is let go at half of that, so that consumers have enough until it is read again. */
static size_t pacing_backlog(const struct queue *q)
{
    return q->core->options.pacing_messages / 2;
}

static bool pacing_is_behind(const struct queue *q)
{
    return queue_n_ready(q) > pacing_backlog(q) && q->taken_ns != 0 &&
           q->core->now_ns - q->taken_ns <= PACING_THROTTLE_NS;
}

/* Looked at once per so many messages that it costs nothing. */
static bool pacing_may_throttle(const struct session *s)
{
    if (s->state != SESSION_RUNNING)
        return false;
    LIST_EACH(&s->channel_list, node) {
        const struct channel *ch = CONTAINER_OF(node, struct channel, in_session);
        if (!list_empty(&ch->consumer_list) || ch->unsettled.n != 0)
            return false;
    }
    return true;
}

static void pacing_forget(struct session *s)
{
    s->n_ahead = 0;
    s->ahead_bytes = 0;
}

void pacing_published(struct session *s, struct queue *q, size_t bytes)
{
    if (!pacing_is_behind(q))
        return;
    s->n_ahead++;
    s->ahead_bytes += bytes;
    if (s->n_ahead < s->core->options.pacing_messages && s->ahead_bytes < PACING_BYTES)
        return;
    pacing_forget(s);
    if (!pacing_may_throttle(s))
        return;
    /* The I/O side may have ended an earlier throttling, or may not have come to it yet: it knows.
     */
    list_remove(&s->in_throttled);
    list_push_back(&q->throttled, &s->in_throttled);
    session_throttle(s, true);
}

void pacing_taken(struct queue *q)
{
    if (queue_n_ready(q) <= pacing_backlog(q) / 2)
        pacing_let_go(q);
}

bool pacing_let_go_some(struct queue *q, unsigned *work)
{
    for (struct list *node; (node = list_first(&q->throttled)) != NULL;) {
        if (*work == 0)
            return false;
        --*work;
        struct session *s = CONTAINER_OF(node, struct session, in_throttled);
        list_remove(node);
        pacing_forget(s);
        session_throttle(s, false);
    }
    return true;
}

void pacing_let_go(struct queue *q)
{
    (void)pacing_let_go_some(q, &q->core->work);
}
