// SPDX-License-Identifier: Apache-2.0
/* What clients do while the broker lives; model_scan.c has what is demanded after it was killed. */
#include "tests/crash/model.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void model_init(struct model *m)
{
    memset(m, 0, sizeof(*m));
    deque_init(&m->records, sizeof(struct record));
    deque_init(&m->copies, sizeof(struct copy));
    deque_init(&m->live, sizeof(uint32_t));
    deque_init(&m->txs, sizeof(struct tx));
    deque_init(&m->events, sizeof(struct event));
    deque_init(&m->order, sizeof(struct order_row));
}

void model_fini(struct model *m)
{
    deque_fini(&m->records);
    deque_fini(&m->copies);
    deque_fini(&m->live);
    deque_fini(&m->txs);
    deque_fini(&m->events);
    deque_fini(&m->order);
}

static void *model_push(struct deque *d)
{
    void *place = deque_push(d);
    ASSERT(place != NULL);
    return place;
}

void model_flaw(struct model *m, enum flaw flaw, uint32_t message, const char *format, ...)
{
    if (m->flaw != FLAW_NONE)
        return;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(m->report, sizeof(m->report), format, arguments);
    va_end(arguments);
    m->flaw = flaw;
    m->flaw_message = message;
}

struct record *model_record(const struct model *m, uint32_t message)
{
    return message == 0 || message > m->records.n ? NULL : deque_at(&m->records, message - 1);
}

struct copy *model_copy(const struct model *m, uint32_t copy)
{
    return deque_at(&m->copies, copy);
}

struct tx *model_tx(const struct model *m, uint32_t tx)
{
    return deque_at(&m->txs, tx - 1);
}

void model_note(struct model *m, enum deed deed, uint32_t message, uint32_t queue, uint32_t who)
{
    *(struct event *)model_push(&m->events) = (struct event){
        .at_ns = m->now_ns, .message = message, .queue = queue, .who = who, .deed = (uint8_t)deed};
}

static void model_note_copy(struct model *m, enum deed deed, const struct copy *c, uint32_t who)
{
    model_note(m, deed, c->message, c->queue, who);
}

/* ---- Publishing ---- */

uint32_t model_publish(struct model *m, const struct record *r, const uint32_t *queues, size_t n)
{
    ASSERT(n <= COPIES_MAX);
    struct record *kept = model_push(&m->records);
    *kept = *r;
    kept->n_copies = (uint8_t)n;
    uint32_t message = (uint32_t)m->records.n;
    for (size_t i = 0; i < n; i++) {
        kept->copies[i] = (uint32_t)m->copies.n;
        *(uint32_t *)model_push(&m->live) = kept->copies[i];
        *(struct copy *)model_push(&m->copies) = (struct copy){
            .message = message, .queue = queues[i], .listed = true};
    }
    m->n_there += (uint32_t)n;
    m->there_bytes += (uint64_t)r->size * n;
    model_note(m, DEED_PUBLISH, message, UINT32_MAX, r->producer);
    return message;
}

void model_confirmed(struct model *m, uint32_t message)
{
    const struct record *r = model_record(m, message);
    for (uint8_t i = 0; i < r->n_copies; i++)
        model_copy(m, r->copies[i])->promised = r->persistent;
    m->n_checks++;
    model_note(m, DEED_CONFIRM, message, UINT32_MAX, r->producer);
}

void model_nacked(struct model *m, uint32_t message)
{
    model_note(m, DEED_NACK, message, UINT32_MAX, model_record(m, message)->producer);
}

/* ---- Deliveries ---- */

uint32_t model_find_copy(const struct model *m, uint32_t queue, uint32_t message)
{
    const struct record *r = model_record(m, message);
    for (uint8_t i = 0; r != NULL && i < r->n_copies; i++)
        if (model_copy(m, r->copies[i])->queue == queue)
            return r->copies[i];
    return UINT32_MAX;
}

void model_stranger(struct model *m, uint32_t queue, uint32_t message)
{
    const char *name = m->layout.queues[queue].name;
    const struct record *r = model_record(m, message);
    if (r == NULL) {
        model_flaw(m, FLAW_INVENTED, 0, "queue %s: message %u", name, message);
        return;
    }
    for (uint8_t i = 0; i < r->n_copies; i++) {
        const struct layout_queue *old = &m->layout.queues[model_copy(m, r->copies[i])->queue];
        if (strcmp(old->name, name) == 0) {
            model_flaw(m, FLAW_BACK, message, "message %u of a deleted queue %s", message, name);
            return;
        }
    }
    model_flaw(m, FLAW_MISROUTED, message, "queue %s: message %u", name, message);
}

