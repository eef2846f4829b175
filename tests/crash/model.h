// SPDX-License-Identifier: Apache-2.0
/* tests/crash/model.h — what the broker has promised, as arrays.
 *
 * Every message is a record; for each queue that it was routed to it has a copy. The model is told
 * what clients send and what they see, and when the broker was killed. From then on each copy is
 * expected in one way (enum expect) until a scan of its queue has shown whether it is there; what a
 * scan has found is promised from then on, since it was read from the disk, and what it has missed
 * must never come again.
 *
 * What is known of an acknowledgement: nothing when it is sent (COPY_SETTLING); that the broker has
 * taken it when a later command of the same channel is answered (COPY_GONE). It is demanded that it
 * lasts when the answer came `ack_interval_ns` before the kill; tx.commit-ok is demanded at once.
 *
 * The first flaw is kept in words, later ones are dropped: after one, nothing can be relied on.
 *
 * Invariants: a copy is in `live` until it is known for good to be gone: by a scan, by the end of
 * its queue, or by its age. Only a copy in COPY_OUT or COPY_SETTLING has a holder. n_there and
 * there_bytes count the copies that are not COPY_GONE.
 *
 * Thread: one.   Blocks: never.   Allocates: everything; it aborts when memory is out.
 */
#ifndef TESTS_CRASH_MODEL_H
#define TESTS_CRASH_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/deque.h"
#include "tests/crash/layout.h"

/* Columns: name, what it is called in a report. */
#define FLAWS(F)                                                        \
    F(FLAW_NONE, "none")                                                \
    F(FLAW_LOST, "a promised message is not there")                     \
    F(FLAW_INVENTED, "a message that was never published")              \
    F(FLAW_ALTERED, "a message whose content has changed")              \
    F(FLAW_MISROUTED, "a message in a queue that it was not sent to")   \
    F(FLAW_TWICE, "the same message twice in a queue")                  \
    F(FLAW_DISORDER, "messages of one channel out of order")            \
    F(FLAW_UNFLAGGED, "a second delivery without redelivered")          \
    F(FLAW_HALF_TX, "half a transaction")                               \
    F(FLAW_UNCOMMITTED, "a message of a transaction without a commit")  \
    F(FLAW_BACK, "a message that was settled, or gone, is back")        \
    F(FLAW_TOPOLOGY, "a queue, exchange or binding is not as declared") \
    F(FLAW_COUNT, "a queue counts other messages than it has")          \
    F(FLAW_CONFIRM, "a confirm for what was not to be confirmed")       \
    F(FLAW_BROKER, "the broker ended, refused or did not answer")

#define FLAW_ENUM(name, text) name,
enum flaw { FLAWS(FLAW_ENUM) FLAW_N };
#undef FLAW_ENUM

extern const char *const FLAW_TEXT[FLAW_N];

enum { COPIES_MAX = 8, REPORT_MAX = 1024 };

struct record {
    uint32_t producer; /* uid of the channel */
    uint32_t size;
    uint32_t tx; /* 0 = none */
    uint32_t copies[COPIES_MAX];
    uint8_t n_copies;
    bool persistent;
    char exchange[LAYOUT_NAME_SIZE];
    char key[LAYOUT_NAME_SIZE];
};

enum copy_state { COPY_READY, COPY_OUT, COPY_SETTLING, COPY_GONE };

enum expect {
    EXPECT_MUST,    /* it is there */
    EXPECT_MAY,     /* nobody can know */
    EXPECT_NOT,     /* it is not there */
    EXPECT_TX_PUT,  /* it is there if its transaction was committed */
    EXPECT_TX_TAKEN /* it is there if the transaction that settled it was not */
};

