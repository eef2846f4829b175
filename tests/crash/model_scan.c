// SPDX-License-Identifier: Apache-2.0
/* What is expected of each copy once the broker was killed, and what a scan of its queue says. */
#include "tests/crash/model.h"

/* Of a copy that nobody is known to have taken. */
static enum expect model_expect_there(const struct model *m, const struct copy *c,
                                      const struct record *r)
{
    bool put_unknown = r->tx != 0 && !c->promised && model_tx(m, r->tx)->state == TX_UNKNOWN;
    bool taken_unknown = c->settled_tx != 0 && model_tx(m, c->settled_tx)->state == TX_UNKNOWN;
    if (!r->persistent || c->doubtful || (put_unknown && taken_unknown) ||
        (m->lax && (put_unknown || taken_unknown)))
        return EXPECT_MAY;
    if (put_unknown)
        return EXPECT_TX_PUT;
    if (!c->promised)
        return EXPECT_MAY;
    return taken_unknown ? EXPECT_TX_TAKEN : EXPECT_MUST;
}

bool model_lasts(const struct model *m, const struct copy *c)
{
    return !m->lax && (c->gone_ns == 0 || c->gone_ns + m->ack_interval_ns <= m->now_ns);
}

static enum expect model_expect(const struct model *m, const struct copy *c, bool clean)
{
    const struct record *r = model_record(m, c->message);
    enum tx_state put = r->tx == 0 ? TX_COMMITTED : model_tx(m, r->tx)->state;
    if (put == TX_OPEN || put == TX_ROLLED_BACK)
        return EXPECT_NOT;
    if (c->state == COPY_SETTLING)
        return EXPECT_MAY;
    if (c->state != COPY_GONE)
        return model_expect_there(m, c, r);
    return clean || model_lasts(m, c) ? EXPECT_NOT : EXPECT_MAY;
}

void model_killed(struct model *m, bool clean)
{
    m->n_kills++;
    deque_cut(&m->order, 0);
    for (size_t i = 0; i < m->txs.n; i++) {
        struct tx *tx = deque_at(&m->txs, i);
        if (tx->state == TX_OPEN)
            tx->state = TX_ROLLED_BACK;
        else if (tx->state == TX_ASKED)
            tx->state = TX_UNKNOWN;
    }
    for (size_t i = 0; i < m->live.n; i++) {
        struct copy *c = model_copy(m, *(uint32_t *)deque_at(&m->live, i));
        bool leaky = m->layout.queues[c->queue].leaky;
        c->doubtful = c->doubtful || (leaky && c->state == COPY_READY);
        c->expect = model_expect(m, c, clean);
        model_note(m, DEED_KILL, c->message, c->queue, m->n_kills);
        ((struct event *)deque_at(&m->events, m->events.n - 1))->expect = (uint8_t)c->expect;
        c->holder = 0;
        /* Whatever may be there waits, from now on, in its queue. */
        c->doubtful = c->doubtful || c->state == COPY_SETTLING || c->state == COPY_GONE;
        if (c->expect != EXPECT_NOT)
            model_become(m, c, COPY_READY);
    }
}

/* ---- Transactions whose end nobody has seen ---- */

static void model_evidence(struct model *m, uint32_t number, uint32_t copy, bool committed)
{
    struct tx *tx = model_tx(m, number);
    int says = committed ? 1 : -1;
    m->n_checks++;
    if (tx->evidence == 0) {
        tx->evidence = says;
        tx->evidence_copy = copy;
    }
    if (tx->evidence == says)
        return;
    const struct copy *one = model_copy(m, tx->evidence_copy);
    const struct copy *other = model_copy(m, copy);
    model_flaw(m, FLAW_HALF_TX, other->message,
               "transaction %u: message %u in queue %s says that it was %s, message %u in queue "
               "%s that it was %s",
               number, one->message, m->layout.queues[one->queue].name,
               committed ? "not committed" : "committed", other->message,
               m->layout.queues[other->queue].name, committed ? "committed" : "not committed");
}

/* ---- Topology ---- */

/* True when the fact stands, or is known now; `what` and `name` are for the report. */
static bool model_fact_is(struct model *m, enum fact *fact, bool there, const char *what,
                          const char *name)
{
    m->n_checks++;
    if (*fact == FACT_UNSURE)
        *fact = there ? FACT_YES : FACT_NO;
    if (there == (*fact == FACT_YES))
        return true;
    model_flaw(m, FLAW_TOPOLOGY, 0, there ? "%s %s was deleted and is there" : "%s %s is not there",
               what, name);
    return false;
}

void model_queue_is(struct model *m, uint32_t queue, bool there)
{
    struct layout_queue *q = &m->layout.queues[queue];
    if (!model_fact_is(m, &q->fact, there, "queue", q->name) || there)
        return;
    layout_drop_queue(&m->layout, queue);
    model_emptied(m, queue, 0, true);
}

