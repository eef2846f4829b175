// SPDX-License-Identifier: Apache-2.0
#include "broker/core/settle.h"

#include "base/limits.h"
#include "broker/core/core.h"
#include "broker/core/messages.h"
#include "broker/core/tx.h"

static void settle_consumer(struct channel *ch, uint32_t index)
{
    if (index == UNSETTLED_BY_GET)
        return;
    uint32_t generation;
    struct consumer *c = slots_at_index(&ch->session->core->consumers, index, &generation);
    if (ch->volume != 0)
        ch->volume--;
    consumer_settled(c);
    if (ch->channel_prefetch != 0 && ch->volume >= ch->channel_prefetch)
        return;
    channel_wake_consumers(ch);
}

enum err settle_entry(struct channel *ch, struct unsettled_entry *e, enum settle how,
                      uint64_t group)
{
    struct core *core = ch->session->core;
    uint32_t generation;
    struct queue *q = slots_at_index(&core->queues, e->queue, &generation);
    uint32_t consumer = e->consumer;
    if (how == SETTLE_REQUEUE && !q->deleted) {
        if (hold_queue(ch, q) != OK || queue_return(q, e->message, e->seq) != OK)
            return ERR_NOMEM;
    } else {
        queue_settled(q, e->message, e->seq, group);
    }
    unsettled_remove(&ch->unsettled, e);
    core->message_bytes -= UNSETTLED_ENTRY_BYTES;
    settle_consumer(ch, consumer);
    return OK;
}

static const struct reply *settle_unknown(uint64_t tag, struct fault *f)
{
    return fault_set(f, REPLY_PRECONDITION_FAILED, "unknown delivery tag %llu",
                     (unsigned long long)tag);
}

static const struct reply *settle_failed(struct fault *f)
{
    return fault_set(f, REPLY_RESOURCE_ERROR, "out of memory");
}

const struct reply *settle_one(struct channel *ch, uint64_t tag, enum settle how, struct fault *f)
{
    struct unsettled_entry *e = unsettled_find(&ch->unsettled, tag);
    if (e == NULL || unsettled_held(e))
        return settle_unknown(tag, f);
    if (ch->tx != NULL)
        return tx_settle(ch, e, how, f);
    return settle_entry(ch, e, how, 0) == OK ? NULL : settle_failed(f);
}

bool settle_some(struct channel *ch, uint64_t last, enum settle how, unsigned *work)
{
    if (how == SETTLE_REQUEUE)
        hold_begin(ch, ch->unsettled.n, *work);
    struct unsettled_entry *e = unsettled_after(&ch->unsettled, ch->settle_from);
    for (; e != NULL && unsettled_tag(e) <= last;
         e = unsettled_after(&ch->unsettled, ch->settle_from)) {
        uint64_t tag = unsettled_tag(e);
        if (*work == 0)
            return false;
        --*work;
        if (!unsettled_held(e) && settle_entry(ch, e, how, 0) != OK)
            return false; /* out of memory: the next slice tries it again */
        ch->settle_from = tag;
    }
    return hold_release_some(ch, work);
}

/* A settlement that did not fit into one turn. The channel is parked: nothing is added meanwhile.
 */
static bool settle_continue(struct channel *ch, void *state, unsigned *work)
{
    enum settle how = (enum settle)(uintptr_t)state;
    return settle_some(ch, ch->settle_last, how, work);
}

/* The same in a transaction: the entries are held for its commit. */
static bool settle_hold_some(struct channel *ch, void *state, unsigned *work)
{
    enum settle how = (enum settle)(uintptr_t)state;
    struct fault f = {.class_id = 60, .method_id = 120};
    struct unsettled_entry *e = unsettled_after(&ch->unsettled, ch->settle_from);
    for (; e != NULL && unsettled_tag(e) <= ch->settle_last;
         e = unsettled_after(&ch->unsettled, ch->settle_from)) {
        if (*work == 0)
            return false;
        --*work;
        ch->settle_from = unsettled_tag(e);
        if (!unsettled_held(e) && tx_settle(ch, e, how, &f) != NULL) {
            session_fail(ch->session, ch, &f);
            return true;
        }
    }
    return true;
}

const struct reply *settle_up_to(struct channel *ch, uint64_t tag, enum settle how, struct fault *f)
{
    if (tag != 0) {
        struct unsettled_entry *e = unsettled_find(&ch->unsettled, tag);
        if (e == NULL || unsettled_held(e))
            return settle_unknown(tag, f);
    }
    park_job job = ch->tx == NULL ? settle_continue : settle_hold_some;
    ch->settle_from = 0;
    ch->settle_last = tag == 0 ? ch->last_tag : tag;
    if (!job(ch, (void *)(uintptr_t)how, &ch->session->core->work))
        parking_job(ch, job, (void *)(uintptr_t)how);
    return NULL;
}
