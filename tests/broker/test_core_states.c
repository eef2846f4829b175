// SPDX-License-Identifier: Apache-2.0
/* A broker's whole lives, from seeds: publishers with confirms, transactions, getters that settle
 * and give back, queues that come and go, on a disk that fails and fills up; ends by a stop, of the
 * process and of the power, and more of them while starting; and bits that flip at rest. A naive
 * model says what must be there, what may, and what may not.
 *
 * One operation is executed after the other, so their order is known; what the store has made of
 * them by the time of the end is not. The disk's work is done at moments drawn from the seed.
 *
 * The environment may say which seeds: CRASH_SEEDS=1-100000, with CK_FORK=no to have the time. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "broker/core/queue.h"
#include "tests/broker/core_fixture.h"
#include "tests/sim/false_disk.h"
#include "tests/storage/cold_record.h"

enum {
    LIVES = 5,
    OPS_MAX = 150,
    QUEUES = 4, /* the last one is deleted and declared again */
    MESSAGES_MAX = 4096,
    HELD_MAX = 64,
    TX_MAX = 4,
    FAULTS_MAX = 2, /* in a life: a stop tries more often than that */
    STARTS_MAX = 20,
    SEEDS = 200
};

/* A message in a queue. */
struct place {
    uint64_t entered; /* the operation with which it came, 0 = it never did */
    uint64_t settled; /* likewise, with which it was settled; 0 = not */
    uint64_t number;  /* of the queue */
    bool delivered;   /* in some life */
    bool sure;        /* it has been seen after a start: then it is on the disk */
    bool tx_settled;  /* the settlement is part of a transaction */
    bool hit;         /* a bit of its record flipped: it may be gone */
};

struct message_model {
    struct place places[QUEUES];
    bool persistent;
    bool confirmed;
    uint32_t tx; /* number of its transaction, 0 = none */
    size_t size;
};

struct tx_model {
    bool confirmed;
    bool hit; /* a record of its group is: then all of it is gone */
};

struct held {
    uint64_t tag;
    uint32_t message;
    unsigned queue;
    bool in_tx;
};

/* Of the last queue. */
struct change {
    uint64_t op;
    uint64_t number; /* that is there since */
};

struct lives {
    struct rng chance;
    struct false_disk *disk;
    struct fixture *fx;
    struct client *publisher;
    struct client *tx;
    struct client *getter;
    uint64_t op;         /* executed last */
    uint64_t durable_op; /* all up to it are known to be durable */
    struct message_model messages[MESSAGES_MAX];
    uint32_t n_messages;
    uint32_t confirms[OPS_MAX + 1]; /* messages by publish number of this life */
    uint64_t confirm_ops[OPS_MAX + 1];
    unsigned n_published;
    struct tx_model txs[MESSAGES_MAX];
    uint32_t n_txs;
    uint32_t open_tx; /* 0 = none is open */
    bool committing;  /* its commit-ok has not come */
    uint64_t commit_op;
    uint32_t tx_messages[TX_MAX];
    unsigned tx_queues[TX_MAX];
    unsigned n_tx_messages;
    struct held held[HELD_MAX]; /* by the getter, and of these by the transaction */
    unsigned n_held;
    struct held tx_held[HELD_MAX];
    unsigned n_tx_held;
    uint64_t tx_tag; /* last one of the transaction's channel */
    uint64_t tag;    /* last one of the getter's */
    /* Which of the queues of that name is there, by its number, 0 = none; and when that changed. */
    uint64_t numbers[QUEUES];
    struct change changes[OPS_MAX];
    unsigned n_changes;
    uint64_t number_before; /* the last queue's at the start */
    uint64_t n_states;
};

static uint64_t n_states;

static uint64_t draw(struct lives *l, uint64_t n)
{
    return rng_below(&l->chance, n);
}

static const char *queue_name(unsigned q)
{
    static const char *const NAMES[QUEUES] = {"q0", "q1", "q2", "q3"};
    return NAMES[q];
}

/* ---- What clients hear ---- */

