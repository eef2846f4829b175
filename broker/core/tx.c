// SPDX-License-Identifier: Apache-2.0
#include "broker/core/tx.h"

#include <stdlib.h>

#include "base/limits.h"
#include "broker/core/core.h"
#include "broker/core/messages.h"
#include "broker/core/publish.h"

struct tx_publish {
    struct message *message; /* a reference */
    bool mandatory;
    size_t n;
    struct slot_id queues[]; /* as routed when it was published */
};

struct tx_settlement {
    uint64_t tag;
    enum settle how;
};

struct tx {
    struct fifo publishes;   /* struct tx_publish * */
    struct fifo settlements; /* struct tx_settlement */
    size_t bytes;
    size_t at;      /* the queue that the front publish goes to next */
    uint64_t group; /* of what the store is told in the commit, 0 = none yet */
    bool durable;   /* the store is told something */
    bool reached;   /* a queue has taken the front publish */
    bool failed;    /* memory ran out in the commit */
};

enum err tx_select(struct channel *ch)
{
    if (ch->tx != NULL)
        return OK;
    struct tx *tx = calloc(1, sizeof(*tx));
    if (tx == NULL)
        return ERR_NOMEM;
    fifo_init(&tx->publishes, sizeof(struct tx_publish *));
    fifo_init(&tx->settlements, sizeof(struct tx_settlement));
    ch->tx = tx;
    return OK;
}

static const struct reply *tx_charge(struct channel *ch, size_t size, struct fault *f)
{
    struct tx *tx = ch->tx;
    if (tx->bytes + size > TX_BYTES_MAX)
        return fault_set(f, REPLY_RESOURCE_ERROR, "transaction exceeds %d bytes", TX_BYTES_MAX);
    tx->bytes += size;
    ch->session->core->tx_bytes += size;
    return NULL;
}

/* Nothing is held any more. */
static void tx_uncharge(struct channel *ch)
{
    ch->session->core->tx_bytes -= ch->tx->bytes;
    ch->tx->bytes = 0;
}

const struct reply *tx_publish(struct channel *ch, struct message *m, struct queue *const *queues,
                               size_t n, bool mandatory, struct fault *f)
{
    struct core *core = ch->session->core;
    struct tx *tx = ch->tx;
    size_t size = sizeof(struct tx_publish) + n * sizeof(struct slot_id);
    if (core->memory_high && core->tx_bytes > core->options.memory_limit_bytes / TX_SHARE)
        return fault_set(f, REPLY_RESOURCE_ERROR, "open transactions exceed their share of memory");
    const struct reply *bad = tx_charge(ch, size + message_footprint(m), f);
    if (bad != NULL)
        return bad;
    struct tx_publish *held = malloc(size);
    struct tx_publish **place = held == NULL ? NULL : fifo_push(&tx->publishes);
    if (place == NULL) {
        free(held);
        return fault_set(f, REPLY_RESOURCE_ERROR, "out of memory");
    }
    *held = (struct tx_publish){.message = m, .mandatory = mandatory, .n = n};
    for (size_t i = 0; i < n; i++)
        held->queues[i] = queues[i]->id;
    *place = held;
    core->message_bytes += size;
    tx->durable |= publish_is_durable(m, queues, n);
    return NULL;
}

const struct reply *tx_settle(struct channel *ch, struct unsettled_entry *e, enum settle how,
                              struct fault *f)
{
    const struct reply *bad = tx_charge(ch, sizeof(struct tx_settlement), f);
    if (bad != NULL)
        return bad;
    struct tx_settlement *held = fifo_push(&ch->tx->settlements);
    if (held == NULL)
        return fault_set(f, REPLY_RESOURCE_ERROR, "out of memory");
    *held = (struct tx_settlement){unsettled_tag(e), how};
    ch->tx->durable |= e->message->persistent && how != SETTLE_REQUEUE;
    unsettled_hold(e, true);
    return NULL;
}

bool tx_has_begun(const struct channel *ch)
{
    return ch->tx != NULL && ch->tx->publishes.n + ch->tx->settlements.n != 0;
}

size_t tx_n_held(const struct channel *ch)
{
    return ch->tx == NULL ? 0 : ch->tx->settlements.n;
}

