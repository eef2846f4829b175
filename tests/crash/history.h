// SPDX-License-Identifier: Apache-2.0
/* tests/crash/history.h — histories that a broker could have caused, and the words to tell them.
 *
 * Queue 0 is `one`, queue 1 is `two`; what nothing else is said of is published by channel 1 and
 * looked at by READER. A flawed history must be found, by its name; a clean one must be let pass.
 *
 * Thread: one.   Blocks: never.
 */
#ifndef TESTS_CRASH_HISTORY_H
#define TESTS_CRASH_HISTORY_H

#include "tests/crash/model.h"

/* Columns: function, the flaw that must be found. */
#define HISTORIES(H)                    \
    H(clean_confirmed, NONE)            \
    H(clean_unconfirmed, NONE)          \
    H(clean_transient, NONE)            \
    H(clean_ack_in_doubt, NONE)         \
    H(clean_ack_too_late, NONE)         \
    H(clean_ack_too_late_unread, NONE)  \
    H(clean_ack_lasts, NONE)            \
    H(clean_requeued, NONE)             \
    H(clean_channel_closed, NONE)       \
    H(clean_tx_whole, NONE)             \
    H(clean_tx_nothing, NONE)           \
    H(clean_tx_open, NONE)              \
    H(clean_purged, NONE)               \
    H(clean_count, NONE)                \
    H(clean_leaky, NONE)                \
    H(clean_queue_unsure, NONE)         \
    H(clean_arrival, NONE)              \
    H(lost_confirmed, LOST)             \
    H(lost_by_one_queue, LOST)          \
    H(lost_by_second_kill, LOST)        \
    H(lost_unacked, LOST)               \
    H(lost_unread, LOST)                \
    H(lost_committed, LOST)             \
    H(invented, INVENTED)               \
    H(misrouted, MISROUTED)             \
    H(altered, ALTERED)                 \
    H(altered_head, ALTERED)            \
    H(twice, TWICE)                     \
    H(twice_at_once, TWICE)             \
    H(disorder, DISORDER)               \
    H(disorder_alive, DISORDER)         \
    H(unflagged, UNFLAGGED)             \
    H(unflagged_alive, UNFLAGGED)       \
    H(half_tx, HALF_TX)                 \
    H(half_tx_by_queue, HALF_TX)        \
    H(half_tx_over_two_kills, HALF_TX)  \
    H(half_tx_without_ack, HALF_TX)     \
    H(half_tx_without_publish, HALF_TX) \
    H(uncommitted, UNCOMMITTED)         \
    H(uncommitted_alive, UNCOMMITTED)   \
    H(rolled_back, UNCOMMITTED)         \
    H(acked_back, BACK)                 \
    H(acked_back_from_stop, BACK)       \
    H(acked_back_alive, BACK)           \
    H(acked_back_from_tx, BACK)         \
    H(purged_back, BACK)                \
    H(missed_and_back, BACK)            \
    H(back_from_deleted_queue, BACK)    \
    H(miscounted, COUNT)                \
    H(queue_missing, TOPOLOGY)          \
    H(queue_back, TOPOLOGY)             \
    H(transient_queue_back, TOPOLOGY)   \
    H(exchange_missing, TOPOLOGY)       \
    H(confirmed_twice, CONFIRM)

#define HISTORY_DECLARE(function, flaw) void history_##function(struct model *m);
HISTORIES(HISTORY_DECLARE)
#undef HISTORY_DECLARE

enum { ONE, TWO, READER = 9, SECOND_NS = 1000000000 };

/* ---- history_words.c ---- */

/* A persistent message of 100 bytes, in the transaction if there is one. */
uint32_t say_publish_to(struct model *m, const uint32_t *queues, size_t n, uint32_t tx);

/* To both queues. */
uint32_t say_publish(struct model *m, uint32_t tx);

/* To queue ONE alone, and confirmed. */
uint32_t say_confirmed(struct model *m);

/* Time passes, and the broker is killed. */
void say_kill(struct model *m, unsigned after_ms);

struct found {
    uint32_t message; /* 0 = the end */
    bool redelivered;
};

/* READER finds exactly these in the queue. */
void say_scan(struct model *m, uint32_t queue, const struct found *found);

#define SCAN(m, queue, ...)  say_scan(m, queue, (const struct found[]){__VA_ARGS__, {0, false}})
#define SCAN_EMPTY(m, queue) say_scan(m, queue, (const struct found[]){{0, false}})

/* From queue ONE; returns the copy. */
uint32_t say_deliver(struct model *m, uint32_t message, uint32_t channel, bool redelivered);

/* Delivered to channel 2, acknowledged, and followed by an answer. */
void say_acked(struct model *m, uint32_t message);

#endif