static uint64_t number_in(const char *line, const char *field)
{
    const char *at = strstr(line, field);
    return at == NULL ? 0 : strtoull(at + strlen(field), NULL, 10);
}

static void learn_durable(struct lives *l, uint64_t op)
{
    if (op > l->durable_op)
        l->durable_op = op;
}

/* Has it entered any? One that has not is confirmed without anything being written. */
static bool is_in_a_queue(const struct message_model *m)
{
    bool is_in = false;
    for (unsigned q = 0; q < QUEUES; q++)
        is_in |= m->places[q].entered != 0;
    return is_in;
}

static void hear_publisher(struct lives *l)
{
    for (size_t i = 0; i < n_heard(l->publisher); i++) {
        const char *line = line_heard(l->publisher, i);
        ck_assert_msg(strstr(line, "basic_nack") == NULL, "%s", line);
        if (strstr(line, "basic_ack") == NULL)
            continue;
        uint64_t last = number_in(line, "delivery_tag=");
        for (uint64_t n = strstr(line, "multiple") == NULL ? last : 1; n <= last; n++) {
            struct message_model *m = &l->messages[l->confirms[n]];
            m->confirmed = true;
            if (m->persistent && is_in_a_queue(m))
                learn_durable(l, l->confirm_ops[n]);
        }
    }
    forget(l->publisher);
}

static void hear_tx(struct lives *l)
{
    for (size_t i = 0; i < n_heard(l->tx); i++) {
        if (strstr(line_heard(l->tx, i), "tx_commit_ok") == NULL)
            continue;
        ck_assert(l->committing);
        l->txs[l->open_tx].confirmed = true;
        l->committing = false;
        l->open_tx = 0;
        if (l->n_tx_messages != 0) /* all of them persistent */
            learn_durable(l, l->commit_op);
    }
    forget(l->tx);
}

/* ---- Turns ---- */

static void turn(struct lives *l)
{
    fixture_step(l->fx);
    hear_publisher(l);
    hear_tx(l);
}

static void work(struct lives *l)
{
    l->fx->now_ns += draw(l, 4) == 0 ? STORE_INTERVAL_NS : 1000;
    for (uint64_t n = draw(l, 3); n != 0; n--) {
        bool more = keeper_step(l->fx->kept, l->fx->now_ns);
        (void)more;
        for (uint64_t k = draw(l, 3); k != 0; k--)
            fixture_work(l->fx);
    }
    turn(l);
}

static uint64_t number_of(struct lives *l, unsigned q)
{
    const struct queue *queue = fixture_queue(l->fx, queue_name(q));
    return queue == NULL ? 0 : queue->number;
}

/* ---- Operations ---- */

static void body_of(uint32_t id, uint8_t *body, size_t size)
{
    ASSERT(size >= 4);
    for (size_t i = 0; i < size; i++)
        body[i] = (uint8_t)(id >> (8 * (i % 4)));
}

static uint32_t new_message(struct lives *l, bool persistent)
{
    static const size_t SIZES[] = {4, 40, 400, 4000, 9000, 200000};
    uint32_t id = l->n_messages++;
    l->messages[id] = (struct message_model){
        .persistent = persistent,
        .size = SIZES[draw(l, 4) != 0 ? draw(l, 3) : draw(l, sizeof(SIZES) / sizeof(SIZES[0]))]};
    return id;
}

static void put_message(struct lives *l, struct client *c, uint32_t id, const char *exchange,
                        const char *key)
{
    static const uint8_t PERSISTENT[] = {0x10, 0x00, 2};
    static uint8_t body[200000];
    const struct message_model *m = &l->messages[id];
    body_of(id, body, m->size);
    c->properties = m->persistent ? span_of(PERSISTENT, sizeof(PERSISTENT)) : SPAN_NONE;
    put_body(c, 1, exchange, key, span_of(body, m->size), m->size, NULL);
}

static void enter(struct lives *l, uint32_t id, unsigned q)
{
    if (l->numbers[q] != 0)
        l->messages[id].places[q] = (struct place){.entered = l->op, .number = l->numbers[q]};
}