bool model_disordered(struct model *m, uint32_t queue, uint32_t channel, uint32_t message)
{
    uint32_t producer = model_record(m, message)->producer;
    m->n_checks++;
    for (size_t i = 0; i < m->order.n; i++) {
        struct order_row *row = deque_at(&m->order, i);
        if (row->queue != queue || row->channel != channel || row->producer != producer)
            continue;
        uint32_t before = row->message;
        row->message = message;
        if (before < message)
            return false;
        model_flaw(m, FLAW_DISORDER, message, "queue %s: message %u after message %u",
                   m->layout.queues[queue].name, message, before);
        return true;
    }
    *(struct order_row *)model_push(&m->order) = (struct order_row){queue, channel, producer,
                                                                    message};
    return false;
}

/* May this copy be delivered now? */
static bool model_deliverable(struct model *m, const struct copy *c)
{
    const struct record *r = model_record(m, c->message);
    const char *name = m->layout.queues[c->queue].name;
    enum tx_state state = r->tx == 0 ? TX_COMMITTED : model_tx(m, r->tx)->state;
    if (state == TX_OPEN || state == TX_ROLLED_BACK)
        model_flaw(m, FLAW_UNCOMMITTED, c->message, "queue %s: message %u", name, c->message);
    else if (c->state == COPY_OUT)
        model_flaw(m, FLAW_TWICE, c->message, "queue %s: message %u is with channel %u", name,
                   c->message, c->holder);
    else if (c->state == COPY_SETTLING || c->state == COPY_GONE)
        model_flaw(m, FLAW_BACK, c->message, "queue %s: message %u", name, c->message);
    else
        return true;
    return false;
}

uint32_t model_delivered(struct model *m, uint32_t queue, uint32_t message, uint32_t channel,
                         bool redelivered, bool auto_ack)
{
    uint32_t at = model_find_copy(m, queue, message);
    if (at == UINT32_MAX) {
        model_stranger(m, queue, message);
        return at;
    }
    struct copy *c = model_copy(m, at);
    model_note_copy(m, DEED_DELIVER, c, channel);
    m->n_checks++;
    m->n_redelivered += redelivered;
    if (!model_deliverable(m, c))
        return UINT32_MAX;
    if (c->seen && !redelivered) {
        model_flaw(m, FLAW_UNFLAGGED, message, "queue %s: message %u", m->layout.queues[queue].name,
                   message);
        return UINT32_MAX;
    }
    if (!redelivered && model_disordered(m, queue, channel, message))
        return UINT32_MAX;
    c->seen = true;
    c->doubtful = false;
    c->holder = auto_ack ? 0 : channel;
    model_become(m, c, auto_ack ? COPY_GONE : COPY_OUT);
    c->gone_ns = m->now_ns;
    return at;
}

void model_settle(struct model *m, uint32_t copy, uint64_t cmd)
{
    struct copy *c = model_copy(m, copy);
    ASSERT(c->state == COPY_OUT);
    model_become(m, c, COPY_SETTLING);
    c->settle_cmd = cmd;
    model_note_copy(m, DEED_SETTLE, c, c->holder);
}

void model_requeue(struct model *m, uint32_t copy)
{
    struct copy *c = model_copy(m, copy);
    ASSERT(c->state == COPY_OUT);
    model_note_copy(m, DEED_REQUEUE, c, c->holder);
    model_become(m, c, COPY_READY);
    c->holder = 0;
}

static void model_taken(struct model *m, struct copy *c, bool lasting)
{
    model_note_copy(m, DEED_TAKEN, c, c->holder);
    model_become(m, c, COPY_GONE);
    c->holder = 0;
    c->settled_tx = 0;
    c->gone_ns = lasting ? 0 : m->now_ns;
}

void model_answered(struct model *m, uint32_t channel, uint64_t cmd)
{
    for (size_t i = 0; i < m->live.n; i++) {
        struct copy *c = model_copy(m, *(uint32_t *)deque_at(&m->live, i));
        if (c->holder == channel && c->state == COPY_SETTLING && c->settle_cmd < cmd)
            model_taken(m, c, false);
    }
}

void model_channel_ended(struct model *m, uint32_t channel, bool orderly)
{
    if (orderly)
        model_answered(m, channel, UINT64_MAX);
    for (size_t i = 0; i < m->live.n; i++) {
        struct copy *c = model_copy(m, *(uint32_t *)deque_at(&m->live, i));
        if (c->holder != channel)
            continue;
        model_note_copy(m, DEED_LOST_CHANNEL, c, channel);
        c->doubtful = c->state == COPY_SETTLING;
        model_become(m, c, COPY_READY);
        c->holder = 0;
        c->settled_tx = 0;
    }
}