static void tx_drop_publish(struct channel *ch)
{
    struct tx_publish *held = *(struct tx_publish **)fifo_front(&ch->tx->publishes);
    fifo_pop(&ch->tx->publishes);
    ch->session->core->message_bytes -= sizeof(*held) + held->n * sizeof(held->queues[0]);
    message_unref(ch->session->core, held->message);
    free(held);
    ch->tx->at = 0;
}

/* Some of the front publish. It is returned when none of its queues is left to take it. */
static void tx_commit_publish(struct channel *ch, struct tx_publish *held, unsigned *work)
{
    struct core *core = ch->session->core;
    struct tx *tx = ch->tx;
    struct queue *queues[PUBLISH_PART];
    size_t n = 0;
    --*work; /* for a publish to no queue */
    for (; *work != 0 && tx->at < held->n && n < PUBLISH_PART; tx->at++) {
        --*work;
        struct queue *q = slots_at(&core->queues, held->queues[tx->at]);
        if (q != NULL && !q->deleted)
            queues[n++] = q;
    }
    tx->reached |= n != 0;
    bool only = held->n <= PUBLISH_PART && tx->at == held->n;
    if (publish_to(ch->session, held->message, queues, n, tx->group, only) != OK)
        tx->failed = true;
    if (tx->at < held->n)
        return;
    if (held->mandatory && !tx->reached)
        publish_return(ch, held->message);
    tx->reached = false;
    tx_drop_publish(ch);
}

static bool tx_commit_some(struct channel *ch, void *state, unsigned *work)
{
    (void)state;
    struct tx *tx = ch->tx;
    if (tx->group == 0)
        tx->group = store_begin(ch->session->core->options.store);
    while (*work != 0 && tx->publishes.n != 0)
        tx_commit_publish(ch, *(struct tx_publish **)fifo_front(&tx->publishes), work);
    hold_begin(ch, tx->settlements.n, *work);
    while (*work != 0 && tx->settlements.n != 0) {
        --*work;
        struct tx_settlement s = *(struct tx_settlement *)fifo_front(&tx->settlements);
        struct unsettled_entry *e = unsettled_find(&ch->unsettled, s.tag);
        unsettled_hold(e, false);
        if (settle_entry(ch, e, s.how, tx->group) != OK) {
            unsettled_hold(e, true);
            return false; /* out of memory: the next turn tries again */
        }
        fifo_pop(&tx->settlements);
    }
    if (tx->publishes.n != 0 || tx->settlements.n != 0 || !hold_release_some(ch, work))
        return false;
    tx_uncharge(ch);
    /* Also of one that lacked memory on the way: the journal says what the queues have. */
    if (tx->durable)
        store_commit(ch->session->core->options.store, tx->group);
    tx->group = 0;
    if (tx->failed) {
        struct fault f = {.class_id = 90, .method_id = 20};
        fault_set(&f, REPLY_RESOURCE_ERROR, "out of memory");
        session_fail(ch->session, ch, &f);
        return true;
    }
    struct method m = {.id = METHOD_tx_commit_ok};
    replies_method(ch, &m, core_barrier(ch->session->core, tx->durable));
    tx->durable = false;
    return true;
}

void tx_commit(struct channel *ch)
{
    if (!tx_commit_some(ch, NULL, &ch->session->core->work))
        parking_job(ch, tx_commit_some, NULL);
}

bool tx_rollback_some(struct channel *ch, unsigned *work)
{
    struct tx *tx = ch->tx;
    for (; *work != 0 && tx->publishes.n != 0; --*work)
        tx_drop_publish(ch);
    for (; *work != 0 && tx->settlements.n != 0; --*work) {
        struct tx_settlement *s = fifo_front(&tx->settlements);
        unsettled_hold(unsettled_find(&ch->unsettled, s->tag), false);
        fifo_pop(&tx->settlements);
    }
    if (tx->publishes.n != 0 || tx->settlements.n != 0)
        return false;
    tx_uncharge(ch);
    tx->durable = false;
    return true;
}

void tx_free(struct channel *ch)
{
    if (ch->tx == NULL)
        return;
    fifo_fini(&ch->tx->publishes);
    fifo_fini(&ch->tx->settlements);
    free(ch->tx);
    ch->tx = NULL;
}