static void op_publish(struct lives *l)
{
    if (l->n_published == OPS_MAX || l->n_messages == MESSAGES_MAX)
        return;
    uint32_t id = new_message(l, draw(l, 8) != 0);
    l->op++;
    if (draw(l, 3) == 0) {
        for (unsigned q = 0; q < QUEUES - 1; q++)
            enter(l, id, q);
        put_message(l, l->publisher, id, "f", "");
    } else {
        unsigned q = (unsigned)draw(l, QUEUES);
        enter(l, id, q);
        put_message(l, l->publisher, id, "", queue_name(q));
    }
    l->confirms[++l->n_published] = id;
    l->confirm_ops[l->n_published] = l->op;
    turn(l);
}

/* Takes a message out of a queue, if there is one; which, the answer says. */
static bool get(struct lives *l, struct client *c, unsigned q, bool no_ack, uint32_t *id)
{
    if (l->numbers[q] == 0)
        return false;
    forget(c);
    put(c, "1 basic_get queue=%s%s", queue_name(q), no_ack ? " no_ack" : "");
    fixture_step(l->fx);
    hear_publisher(l);
    for (size_t i = 0; i < n_heard(c); i++) {
        const char *line = line_heard(c, i);
        if (strstr(line, "basic_get_ok") == NULL)
            continue;
        /* The body is what the message says; its number is asked of the queue before. */
        l->messages[*id].places[q].delivered = true;
        return true;
    }
    return false;
}

static uint32_t id_of(const struct message *m)
{
    struct span body = message_body(m);
    ck_assert_uint_ge(body.size, 4);
    return (uint32_t)body.at[0] | (uint32_t)body.at[1] << 8 | (uint32_t)body.at[2] << 16 |
           (uint32_t)body.at[3] << 24;
}

/* The message that a get would take. */
static bool next_of(struct lives *l, unsigned q, uint32_t *id)
{
    const struct queue *queue = fixture_queue(l->fx, queue_name(q));
    if (queue == NULL || queue_n_ready(queue) == 0)
        return false;
    const struct queue_entry *e = queue->n_returned != 0 ? &queue->returned[0]
                                                         : fifo_front(&queue->ready);
    *id = id_of(e->message);
    return true;
}

static void settle(struct lives *l, uint32_t id, unsigned q, bool in_tx)
{
    struct place *p = &l->messages[id].places[q];
    p->settled = l->op;
    p->tx_settled = in_tx;
}

static void op_get(struct lives *l)
{
    unsigned q = (unsigned)draw(l, QUEUES);
    uint32_t id;
    bool no_ack = draw(l, 4) == 0;
    if (l->n_held == HELD_MAX || !next_of(l, q, &id))
        return;
    l->op++;
    if (!get(l, l->getter, q, no_ack, &id))
        return;
    l->tag++;
    if (no_ack)
        settle(l, id, q, false);
    else
        l->held[l->n_held++] = (struct held){l->tag, id, q, false};
}

static void op_settle(struct lives *l)
{
    if (l->n_held == 0)
        return;
    unsigned i = (unsigned)draw(l, l->n_held);
    struct held h = l->held[i];
    l->op++;
    if (draw(l, 3) == 0) {
        put(l->getter, "1 basic_nack delivery_tag=%llu requeue", (unsigned long long)h.tag);
    } else if (draw(l, 4) == 0) {
        put(l->getter, "1 basic_ack delivery_tag=%llu multiple", (unsigned long long)h.tag);
        for (unsigned k = 0; k <= i; k++)
            settle(l, l->held[k].message, l->held[k].queue, false);
        memmove(l->held, l->held + i + 1, (l->n_held - i - 1) * sizeof(l->held[0]));
        l->n_held -= i + 1;
        turn(l);
        return;
    } else {
        put(l->getter, "1 basic_ack delivery_tag=%llu", (unsigned long long)h.tag);
        settle(l, h.message, h.queue, false);
    }
    memmove(l->held + i, l->held + i + 1, (l->n_held - i - 1) * sizeof(l->held[0]));
    l->n_held--;
    turn(l);
}

