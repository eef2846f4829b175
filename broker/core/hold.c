// SPDX-License-Identifier: Apache-2.0
#include "broker/core/hold.h"

#include <stdlib.h>

#include "broker/core/channel.h"
#include "broker/core/core.h"
#include "broker/core/queue.h"

enum { HOLD_LOOKS_PER_STEP = 8 };

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

/* What the channel holds the queue by, or NULL. Counts what it looks at. */
static struct hold *hold_find(const struct channel *ch, const struct queue *q)
{
    size_t looks = 0;
    struct hold *found = NULL;
    LIST_EACH(&q->holds, node) {
        struct hold *h = CONTAINER_OF(node, struct hold, in_queue);
        if (h->channel == ch) {
            found = h;
            break;
        }
        looks++;
    }
    core_count(q->core, looks / HOLD_LOOKS_PER_STEP);
    return found;
}

enum err hold_queue(struct channel *ch, struct queue *q)
{
    if (!ch->holds.holding)
        return OK;
    struct hold *h = hold_find(ch, q);
    if (h != NULL) {
        /* To the front: a slice asks for the same few queues again and again. */
        list_remove(&h->in_queue);
        list_push_front(&q->holds, &h->in_queue);
        return OK;
    }
    h = malloc(sizeof(*h));
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