struct copy {
    uint32_t message;
    uint32_t queue;
    uint32_t holder;     /* uid of a channel */
    uint32_t settled_tx; /* the open transaction that settles it; 0 = none */
    enum copy_state state;
    enum expect expect; /* since the last kill */
    bool promised;      /* confirmed, committed or found */
    bool doubtful;      /* somebody may have taken it unseen */
    bool seen;          /* delivered before */
    bool found;         /* by the scan under way */
    bool listed;        /* in `live` */
    uint64_t settle_cmd;
    uint64_t gone_ns; /* when that was known; 0 = lasting */
};

enum tx_state { TX_OPEN, TX_ASKED, TX_COMMITTED, TX_ROLLED_BACK, TX_UNKNOWN };

struct tx {
    enum tx_state state;
    int evidence;           /* of a TX_UNKNOWN: 1 = it was committed, -1 = it was not */
    uint32_t evidence_copy; /* which says so */
};

/* What happened to a message, for the report. Columns: name, text. */
#define DEEDS(D)                                     \
    D(DEED_PUBLISH, "published by")                  \
    D(DEED_CONFIRM, "confirmed to")                  \
    D(DEED_NACK, "nacked to")                        \
    D(DEED_DELIVER, "delivered to")                  \
    D(DEED_SETTLE, "settled by")                     \
    D(DEED_TX_SETTLE, "settled in a transaction of") \
    D(DEED_REQUEUE, "requeued by")                   \
    D(DEED_TAKEN, "known settled by")                \
    D(DEED_COMMIT, "committed by")                   \
    D(DEED_LOST_CHANNEL, "back from the closed")     \
    D(DEED_PURGE, "purged by")                       \
    D(DEED_KILL, "expected after kill")              \
    D(DEED_FOUND, "found after kill")                \
    D(DEED_MISSED, "not there after kill")

#define DEED_ENUM(name, text) name,
enum deed { DEEDS(DEED_ENUM) DEED_N };
#undef DEED_ENUM

struct event {
    uint64_t at_ns;
    uint32_t message;
    uint32_t queue; /* UINT32_MAX = all */
    uint32_t who;   /* channel, or number of the kill */
    uint8_t deed;
    uint8_t expect; /* of DEED_KILL */
};

/* The last message of a producer that came from a queue to a channel for the first time. */
struct order_row {
    uint32_t queue;
    uint32_t channel;
    uint32_t producer;
    uint32_t message;
};

struct model {
    struct layout layout;
    struct deque records; /* struct record, message number n at n - 1 */
    struct deque copies;  /* struct copy */
    struct deque live;    /* uint32_t: copies that may be somewhere */
    struct deque txs;     /* struct tx, number n at n - 1 */
    struct deque events;  /* struct event */
    struct deque order;   /* struct order_row */
    uint64_t now_ns;      /* kept by the caller */
    uint64_t begin_ns;
    uint64_t ack_interval_ns;
    bool lax;         /* acks need not last, nor transactions without commit-ok come out whole */
    uint32_t n_kills; /* and other ends of all connections */
    uint32_t n_there;
    uint64_t there_bytes;
    uint64_t n_checks;
    uint64_t n_redelivered;
    enum flaw flaw;
    uint32_t flaw_message; /* 0 = none in particular */
    char report[REPORT_MAX];
};

void model_init(struct model *m);
void model_fini(struct model *m);