/* A transaction: publishes and acknowledgements, then its end. */
static void op_tx(struct lives *l)
{
    if (l->committing || l->n_txs + 1 == MESSAGES_MAX || l->n_messages + TX_MAX > MESSAGES_MAX)
        return;
    if (l->open_tx == 0) {
        l->open_tx = ++l->n_txs;
        l->n_tx_messages = 0;
    }
    unsigned q = (unsigned)draw(l, QUEUES - 1);
    uint32_t id;
    switch (draw(l, 4)) {
    case 0:
    case 1:
        if (l->n_tx_messages == TX_MAX)
            break;
        id = new_message(l, true);
        l->messages[id].tx = l->open_tx;
        l->tx_messages[l->n_tx_messages] = id;
        l->tx_queues[l->n_tx_messages++] = q;
        put_message(l, l->tx, id, "", queue_name(q));
        turn(l);
        break;
    case 2:
        if (l->n_tx_held == HELD_MAX || !next_of(l, q, &id) || !get(l, l->tx, q, false, &id))
            break;
        hear_tx(l);
        l->tx_held[l->n_tx_held++] = (struct held){++l->tx_tag, id, q, true};
        put(l->tx, "1 basic_ack delivery_tag=%llu", (unsigned long long)l->tx_tag);
        turn(l);
        break;
    default:
        l->op++;
        l->commit_op = l->op;
        l->committing = true;
        for (unsigned i = 0; i < l->n_tx_messages; i++)
            enter(l, l->tx_messages[i], l->tx_queues[i]);
        for (unsigned i = 0; i < l->n_tx_held; i++)
            settle(l, l->tx_held[i].message, l->tx_held[i].queue, true);
        l->n_tx_held = 0;
        put(l->tx, "1 tx_commit");
        turn(l);
    }
}

static void op_topology(struct lives *l)
{
    unsigned q = QUEUES - 1;
    l->op++;
    if (l->numbers[q] != 0) {
        put(l->getter, "1 queue_delete queue=%s no_wait", queue_name(q));
        unsigned n = 0; /* what was held of it is nobody's business any more */
        for (unsigned i = 0; i < l->n_held; i++)
            if (l->held[i].queue != q)
                l->held[n++] = l->held[i];
        l->n_held = n;
    } else {
        put(l->getter, "1 queue_declare queue=%s durable no_wait", queue_name(q));
    }
    turn(l);
    l->numbers[q] = number_of(l, q);
    l->changes[l->n_changes++] = (struct change){l->op, l->numbers[q]};
}

static void op_purge(struct lives *l)
{
    unsigned q = (unsigned)draw(l, QUEUES);
    struct queue *queue = fixture_queue(l->fx, queue_name(q));
    if (queue == NULL || queue_n_ready(queue) == 0)
        return;
    l->op++;
    for (size_t i = 0; i < queue->n_returned; i++)
        settle(l, id_of(queue->returned[i].message), q, false);
    for (const struct fifo_chunk *k = queue->ready.front; k != NULL; k = k->next)
        for (uint32_t i = k->first; i < k->end; i++)
            settle(l, id_of(((const struct queue_entry *)(const void *)k->bytes)[i].message), q,
                   false);
    put(l->getter, "1 queue_purge queue=%s no_wait", queue_name(q));
    turn(l);
}

/* Some of the disk's next operations fail, it is full, or the power goes. */
static void harm(struct lives *l)
{
    uint64_t at = false_disk_count(l->disk) + 1;
    for (uint64_t n = draw(l, FAULTS_MAX + 1); n != 0; n--)
        false_disk_fail_at(l->disk, at + draw(l, 100), draw(l, 3) != 0 ? ERR_IO : ERR_FULL);
    if (draw(l, 8) == 0)
        false_disk_set_capacity(l->disk, (4 + draw(l, 8)) * FIXTURE_FILE_BYTES);
    if (draw(l, 3) != 0)
        false_disk_cut_at(l->disk, at + draw(l, draw(l, 2) == 0 ? 60 : 400));
}