void model_exchange_is(struct model *m, uint32_t exchange, bool there)
{
    struct layout_exchange *x = &m->layout.exchanges[exchange];
    if (model_fact_is(m, &x->fact, there, "exchange", x->name) && !there)
        layout_drop_exchange(&m->layout, exchange);
}

void model_restarted(struct model *m)
{
    for (uint32_t i = 0; i < m->layout.n_queues; i++) {
        const struct layout_queue *q = &m->layout.queues[i];
        if (!q->transient || q->fact == FACT_NO)
            continue;
        layout_drop_queue(&m->layout, i);
        model_emptied(m, i, 0, true);
    }
    for (uint32_t i = 0; i < m->layout.n_exchanges; i++)
        if (m->layout.exchanges[i].transient && m->layout.exchanges[i].fact != FACT_NO)
            layout_drop_exchange(&m->layout, i);
}

/* ---- The scan ---- */

void model_scan_begin(struct model *m, uint32_t queue)
{
    for (size_t i = 0; i < m->live.n; i++) {
        struct copy *c = model_copy(m, *(uint32_t *)deque_at(&m->live, i));
        if (c->queue == queue)
            c->found = false;
    }
}

/* Does a copy that is there contradict what is known? */
static bool model_contradicts(struct model *m, const struct copy *c, uint32_t at, bool redelivered)
{
    const struct record *r = model_record(m, c->message);
    const char *name = m->layout.queues[c->queue].name;
    if (c->found)
        model_flaw(m, FLAW_TWICE, c->message, "queue %s: message %u", name, c->message);
    else if (r->tx != 0 && model_tx(m, r->tx)->state == TX_ROLLED_BACK)
        model_flaw(m, FLAW_UNCOMMITTED, c->message, "queue %s: message %u", name, c->message);
    else if (!c->listed || c->expect == EXPECT_NOT)
        model_flaw(m, FLAW_BACK, c->message, "queue %s: message %u", name, c->message);
    else if (c->seen && !redelivered)
        model_flaw(m, FLAW_UNFLAGGED, c->message, "queue %s: message %u", name, c->message);
    else if (r->tx != 0 && model_tx(m, r->tx)->state == TX_UNKNOWN)
        model_evidence(m, r->tx, at, true);
    if (c->expect == EXPECT_TX_TAKEN)
        model_evidence(m, c->settled_tx, at, false);
    return m->flaw != FLAW_NONE;
}

uint32_t model_scan_take(struct model *m, uint32_t queue, uint32_t message, uint32_t channel,
                         bool redelivered)
{
    uint32_t at = model_find_copy(m, queue, message);
    if (at == UINT32_MAX) {
        model_stranger(m, queue, message);
        return at;
    }
    struct copy *c = model_copy(m, at);
    m->n_checks++;
    m->n_redelivered += redelivered;
    model_note(m, DEED_FOUND, message, queue, m->n_kills);
    if (model_contradicts(m, c, at, redelivered) || model_disordered(m, queue, channel, message))
        return UINT32_MAX;
    c->found = true;
    c->seen = true;
    c->doubtful = false;
    c->promised = model_record(m, message)->persistent;
    c->settled_tx = 0;
    model_become(m, c, COPY_OUT);
    c->holder = channel;
    return at;
}

static void model_missed(struct model *m, struct copy *c, uint32_t at)
{
    m->n_checks++;
    model_note(m, DEED_MISSED, c->message, c->queue, m->n_kills);
    switch (c->expect) {
    case EXPECT_MUST:
        model_flaw(m, FLAW_LOST, c->message, "queue %s: message %u",
                   m->layout.queues[c->queue].name, c->message);
        break;
    case EXPECT_TX_PUT: model_evidence(m, model_record(m, c->message)->tx, at, false); break;
    case EXPECT_TX_TAKEN: model_evidence(m, c->settled_tx, at, true); break;
    case EXPECT_MAY:
    case EXPECT_NOT: break;
    }
    model_bury(m, c);
}

void model_scan_end(struct model *m, uint32_t queue)
{
    for (size_t i = 0; i < m->live.n && m->flaw == FLAW_NONE; i++) {
        uint32_t at = *(uint32_t *)deque_at(&m->live, i);
        struct copy *c = model_copy(m, at);
        if (c->queue == queue && !c->found)
            model_missed(m, c, at);
    }
    m->layout.queues[queue].leaky = false;
    model_compact(m);
}

void model_scanned(struct model *m)
{
    deque_cut(&m->order, 0);
    for (size_t i = 0; i < m->live.n; i++) {
        struct copy *c = model_copy(m, *(uint32_t *)deque_at(&m->live, i));
        c->found = false;
        c->expect = EXPECT_MAY;
    }
}
