// SPDX-License-Identifier: Apache-2.0
/* tests/sim/actor.h — virtual clients: a connection, its channels, and what each is owed.
 *
 * An actor is one connection. Its channels send commands and know, for each that has an answer,
 * what the answer must be; answers come in the order of the commands. Commands are counted per
 * channel; an answer proves that all up to its own were executed (`executed`).
 *
 *   owner   has exchanges and queues that nobody else touches: every answer is known beforehand
 *   trader  publishes to and consumes from what all traders share
 *   vandal  keeps no rule
 *   janitor founds what traders share, and comes last to empty what is left
 *
 * chan_send.c sends and tells the model; chan_receive.c compares what comes; owner*.c and janitor.c
 * choose; actor.c leads a connection through its life.
 *
 * Thread: the one of the simulation.
 */
#ifndef TESTS_SIM_ACTOR_H
#define TESTS_SIM_ACTOR_H

#include "tests/sim/client.h"
#include "tests/sim/world.h"

enum {
    CHANNELS_MAX = 3,
    CONSUMERS_MAX = 6,
    TAG_SIZE = 48,
    ROUTES_KEPT = 4,
};

enum role { ROLE_OWNER, ROLE_TRADER, ROLE_VANDAL, ROLE_JANITOR };

enum consumer_state { CONSUMER_UNUSED, CONSUMER_ASKED, CONSUMER_ACTIVE, CONSUMER_CANCELLING };

struct sim_consumer {
    enum consumer_state state;
    unsigned id; /* never used again on its channel, from 1 */
    char tag[TAG_SIZE];
    struct model_queue *queue;
    bool no_ack;
    bool exclusive;
    int32_t priority;
    uint32_t prefetch; /* 0 = none */
    uint32_t n_out;
    bool cancelled; /* the broker has said so */
};

/* An answer that is due. */
struct expected {
    enum method_id id; /* METHOD_channel_close: an error */
    uint16_t code;     /* of the error */
    uint16_t or_code;  /* another that is as good; 0 = none */
    uint64_t cmd;
    struct model_queue *queue;
    bool exact; /* least … most and message are known */
    uint32_t n_messages;
    uint32_t n_most; /* whatever was on its way */
    uint32_t n_consumers;
    uint64_t message; /* of get: 0 = get-empty */
    bool no_ack;
    unsigned consumer; /* its id; 0 = none */
    uint32_t limit;    /* of qos */
    bool global;
    uint64_t batch; /* that must be durable first; 0 = none */
};

/* A publish in confirm mode. */
struct confirm {
    uint64_t message;
    uint64_t batch;
    bool returns; /* basic.return must come first */
    bool returned;
    bool answered;
};

/* A delivery that has not been settled. */
struct outstanding {
    uint64_t tag;
    uint64_t message;
    struct model_queue *queue;
    unsigned consumer; /* its id; 0: by get */
    bool held;         /* in the transaction */
    bool requeue;      /* how it will be settled by the commit */
};

/* A publish in a transaction, with where it goes. */
struct tx_item {
    uint64_t message;
    bool mandatory;
    struct deque queues; /* struct model_queue * */
};

/* For the order of what is delivered first hand: per queue and publisher. */
struct last_seen {
    const struct model_queue *queue;
    uint32_t by;
    bool by_get;
    uint64_t message;
};

/* Where a channel has published to. */
struct kept_route {
    char exchange[NAME_SIZE];
    char key[NAME_SIZE];
};

enum chan_state {
    CHAN_OPENING,
    CHAN_OPEN,
    CHAN_FAILING, /* an error was provoked: channel.close is due */
    CHAN_CLOSING, /* close was sent */
    CHAN_CLOSED,
    CHAN_LOST /* its connection went */
};

struct chan {
    uint32_t uid; /* never used again, from 1 */
    struct actor *actor;
    uint16_t number;
    enum chan_state state;
    uint64_t cmd;
    uint64_t executed;
    struct deque expected; /* struct expected */
    bool confirm;
    bool tx;
    struct deque confirms; /* struct confirm; the first has number n_confirmed + 1 */
    uint64_t n_confirmed;
    uint64_t n_published;
    struct deque returns;  /* uint64_t: messages that must come back, in order */
    struct deque tx_items; /* struct tx_item */
    struct deque out;      /* struct outstanding, by arrival */
    uint64_t last_tag;     /* of deliveries and gets */
    uint64_t last_get_tag;
    struct sim_consumer consumers[CONSUMERS_MAX];
    uint32_t consumer_prefetch;
    uint32_t limit; /* of the channel, as answered; 0 = none */
    struct deque last_seen;
    bool begun;
    unsigned n_ops;        /* left */
    unsigned habits;       /* bits of operations that it never does */
    unsigned talk;         /* commands that it sends behind a mistake */
    uint64_t first_choice; /* a message that all consumers could take: the first of them gets it */
    size_t queues_max;
    struct kept_route routes[ROUTES_KEPT]; /* to be used again */
    unsigned n_routes;                     /* ever kept */
    bool drained;                          /* the janitor's: the queue at hand is empty */
    size_t at;                             /* the janitor's: which queue or exchange is next */
    unsigned stage;                        /* the janitor's */
    unsigned n_consumer_names;
};