static void live(struct lives *l)
{
    for (uint64_t n = draw(l, OPS_MAX); n != 0 && !false_disk_is_cut(l->disk); n--) {
        switch (draw(l, 16)) {
        case 0: op_topology(l); break;
        case 1:
            if (draw(l, 4) == 0)
                op_purge(l);
            break;
        case 2:
        case 3:
        case 4: op_tx(l); break;
        case 5:
        case 6:
        case 7: op_get(l); break;
        case 8:
        case 9: op_settle(l); break;
        case 10:
        case 11:
        case 12: work(l); break;
        default: op_publish(l);
        }
    }
}

/* ---- What is there after a start ---- */

struct seen {
    uint64_t seq;
    uint32_t message;
    bool redelivered;
};

static int by_seq(const void *a, const void *b)
{
    uint64_t x = ((const struct seen *)a)->seq;
    uint64_t y = ((const struct seen *)b)->seq;
    return x < y ? -1 : x > y;
}

static size_t look(struct lives *l, unsigned q, struct seen *seen)
{
    const struct queue *queue = fixture_queue(l->fx, queue_name(q));
    size_t n = 0;
    if (queue == NULL)
        return 0;
    ck_assert_uint_eq(queue->n_returned, 0);
    for (const struct fifo_chunk *k = queue->ready.front; k != NULL; k = k->next) {
        for (uint32_t i = k->first; i < k->end; i++) {
            const struct queue_entry *e = &((const struct queue_entry *)(const void *)k->bytes)[i];
            uint32_t id = id_of(e->message);
            static uint8_t body[200000];
            ck_assert_msg(id < l->n_messages, "message %u was never sent", id);
            body_of(id, body, l->messages[id].size);
            ck_assert(span_eq(message_body(e->message), span_of(body, l->messages[id].size)));
            seen[n++] = (struct seen){e->seq, id, e->seq <= queue->flagged_seq};
        }
    }
    qsort(seen, n, sizeof(*seen), by_seq);
    return n;
}

static void check_tx(struct lives *l, uint32_t tx, bool counts, int8_t *verdicts)
{
    ck_assert_msg(verdicts[tx] == 0 || (verdicts[tx] > 0) == counts, "transaction %u is half there",
                  tx);
    verdicts[tx] = counts ? 1 : -1;
    ck_assert_msg(counts || !l->txs[tx].confirmed, "transaction %u was committed", tx);
}

/* One message that is, or is not, in a queue. */
static void check_place(struct lives *l, uint32_t id, unsigned q, bool is_there, bool clean,
                        int8_t *verdicts)
{
    struct message_model *m = &l->messages[id];
    struct place *p = &m->places[q];
    if (is_there) {
        ck_assert_msg(p->entered != 0, "message %u was never in %s", id, queue_name(q));
        ck_assert_msg(m->persistent, "message %u is transient", id);
        ck_assert_msg(p->settled == 0 || (p->settled > l->durable_op && !clean),
                      "message %u of %s is back", id, queue_name(q));
        if (m->tx != 0 && !p->sure)
            check_tx(l, m->tx, true, verdicts);
        return;
    }
    bool promised = p->entered != 0 && m->persistent && p->settled == 0 &&
                    (p->sure || clean || p->entered <= l->durable_op) && !p->hit;
    ck_assert_msg(!promised, "message %u of %s is lost", id, queue_name(q));
    if (p->entered != 0 && m->tx != 0 && p->settled == 0 && !p->sure &&
        (!p->hit || l->txs[m->tx].hit))
        check_tx(l, m->tx, false, verdicts);
}