void model_doubt(struct model *m, uint32_t queue, bool all)
{
    for (size_t i = 0; i < m->live.n; i++) {
        struct copy *c = model_copy(m, *(uint32_t *)deque_at(&m->live, i));
        if (c->queue == queue && (all || c->state == COPY_READY))
            c->doubtful = true;
    }
}

void model_count_is(struct model *m, uint32_t queue, uint32_t count)
{
    uint32_t n = 0;
    uint32_t n_doubtful = 0;
    for (size_t i = 0; i < m->live.n; i++) {
        const struct copy *c = model_copy(m, *(uint32_t *)deque_at(&m->live, i));
        n += c->queue == queue && c->state == COPY_READY;
        n_doubtful += c->queue == queue && c->state == COPY_READY && c->doubtful;
    }
    m->n_checks++;
    if (count > n || count + n_doubtful < n)
        model_flaw(m, FLAW_COUNT, 0, "queue %s: %u messages, the answer says %u",
                   m->layout.queues[queue].name, n, count);
}

void model_emptied(struct model *m, uint32_t queue, uint32_t channel, bool deleted)
{
    for (size_t i = 0; i < m->live.n; i++) {
        struct copy *c = model_copy(m, *(uint32_t *)deque_at(&m->live, i));
        if (c->queue != queue || (c->state != COPY_READY && !deleted))
            continue;
        model_become(m, c, COPY_GONE);
        c->holder = 0;
        c->settled_tx = 0;
        c->gone_ns = m->now_ns;
        if (deleted)
            model_bury(m, c);
        model_note_copy(m, DEED_PURGE, c, channel);
    }
    model_compact(m);
}

void model_become(struct model *m, struct copy *c, enum copy_state state)
{
    bool was = c->state != COPY_GONE;
    bool is = state != COPY_GONE;
    uint32_t size = model_record(m, c->message)->size;
    c->state = state;
    if (was == is)
        return;
    m->n_there = is ? m->n_there + 1 : m->n_there - 1;
    m->there_bytes = is ? m->there_bytes + size : m->there_bytes - size;
}

void model_age(struct model *m)
{
    for (size_t i = 0; i < m->live.n; i++) {
        struct copy *c = model_copy(m, *(uint32_t *)deque_at(&m->live, i));
        if (c->state == COPY_GONE && model_lasts(m, c))
            model_bury(m, c);
    }
    model_compact(m);
}

void model_bury(struct model *m, struct copy *c)
{
    model_become(m, c, COPY_GONE);
    c->holder = 0;
    c->gone_ns = 0;
    c->settled_tx = 0;
    c->listed = false;
}

void model_compact(struct model *m)
{
    size_t n = 0;
    for (size_t i = 0; i < m->live.n; i++) {
        uint32_t copy = *(uint32_t *)deque_at(&m->live, i);
        if (model_copy(m, copy)->listed)
            *(uint32_t *)deque_at(&m->live, n++) = copy;
    }
    deque_cut(&m->live, n);
}

/* ---- Transactions ---- */

uint32_t model_tx_begin(struct model *m)
{
    *(struct tx *)model_push(&m->txs) = (struct tx){.state = TX_OPEN};
    return (uint32_t)m->txs.n;
}

void model_tx_settle(struct model *m, uint32_t copy, uint32_t tx)
{
    struct copy *c = model_copy(m, copy);
    ASSERT(c->state == COPY_OUT && c->settled_tx == 0);
    c->settled_tx = tx;
    model_note_copy(m, DEED_TX_SETTLE, c, c->holder);
}

void model_tx_asked(struct model *m, uint32_t tx)
{
    model_tx(m, tx)->state = TX_ASKED;
}

void model_tx_committed(struct model *m, uint32_t tx, uint32_t channel)
{
    model_tx(m, tx)->state = TX_COMMITTED;
    for (size_t i = 0; i < m->live.n; i++) {
        struct copy *c = model_copy(m, *(uint32_t *)deque_at(&m->live, i));
        const struct record *r = model_record(m, c->message);
        if (c->settled_tx == tx)
            model_taken(m, c, true);
        if (r->tx != tx)
            continue;
        c->promised = r->persistent;
        model_note_copy(m, DEED_COMMIT, c, channel);
    }
    m->n_checks++;
}

void model_tx_rolled_back(struct model *m, uint32_t tx)
{
    model_tx(m, tx)->state = TX_ROLLED_BACK;
    for (size_t i = 0; i < m->live.n; i++) {
        struct copy *c = model_copy(m, *(uint32_t *)deque_at(&m->live, i));
        if (c->settled_tx == tx)
            c->settled_tx = 0;
    }
}
