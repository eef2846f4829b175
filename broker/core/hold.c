// SPDX-License-Identifier: Apache-2.0
#include "broker/core/hold.h"

#include <stdlib.h>

#include "broker/core/channel.h"
#include "broker/core/core.h"
#include "broker/core/queue.h"

struct hold {
    struct list in_channel;
    struct list in_queue;
    struct channel *channel;
    struct queue *queue;
};

void holds_init(struct holds *h)
{
    h->holding = false;
    list_init(&h->held);
}

void hold_begin(struct channel *ch, size_t n, unsigned work)
{
    ch->holds.holding |= n > work;
}

enum err hold_queue(struct channel *ch, struct queue *q)
{
    if (!ch->holds.holding)
        return OK;
    LIST_EACH(&q->holds, node) {
        struct hold *h = CONTAINER_OF(node, struct hold, in_queue);
        if (h->channel != ch)
            continue;
        /* To the front: a slice asks for the same few queues again and again. */
        list_remove(&h->in_queue);
        list_push_front(&q->holds, &h->in_queue);
        return OK;
    }
    struct hold *h = malloc(sizeof(*h));
    if (h == NULL)
        return ERR_NOMEM;
    h->channel = ch;
    h->queue = q;
    list_push_back(&ch->holds.held, &h->in_channel);
    list_push_front(&q->holds, &h->in_queue);
    return OK;
}

static void hold_free(struct hold *h)
{
    list_remove(&h->in_channel);
    list_remove(&h->in_queue);
    free(h);
}

bool hold_release_some(struct channel *ch, unsigned *work)
{
    for (struct list *node; (node = list_first(&ch->holds.held)) != NULL; --*work) {
        if (*work == 0)
            return false;
        struct hold *h = CONTAINER_OF(node, struct hold, in_channel);
        struct queue *q = h->queue;
        hold_free(h);
        queue_activate(q);
        q->core->returned = true;
    }
    ch->holds.holding = false;
    return true;
}

bool hold_forget_some(struct queue *q, unsigned *work)
{
    for (struct list *node; *work != 0 && (node = list_first(&q->holds)) != NULL; --*work)
        hold_free(CONTAINER_OF(node, struct hold, in_queue));
    return list_empty(&q->holds);
}