static void check_queue(struct lives *l, unsigned q, bool clean, int8_t *verdicts)
{
    static struct seen seen[MESSAGES_MAX];
    size_t n = look(l, q, seen);
    uint64_t order = 0;
    size_t at = 0;
    static bool is_there[MESSAGES_MAX];
    memset(is_there, 0, sizeof(is_there));
    for (; at < n; at++) {
        struct place *p = &l->messages[seen[at].message].places[q];
        ck_assert_msg(!is_there[seen[at].message], "message %u is twice in %s", seen[at].message,
                      queue_name(q));
        is_there[seen[at].message] = true;
        ck_assert_msg(p->entered >= order, "message %u of %s is out of order", seen[at].message,
                      queue_name(q));
        order = p->entered;
        ck_assert_msg(seen[at].redelivered || (clean && !p->delivered),
                      "message %u of %s is not flagged", seen[at].message, queue_name(q));
        ck_assert_uint_eq(p->number, l->numbers[q]);
    }
    for (uint32_t id = 0; id < l->n_messages; id++) {
        struct place *p = &l->messages[id].places[q];
        if (p->number != l->numbers[q])
            p->entered = 0;
        if (p->entered == 0)
            continue;
        check_place(l, id, q, is_there[id], clean, verdicts);
        p->hit = false;
        if (is_there[id]) {
            p->sure = true;
            p->settled = 0;
            p->delivered |= !clean;
        } else {
            p->entered = 0;
        }
    }
}

/* The last queue is as it was when something was last known to be durable, or as any change since
 * has made it. */
static void check_topology(struct lives *l, bool clean)
{
    for (unsigned q = 0; q < QUEUES - 1; q++)
        ck_assert_uint_eq(number_of(l, q), l->numbers[q]);
    uint64_t number = number_of(l, QUEUES - 1);
    bool right = number == l->numbers[QUEUES - 1];
    for (unsigned i = l->n_changes; !right && !clean && i != 0; i--) {
        if (l->changes[i - 1].op <= l->durable_op)
            break;
        right = number == (i == 1 ? l->number_before : l->changes[i - 2].number);
    }
    ck_assert_msg(right, "queue number %llu is there, not %llu", (unsigned long long)number,
                  (unsigned long long)l->numbers[QUEUES - 1]);
    l->numbers[QUEUES - 1] = number;
    l->number_before = number;
    l->n_changes = 0;
}

static void check(struct lives *l, bool clean)
{
    static int8_t verdicts[MESSAGES_MAX];
    memset(verdicts, 0, sizeof(verdicts));
    l->n_states++;
    n_states++;
    check_topology(l, clean);
    for (unsigned q = 0; q < QUEUES; q++)
        check_queue(l, q, clean, verdicts);
}

/* ---- Lives ---- */

static void meet(struct lives *l)
{
    l->fx->store_held = true; /* work() does it */
    l->publisher = fixture_connect(l->fx);
    l->tx = fixture_connect(l->fx);
    l->getter = fixture_connect(l->fx);
    put(l->publisher, "1 confirm_select no_wait");
    put(l->tx, "1 tx_select");
    turn(l);
    l->n_published = 0;
    l->n_held = 0;
    l->n_tx_held = 0;
    l->open_tx = 0;
    l->committing = false;
    l->tag = 0;
    l->tx_tag = 0;
}

/* The first life begins with what is always there. */
static void found(struct lives *l)
{
    ck_assert_int_eq(fixture_new_kept(&l->fx, false_disk(l->disk)), OK);
    meet(l);
    l->op++;
    put(l->getter, "1 exchange_declare exchange=f type=fanout durable no_wait");
    for (unsigned q = 0; q < QUEUES; q++) {
        put(l->getter, "1 queue_declare queue=%s durable no_wait", queue_name(q));
        if (q < QUEUES - 1)
            put(l->getter, "1 queue_bind queue=%s exchange=f no_wait", queue_name(q));
    }
    l->fx->store_held = false;
    fixture_run(l->fx);
    l->fx->store_held = true;
    for (unsigned q = 0; q < QUEUES; q++)
        l->numbers[q] = number_of(l, q);
    l->number_before = l->numbers[QUEUES - 1];
    learn_durable(l, l->op);
}

static void hit_tx(struct lives *l, uint32_t tx)
{
    l->txs[tx].hit = true;
    l->txs[tx].confirmed = false;
    for (uint32_t id = 0; id < l->n_messages; id++)
        for (unsigned q = 0; l->messages[id].tx == tx && q < QUEUES; q++) {
            l->messages[id].places[q].hit = true;
            l->messages[id].places[q].sure = false;
        }
}