/* The first flaw stays; `message` 0 = none in particular. */
void model_flaw(struct model *m, enum flaw flaw, uint32_t message, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* NULL when there is no such message. */
struct record *model_record(const struct model *m, uint32_t message);
struct copy *model_copy(const struct model *m, uint32_t copy);

/* ---- Publishing ---- */

/* Before it is sent: the message, whose copies are in `queues`. Returns its number. */
uint32_t model_publish(struct model *m, const struct record *r, const uint32_t *queues, size_t n);

void model_confirmed(struct model *m, uint32_t message);
void model_nacked(struct model *m, uint32_t message);

/* ---- Deliveries ---- */

/* A message was delivered to `channel`; returns its copy, or UINT32_MAX after a flaw. An
 * automatically acknowledged one is gone by that. */
uint32_t model_delivered(struct model *m, uint32_t queue, uint32_t message, uint32_t channel,
                         bool redelivered, bool auto_ack);

/* Sent by the holder as its command `cmd`: ack, or reject without requeue. */
void model_settle(struct model *m, uint32_t copy, uint64_t cmd);

/* Sent by the holder: nack or reject with requeue. */
void model_requeue(struct model *m, uint32_t copy);

/* A command of the channel was answered: whatever it sent before `cmd` was executed. */
void model_answered(struct model *m, uint32_t channel, uint64_t cmd);

/* The connection of the channel is gone. `orderly`: close-ok was seen. */
void model_channel_ended(struct model *m, uint32_t channel, bool orderly);

/* What is ready in the queue, or `all` that is in it, may be taken without us seeing it. */
void model_doubt(struct model *m, uint32_t queue, bool all);

/* purge-ok or delete-ok of a queue that only the sender touches says how many were ready. */
void model_count_is(struct model *m, uint32_t queue, uint32_t count);

/* purge-ok, or delete-ok: what was ready is gone; everything, if the queue is. */
void model_emptied(struct model *m, uint32_t queue, uint32_t channel, bool deleted);

/* Forgets what has been gone for so long that it must not come again; now and then. */
void model_age(struct model *m);

/* ---- Transactions ---- */

uint32_t model_tx_begin(struct model *m);
void model_tx_settle(struct model *m, uint32_t copy, uint32_t tx);
void model_tx_asked(struct model *m, uint32_t tx);
void model_tx_committed(struct model *m, uint32_t tx, uint32_t channel);
void model_tx_rolled_back(struct model *m, uint32_t tx);

/* ---- model_scan.c: kills ---- */

/* The broker is gone; all channels are. `clean`: it was stopped in order after the last channel had
 * ended in order, so that whatever is known lasts. */
void model_killed(struct model *m, bool clean);

/* It came up again: what was not durable is gone. */
void model_restarted(struct model *m);

/* A queue is read from its first message to its last, by `channel` alone, before anybody else does
 * anything; scan_take returns the copy or UINT32_MAX after a flaw. Its holder is then `channel`. */
void model_scan_begin(struct model *m, uint32_t queue);
uint32_t model_scan_take(struct model *m, uint32_t queue, uint32_t message, uint32_t channel,
                         bool redelivered);
void model_scan_end(struct model *m, uint32_t queue);

/* A passive declare has found it, or not. */
void model_queue_is(struct model *m, uint32_t queue, bool there);
void model_exchange_is(struct model *m, uint32_t exchange, bool there);

/* All queues have been read: unsure transactions must have come out whole. */
void model_scanned(struct model *m);

/* ---- model_report.c ---- */

/* Prints the first flaw and the history of its message to stderr. */
void model_print(const struct model *m);

/* ---- Shared by the files of the model ---- */

/* The copy of a message in a queue, or UINT32_MAX. */
uint32_t model_find_copy(const struct model *m, uint32_t queue, uint32_t message);
struct tx *model_tx(const struct model *m, uint32_t tx);
void model_note(struct model *m, enum deed deed, uint32_t message, uint32_t queue, uint32_t who);

/* Must a copy that is gone not come back after a kill at this moment? */
bool model_lasts(const struct model *m, const struct copy *c);

/* The one place that changes a copy's state. */
void model_become(struct model *m, struct copy *c, enum copy_state state);

/* Known gone for good: leaves `live` by the next model_compact. */
void model_bury(struct model *m, struct copy *c);
void model_compact(struct model *m);

/* True, and a flaw, when the delivery breaks the order of its producer. */
bool model_disordered(struct model *m, uint32_t queue, uint32_t channel, uint32_t message);

/* Says of a message that has no copy in the queue why that is a flaw. */
void model_stranger(struct model *m, uint32_t queue, uint32_t message);

#endif
