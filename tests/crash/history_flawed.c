// SPDX-License-Identifier: Apache-2.0
/* What a broker must not do. */
#include "tests/crash/history.h"

void history_lost_confirmed(struct model *m)
{
    say_confirmed(m);
    say_kill(m, 0);
    SCAN_EMPTY(m, ONE);
}

void history_lost_by_one_queue(struct model *m)
{
    uint32_t a = say_publish(m, 0);
    model_confirmed(m, a);
    say_kill(m, 0);
    SCAN(m, ONE, {a, false});
    SCAN_EMPTY(m, TWO);
}

void history_lost_by_second_kill(struct model *m)
{
    uint32_t a = say_publish(m, 0);
    say_kill(m, 0);
    SCAN(m, ONE, {a, false});
    SCAN_EMPTY(m, TWO);
    say_kill(m, 0);
    SCAN_EMPTY(m, ONE);
}

void history_lost_unread(struct model *m)
{
    say_confirmed(m);
    say_kill(m, 0);
    say_kill(m, 0);
    SCAN_EMPTY(m, ONE);
}

void history_lost_unacked(struct model *m)
{
    say_deliver(m, say_confirmed(m), 2, false);
    say_kill(m, 0);
    SCAN_EMPTY(m, ONE);
}

void history_lost_committed(struct model *m)
{
    uint32_t tx = model_tx_begin(m);
    say_publish(m, tx);
    model_tx_asked(m, tx);
    model_tx_committed(m, tx, 1);
    say_kill(m, 0);
    SCAN_EMPTY(m, ONE);
}

void history_invented(struct model *m)
{
    say_kill(m, 0);
    SCAN(m, ONE, {77, false});
}

void history_misrouted(struct model *m)
{
    uint32_t a = say_confirmed(m);
    say_kill(m, 0);
    SCAN(m, TWO, {a, false});
}

void history_twice(struct model *m)
{
    uint32_t a = say_confirmed(m);
    say_kill(m, 0);
    SCAN(m, ONE, {a, false}, {a, true});
}

void history_twice_at_once(struct model *m)
{
    uint32_t a = say_confirmed(m);
    say_deliver(m, a, 2, false);
    say_deliver(m, a, 3, true);
}

void history_disorder(struct model *m)
{
    uint32_t a = say_confirmed(m);
    uint32_t b = say_confirmed(m);
    say_kill(m, 0);
    SCAN(m, ONE, {b, false}, {a, false});
}

void history_disorder_alive(struct model *m)
{
    uint32_t a = say_confirmed(m);
    uint32_t b = say_confirmed(m);
    say_deliver(m, b, 2, false);
    say_deliver(m, a, 2, false);
}

void history_unflagged(struct model *m)
{
    uint32_t a = say_confirmed(m);
    say_deliver(m, a, 2, false);
    say_kill(m, 0);
    SCAN(m, ONE, {a, false});
}

void history_unflagged_alive(struct model *m)
{
    uint32_t a = say_confirmed(m);
    model_requeue(m, say_deliver(m, a, 2, false));
    say_deliver(m, a, 3, false);
}

void history_half_tx(struct model *m)
{
    uint32_t tx = model_tx_begin(m);
    uint32_t a = say_publish(m, tx);
    say_publish(m, tx);
    model_tx_asked(m, tx);
    say_kill(m, 0);
    SCAN(m, ONE, {a, false});
}

void history_half_tx_by_queue(struct model *m)
{
    uint32_t tx = model_tx_begin(m);
    uint32_t a = say_publish(m, tx);
    model_tx_asked(m, tx);
    say_kill(m, 0);
    SCAN(m, ONE, {a, false});
    SCAN_EMPTY(m, TWO);
}

void history_half_tx_over_two_kills(struct model *m)
{
    uint32_t tx = model_tx_begin(m);
    uint32_t a = say_publish(m, tx);
    model_tx_asked(m, tx);
    say_kill(m, 0);
    SCAN(m, ONE, {a, false});
    say_kill(m, 0);
    SCAN_EMPTY(m, TWO);
}

