// SPDX-License-Identifier: Apache-2.0
/* tests/crash/chan.h — a channel: what it has sent, what it waits for, what it holds.
 *
 * chan.c sends a command, tells the model, and looks at what comes in; load_roles.c and verify.c
 * decide what to do next. At most one command with an answer is under way per channel, so the
 * answer needs no matching, and the topology that a channel changes is known whenever it is idle.
 *
 * Thread: one.   Blocks: never.
 */
#ifndef TESTS_CRASH_CHAN_H
#define TESTS_CRASH_CHAN_H

#include "base/rng.h"
#include "tests/crash/link.h"
#include "tests/crash/model.h"

enum role {
    ROLE_PUBLISHER,
    ROLE_CONSUMER,
    ROLE_GETTER,
    ROLE_TRANSACTOR,
    ROLE_OWNER,
    ROLE_CHECKER /* verify.c's: what is delivered to it is a scan */
};

/* What all channels of a run share. */
struct ground {
    struct model model;
    struct rng rng;
    uint32_t n_channels; /* ever: the last uid */
    uint64_t n_published;
    uint64_t n_confirmed;
    uint64_t n_delivered;
    uint64_t n_txs;
};

struct held {
    uint64_t tag;
    uint32_t copy;
};

struct chan {
    struct ground *ground;
    struct link *link;
    uint16_t number;
    uint32_t uid;
    enum role role;
    uint64_t n_commands;
    enum method_id awaited; /* the answer that is due; METHOD_NONE */
    uint64_t awaited_cmd;
    uint32_t subject;         /* what that command is about: a queue, exchange or binding */
    bool no_ack;              /* of the get under way */
    struct deque unconfirmed; /* uint32_t by tag: a message, 0 = it has been confirmed */
    uint64_t first_tag;       /* of the front of unconfirmed */
    uint32_t n_unconfirmed;
    struct deque held; /* struct held, in order of tags */
    bool consuming;
    bool consumes_blindly; /* no_ack */
    uint32_t queue;        /* consumed from */
    uint32_t tx;           /* the open transaction; 0 = none */
    uint32_t n_in_tx;      /* publishes and acks */
    /* Of a checker. */
    uint32_t n_taken; /* contents, since it was set to 0 */
    uint32_t count;   /* message_count of the last declare-ok */
    bool missing;     /* the last passive declare found nothing */
};

/* `link` has opened channel `number`. */
void chan_init(struct chan *ch, struct ground *g, struct link *link, uint16_t number,
               enum role role);
void chan_fini(struct chan *ch);

bool chan_is_idle(const struct chan *ch);

/* Sends a command whose answer is `awaited`, about `subject`. */
void chan_call(struct chan *ch, const struct method *m, enum method_id awaited, uint32_t subject);

/* Publishes a message along the route, in the open transaction if there is one. */
struct publish {
    uint32_t exchange; /* 0 = the default one, else that of the layout + 1 */
    const char *key;
    uint32_t size;
    bool persistent;
};
void chan_publish(struct chan *ch, const struct publish *p);

void chan_get(struct chan *ch, uint32_t queue, bool no_ack);
void chan_consume(struct chan *ch, uint32_t queue, bool no_ack);
void chan_cancel(struct chan *ch);
void chan_qos(struct chan *ch, uint16_t prefetch);

enum how { HOW_ACK, HOW_REJECT, HOW_REQUEUE };

/* Settles held message `i`, or all up to it. In a transaction: HOW_ACK or HOW_REJECT. */
void chan_settle(struct chan *ch, size_t i, bool multiple, enum how how);

void chan_tx_commit(struct chan *ch);
void chan_tx_rollback(struct chan *ch);

/* Its connection is closed while the broker lives. `orderly`: close-ok was seen. */
void chan_ended(struct chan *ch, bool orderly);

/* The broker was killed: what was under way is marked doubtful, before model_killed. */
void chan_killed(struct chan *ch);

/* ---- chan_receive.c ---- */

void chan_on_method(struct chan *ch, const struct method *m);
void chan_on_content(struct chan *ch, const struct method *m, struct span header, struct span body);

/* ---- chan_layout.c: declaring and deleting ---- */

void chan_declare_queue(struct chan *ch, uint32_t queue, bool passive);
void chan_declare_exchange(struct chan *ch, uint32_t exchange, bool passive);
void chan_bind(struct chan *ch, uint32_t binding);
void chan_unbind(struct chan *ch, uint32_t binding);
void chan_purge(struct chan *ch, uint32_t queue);
void chan_delete_queue(struct chan *ch, uint32_t queue);
void chan_delete_exchange(struct chan *ch, uint32_t exchange);

/* The answer to one of these has come. */
void chan_layout_answered(struct chan *ch, const struct method *m);

#endif