enum actor_state {
    ACTOR_NEW, /* not connected */
    ACTOR_HANDSHAKE,
    ACTOR_RUNNING,
    ACTOR_FAILING, /* an error was provoked: connection.close is due */
    ACTOR_CLOSING, /* connection.close was sent */
    ACTOR_LEAVING, /* nothing more is said; the broker's end is awaited */
    ACTOR_GONE
};

struct actor {
    struct world *world;
    uint32_t number;
    uint32_t conn; /* number of the connection at hand */
    enum role role;
    enum actor_state state;
    struct client client;
    bool connected; /* client is in use */
    struct chan *chans[CHANNELS_MAX];
    size_t n_chans;
    enum chore chore;
    unsigned n_lives;     /* connections still to come */
    bool wants_cancels;   /* it has said that it knows basic.cancel from a broker */
    bool orderly;         /* it has done nothing for which the broker may drop it */
    uint64_t stall_until; /* step before which it does not read */
    uint64_t mute_until;  /* time before which it does nothing of its own accord */
    uint64_t silent_ns;   /* since when it has sent nothing */
    uint64_t connected_ns;
    unsigned reopens; /* of closed channels */
    uint16_t heartbeat_s;
    struct chan *culprit; /* who has provoked the end of the connection */
    uint64_t provoked_ns;
    uint16_t fault; /* the code with which the broker must close the connection; 0 = none */
};

struct actor *actor_new(struct world *w, enum role role);
void actor_free(struct actor *a);

/* One small thing: send, receive, or decide. True when something moved. */
bool actor_step(struct actor *a);

/* Ends the connection without a word. */
void actor_reset(struct actor *a);

/* What was sent last on the channel must end the connection with this code. */
void actor_provoked(struct chan *ch, uint16_t code);

/* Its listener, for client.h. */
extern const struct client_listener ACTOR_LISTENER;

/* What an owner's or a trader's channel does next. */
void owner_step(struct chan *ch);

/* Goes on behind a mistake: none of it may be executed. */
void owner_keep_talking(struct chan *ch);

/* The same, when everything else stands still. */
void owner_poke(struct chan *ch);

/* A vandal's next misdeed. */
void vandal_step(struct actor *a);

/* Founds what traders share, or empties and removes everything. */
void janitor_step(struct chan *ch);

/* ---- chan.c: life ---- */

struct chan *chan_new(struct actor *a, uint16_t number);
void chan_free(struct chan *ch);
struct chan *chan_by_uid(const struct world *w, uint32_t uid);

/* Its end was commanded, or provoked, or has come: messages on their way to it go back unseen. */
void chan_ending(struct chan *ch, enum chan_state state);

/* The connection went: what was not answered may or may not have happened. */
void chan_lost(struct chan *ch);

/* It ended in order, by close-ok or by our close-ok: unsettled messages are back. */
void chan_ended(struct chan *ch);

/* ---- chan_send.c ---- */

struct publish_options {
    const char *exchange;
    const char *key;
    bool mandatory;
    bool persistent;
    bool bare;
    uint32_t size;
    uint8_t priority;
    uint8_t headers[HEADERS_MAX];
};

/* A command with an answer that `e` describes (cmd is filled in), or NULL for none. */
void chan_command(struct chan *ch, const struct method *m, const struct expected *e);

void chan_open(struct chan *ch);
void chan_close(struct chan *ch);
void chan_declare(struct chan *ch, struct model_queue *q, bool passive);
void chan_publish(struct chan *ch, const struct publish_options *o);
void chan_get(struct chan *ch, struct model_queue *q, bool no_ack);

struct consume_options {
    bool no_ack;
    bool exclusive;
    int32_t priority;
};

void chan_consume(struct chan *ch, struct model_queue *q, const struct consume_options *o);
void chan_cancel(struct chan *ch, struct sim_consumer *c);
void chan_purge(struct chan *ch, struct model_queue *q);
void chan_delete(struct chan *ch, struct model_queue *q);
void chan_qos(struct chan *ch, uint16_t n, bool global);

enum how { HOW_ACK, HOW_REJECT, HOW_REQUEUE };

/* Settles outstanding delivery `i`, or all up to it. */
void chan_settle(struct chan *ch, size_t i, bool multiple, enum how how);

/* basic.recover; only without consumers. */
void chan_recover(struct chan *ch);
void chan_tx_commit(struct chan *ch);
void chan_tx_rollback(struct chan *ch);

/* Can nothing about this queue be in flight, so that its next message is known? */
bool chan_knows(const struct chan *ch, const struct model_queue *q);

size_t chan_n_consumers(const struct chan *ch);

/* How many gets of this queue have not been answered: each may have taken a message already. */
size_t chan_n_gets(const struct chan *ch, const struct model_queue *q);

/* Unsettled deliveries to consumers. */
uint32_t chan_n_out(const struct chan *ch);

/* With no answer due: is there surely room in both limits? */
bool chan_may_take(const struct chan *ch, const struct sim_consumer *c);

/* The consumer of that id, or NULL when it is no more. */
struct sim_consumer *chan_consumer(struct chan *ch, unsigned id);

/* ---- chan_receive.c ---- */

void chan_on_method(struct chan *ch, const struct method *m);
void chan_on_content(struct chan *ch, const struct method *m, struct span header, struct span body);

#endif