void history_half_tx_without_ack(struct model *m)
{
    uint32_t a = say_confirmed(m);
    uint32_t tx = model_tx_begin(m);
    model_tx_settle(m, say_deliver(m, a, 2, false), tx);
    uint32_t b = say_publish(m, tx);
    model_tx_asked(m, tx);
    say_kill(m, 0);
    SCAN(m, ONE, {a, true}, {b, false});
}

void history_half_tx_without_publish(struct model *m)
{
    uint32_t a = say_confirmed(m);
    uint32_t tx = model_tx_begin(m);
    model_tx_settle(m, say_deliver(m, a, 2, false), tx);
    say_publish(m, tx);
    model_tx_asked(m, tx);
    say_kill(m, 0);
    SCAN_EMPTY(m, ONE);
}

void history_uncommitted(struct model *m)
{
    uint32_t a = say_publish(m, model_tx_begin(m));
    say_kill(m, 0);
    SCAN(m, ONE, {a, false});
}

void history_uncommitted_alive(struct model *m)
{
    uint32_t a = say_publish(m, model_tx_begin(m));
    say_deliver(m, a, 2, false);
}

void history_rolled_back(struct model *m)
{
    uint32_t tx = model_tx_begin(m);
    uint32_t a = say_publish(m, tx);
    model_tx_rolled_back(m, tx);
    say_kill(m, 0);
    SCAN(m, ONE, {a, false});
}

void history_acked_back(struct model *m)
{
    uint32_t a = say_confirmed(m);
    say_acked(m, a);
    say_kill(m, 200);
    SCAN(m, ONE, {a, true});
}

void history_acked_back_from_stop(struct model *m)
{
    uint32_t a = say_confirmed(m);
    say_acked(m, a);
    model_killed(m, true);
    SCAN(m, ONE, {a, true});
}

void history_acked_back_alive(struct model *m)
{
    uint32_t a = say_confirmed(m);
    say_acked(m, a);
    say_deliver(m, a, 3, true);
}

void history_acked_back_from_tx(struct model *m)
{
    uint32_t a = say_confirmed(m);
    uint32_t tx = model_tx_begin(m);
    model_tx_settle(m, say_deliver(m, a, 2, false), tx);
    model_tx_asked(m, tx);
    model_tx_committed(m, tx, 2);
    say_kill(m, 0);
    SCAN(m, ONE, {a, true});
}

void history_purged_back(struct model *m)
{
    uint32_t a = say_confirmed(m);
    model_emptied(m, ONE, 2, false);
    say_kill(m, 200);
    SCAN(m, ONE, {a, false});
}

void history_missed_and_back(struct model *m)
{
    uint32_t a = say_publish(m, 0);
    say_kill(m, 0);
    SCAN_EMPTY(m, ONE);
    say_kill(m, 0);
    SCAN(m, ONE, {a, false});
}

void history_back_from_deleted_queue(struct model *m)
{
    uint32_t a = say_confirmed(m);
    layout_drop_queue(&m->layout, ONE);
    model_emptied(m, ONE, 2, true);
    uint32_t queue = layout_add_queue(&m->layout, "one");
    say_kill(m, 0);
    SCAN(m, queue, {a, false});
}

void history_miscounted(struct model *m)
{
    say_confirmed(m);
    say_deliver(m, say_confirmed(m), 2, false);
    model_count_is(m, ONE, 2);
}

void history_queue_missing(struct model *m)
{
    say_kill(m, 0);
    model_queue_is(m, ONE, false);
}

void history_queue_back(struct model *m)
{
    layout_drop_queue(&m->layout, ONE);
    say_kill(m, 0);
    model_queue_is(m, ONE, true);
}

void history_transient_queue_back(struct model *m)
{
    m->layout.queues[ONE].transient = true;
    say_kill(m, 0);
    model_restarted(m);
    model_queue_is(m, ONE, true);
}

void history_exchange_missing(struct model *m)
{
    uint32_t x = layout_add_exchange(&m->layout, "x", LAYOUT_TOPIC);
    m->layout.exchanges[x].fact = FACT_YES;
    say_kill(m, 0);
    model_exchange_is(m, x, false);
}
