// SPDX-License-Identifier: Apache-2.0
/* What a broker may do. */
#include "tests/crash/history.h"

void history_clean_confirmed(struct model *m)
{
    uint32_t a = say_confirmed(m);
    say_kill(m, 0);
    SCAN(m, ONE, {a, false});
    say_kill(m, 0);
    SCAN(m, ONE, {a, true});
}

void history_clean_unconfirmed(struct model *m)
{
    uint32_t a = say_publish(m, 0);
    uint32_t b = say_publish(m, 0);
    say_kill(m, 0);
    SCAN(m, ONE, {a, false}, {b, true});
    SCAN_EMPTY(m, TWO);
}

void history_clean_transient(struct model *m)
{
    static const uint32_t FIRST[] = {ONE};
    struct record r = {.producer = 1, .persistent = false};
    model_confirmed(m, model_publish(m, &r, FIRST, 1));
    say_kill(m, 0);
    SCAN_EMPTY(m, ONE);
}

void history_clean_ack_in_doubt(struct model *m)
{
    uint32_t a = say_confirmed(m);
    uint32_t b = say_confirmed(m);
    model_settle(m, say_deliver(m, a, 2, false), 1);
    model_settle(m, say_deliver(m, b, 2, false), 2);
    say_kill(m, 1000);
    SCAN(m, ONE, {b, true});
}

void history_clean_ack_too_late(struct model *m)
{
    uint32_t a = say_confirmed(m);
    say_acked(m, a);
    say_kill(m, 50);
    SCAN(m, ONE, {a, true});
}

void history_clean_ack_too_late_unread(struct model *m)
{
    uint32_t a = say_confirmed(m);
    say_acked(m, a);
    say_kill(m, 50);
    say_kill(m, 1000);
    SCAN(m, ONE, {a, true});
}

void history_clean_ack_lasts(struct model *m)
{
    say_acked(m, say_confirmed(m));
    say_kill(m, 200);
    SCAN_EMPTY(m, ONE);
}

void history_clean_requeued(struct model *m)
{
    uint32_t a = say_confirmed(m);
    uint32_t b = say_confirmed(m);
    model_requeue(m, say_deliver(m, a, 2, false));
    say_deliver(m, b, 2, false);
    say_deliver(m, a, 2, true);
    say_kill(m, 0);
    SCAN(m, ONE, {a, true}, {b, true});
}

void history_clean_channel_closed(struct model *m)
{
    uint32_t a = say_confirmed(m);
    say_deliver(m, a, 2, false);
    model_channel_ended(m, 2, false);
    say_deliver(m, a, 3, true);
}

void history_clean_tx_whole(struct model *m)
{
    uint32_t a = say_confirmed(m);
    uint32_t tx = model_tx_begin(m);
    model_tx_settle(m, say_deliver(m, a, 2, false), tx);
    uint32_t b = say_publish(m, tx);
    model_tx_asked(m, tx);
    say_kill(m, 0);
    SCAN(m, ONE, {b, false});
    SCAN(m, TWO, {b, false});
}

void history_clean_tx_nothing(struct model *m)
{
    uint32_t a = say_confirmed(m);
    uint32_t tx = model_tx_begin(m);
    model_tx_settle(m, say_deliver(m, a, 2, false), tx);
    say_publish(m, tx);
    model_tx_asked(m, tx);
    say_kill(m, 0);
    SCAN(m, ONE, {a, true});
    SCAN_EMPTY(m, TWO);
}

void history_clean_tx_open(struct model *m)
{
    uint32_t a = say_confirmed(m);
    uint32_t tx = model_tx_begin(m);
    model_tx_settle(m, say_deliver(m, a, 2, false), tx);
    say_publish(m, tx);
    say_kill(m, 0);
    SCAN(m, ONE, {a, true});
    SCAN_EMPTY(m, TWO);
}

void history_clean_purged(struct model *m)
{
    uint32_t a = say_confirmed(m);
    uint32_t b = say_confirmed(m);
    say_deliver(m, a, 2, false);
    model_emptied(m, ONE, 2, false);
    (void)b;
    say_kill(m, 200);
    SCAN(m, ONE, {a, true});
}

void history_clean_count(struct model *m)
{
    say_confirmed(m);
    model_doubt(m, ONE, false);
    say_deliver(m, say_confirmed(m), 2, false);
    say_confirmed(m);
    model_count_is(m, ONE, 1);
    model_count_is(m, ONE, 2);
}

void history_clean_leaky(struct model *m)
{
    say_confirmed(m);
    m->layout.queues[ONE].leaky = true;
    say_kill(m, 0);
    SCAN_EMPTY(m, ONE);
}

void history_clean_queue_unsure(struct model *m)
{
    say_confirmed(m);
    m->layout.queues[ONE].fact = FACT_UNSURE;
    model_doubt(m, ONE, true);
    say_kill(m, 0);
    model_queue_is(m, ONE, false);
}