/* A bit of a message on the disk. Of a transaction it costs all that is still there. */
static void flip(struct lives *l)
{
    struct cold_record r;
    if (!cold_record_draw(l->disk, &l->chance, &r))
        return;
    uint32_t id = (uint32_t)r.end[0] | (uint32_t)r.end[1] << 8 | (uint32_t)r.end[2] << 16 |
                  (uint32_t)r.end[3] << 24;
    ck_assert_uint_lt(id, l->n_messages);
    for (uint32_t i = 0; i < r.n; i++)
        for (unsigned q = 0; q < QUEUES; q++)
            l->messages[id].places[q].hit |= l->messages[id].places[q].number == r.targets[i].queue;
    if (r.group != 0)
        hit_tx(l, l->messages[id].tx);
    false_disk_flip(l->disk, r.path, r.offset, (uint8_t)(1u << draw(l, 8)));
}

/* Ends by the process or by the power; true when it was a clean stop. */
static bool end(struct lives *l)
{
    hear_publisher(l);
    hear_tx(l);
    false_disk_set_capacity(l->disk, 0);
    false_disk_cut_at(l->disk, UINT64_MAX);
    bool cut = false_disk_is_cut(l->disk);
    if (!cut && draw(l, 3) == 0) {
        fixture_stop(l->fx);
        return true;
    }
    cut |= draw(l, 2) == 0;
    if (cut)
        false_disk_cut(l->disk);
    fixture_drop(l->fx);
    if (!cut) {
        false_disk_process_ended(l->disk);
        return false;
    }
    false_disk_power_on(l->disk, &l->chance);
    if (draw(l, 3) == 0) /* what is there is durable: it cannot be told from what was */
        flip(l);
    return false;
}

/* Starts again; the power goes as often as it goes. */
static void start(struct lives *l, bool clean)
{
    for (uint64_t n = clean ? 0 : draw(l, 4); n != 0; n--) {
        false_disk_cut_at(l->disk, false_disk_count(l->disk) + 1 + draw(l, 60));
        if (fixture_new_kept(&l->fx, false_disk(l->disk)) == OK)
            fixture_drop(l->fx);
        false_disk_cut(l->disk);
        false_disk_power_on(l->disk, &l->chance);
        n_states++;
    }
    false_disk_cut_at(l->disk, UINT64_MAX);
    enum err e = fixture_new_kept(&l->fx, false_disk(l->disk));
    for (int i = 1; e != OK && i < STARTS_MAX; i++) { /* what was to fail does */
        false_disk_process_ended(l->disk);
        e = fixture_new_kept(&l->fx, false_disk(l->disk));
    }
    ck_assert_int_eq(e, OK);
}

static void play(uint64_t seed)
{
    struct lives *l = calloc(1, sizeof(*l));
    ck_assert_ptr_nonnull(l);
    l->chance.state = seed;
    l->disk = false_disk_new(0);
    found(l);
    for (int n = 0; n < LIVES; n++) {
        harm(l);
        live(l);
        bool clean = end(l);
        start(l, clean);
        check(l, clean);
        l->durable_op = l->op;
        meet(l);
    }
    fixture_drop(l->fx);
    false_disk_free(l->disk);
    free(l);
}

START_TEST(lives_from_seeds)
{
    uint64_t first = 1;
    uint64_t last = SEEDS;
    const char *seeds = getenv("CRASH_SEEDS");
    if (seeds != NULL)
        ck_assert_int_eq(sscanf(seeds, "%" SCNu64 "-%" SCNu64, &first, &last), 2);
    for (uint64_t seed = first; seed <= last; seed++) {
        fprintf(stderr, "seed %llu\r", (unsigned long long)seed);
        play(seed);
    }
    printf("seeds %llu-%llu: %llu states\n", (unsigned long long)first, (unsigned long long)last,
           (unsigned long long)n_states);
}
END_TEST

SUITE("core_states", lives_from_seeds)
