// SPDX-License-Identifier: Apache-2.0
/* tests/sim/model.h — what must be true of the broker, as arrays.
 *
 * The model knows every message by number, every exchange with its bindings, and every queue as
 * the list of its places in order of publishing. It is told what clients *sent*; since the methods
 * of a channel are executed in order, that settles what a queue holds as soon as one channel alone
 * touches it. What nobody can know (was the last command before a reset executed?) is marked
 * doubtful, and nothing is demanded of it.
 *
 * A place stays in its queue for ever; searching begins at the first one that is not gone.
 *
 * Thread: the one of the simulation.
 */
#ifndef TESTS_SIM_MODEL_H
#define TESTS_SIM_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/deque.h"
#include "base/rng.h"
#include "base/span.h"

enum { NAME_SIZE = 48, HEADERS_MAX = 2, HEADER_VALUES = 3 };

/* What was published, by number (from 1): enough to make it again and compare. */
struct message_record {
    uint32_t size;
    uint32_t by;  /* number of the channel */
    uint64_t cmd; /* which of its commands */
    bool persistent;
    bool bare; /* no property tells it from others: its body does */
    uint8_t priority;
    uint8_t headers[HEADERS_MAX]; /* value of h0, h1; 0 = absent */
    char exchange[NAME_SIZE];
    char key[NAME_SIZE];
};

enum place_state {
    PLACE_READY,
    PLACE_OUT,      /* delivered to `holder` */
    PLACE_SETTLING, /* `holder` has sent its end as command `settle_cmd` */
    PLACE_GONE
};

struct place {
    uint64_t message;
    uint32_t by;
    uint64_t cmd; /* of the channel `by`: after it, the place exists */
    enum place_state state;
    bool seen;       /* a client has received it from this queue */
    bool maybe_seen; /* it may have been on its way to one */
    bool doubtful;   /* it may not be there */
    uint32_t holder;
    uint64_t settle_cmd;
    uint64_t sure_cmd;  /* requeued by this command of the owner; 0 = long ago */
    uint64_t purge_cmd; /* a purge or delete under way takes it if it is ready; 0 = none */
};

struct model_queue {
    char name[NAME_SIZE];
    bool durable;
    bool exclusive;
    bool auto_delete;
    bool shared; /* several channels touch it */
    bool live;   /* false once its end was commanded */
    bool server_named;
    bool declared; /* its first declare was sent */
    bool orphaned; /* its owner was lost: the janitor looks after it */
    bool leaky;    /* a consumer that need not ack was lost, and the broker may still serve it */
    unsigned n_purges;       /* of a shared queue, under way: what they take, nobody knows */
    bool unseen_returns;     /* messages nobody has seen may have been requeued */
    uint32_t owner;          /* channel; 0 = shared or orphaned */
    uint32_t actor;          /* of the owner */
    uint64_t end_cmd;        /* the owner's command that deletes it; 0 = none */
    size_t n_consumers;      /* of its owner, as commanded */
    bool exclusive_consumer; /* one of these has it to itself */
    struct deque places;     /* struct place */
    size_t first;            /* all before are gone */
};

enum exchange_kind { KIND_DIRECT, KIND_FANOUT, KIND_TOPIC, KIND_HEADERS, KIND_COUNT };

struct model_binding {
    struct model_exchange *source;
    struct model_queue *queue;       /* or */
    struct model_exchange *exchange; /* the destination */
    char key[NAME_SIZE];
    bool any;                     /* x-match */
    uint8_t headers[HEADERS_MAX]; /* 0 = not asked for */
};

struct model_exchange {
    char name[NAME_SIZE];
    enum exchange_kind kind;
    bool durable;
    bool live;
    uint32_t owner;            /* channel; 0 = everybody's */
    char alternate[NAME_SIZE]; /* where goes what nothing else takes; "" = none */
};

struct model {
    struct deque messages;  /* struct message_record */
    struct deque queues;    /* struct model_queue * */
    struct deque exchanges; /* struct model_exchange * */
    struct deque bindings;  /* struct model_binding */
};

extern const char *const KIND_NAMES[KIND_COUNT];

void model_init(struct model *m);
void model_fini(struct model *m);

/* ---- Messages ---- */

/* Its number, from 1. */
uint64_t model_add_message(struct model *m, const struct message_record *r);

/* NULL when there is no such message. */
struct message_record *model_message(const struct model *m, uint64_t number);

/* The body of message `number`, into `at`; it begins with the number, if there is room. */
void model_body(uint64_t number, uint8_t *at, size_t size);

/* ---- Queues ---- */

struct model_queue *model_add_queue(struct model *m, const char *name);

/* The live one of that name, or NULL. */
struct model_queue *model_find_queue(const struct model *m, const char *name);

struct model_queue *model_queue_at(const struct model *m, size_t i);

/* May somebody take messages from it unseen? */
bool model_in_doubt(const struct model_queue *q);

struct place *model_add_place(struct model_queue *q, uint64_t message, uint32_t by, uint64_t cmd);
struct place *model_place(const struct model_queue *q, size_t i);

/* Where the message stands; places.n when it does not. */
size_t model_find_place(struct model_queue *q, uint64_t message);

/* How many are ready and not under a purge. */
size_t model_n_ready(const struct model_queue *q);

/* How many may be there at most. */
size_t model_n_most(const struct model_queue *q);

/* Takes the bindings of a queue that is deleted. */
void model_drop_queue_bindings(struct model *m, const struct model_queue *q);

/* ---- Exchanges ---- */

struct model_exchange *model_add_exchange(struct model *m, const char *name,
                                          enum exchange_kind kind);

/* The live one of that name, or NULL. */
struct model_exchange *model_find_exchange(const struct model *m, const char *name);

/* Bindings are a set: adding one twice changes nothing. */
void model_bind(struct model *m, const struct model_binding *b);
void model_unbind(struct model *m, const struct model_binding *b);

/* It and its bindings, both ways, are gone. */
void model_delete_exchange(struct model *m, struct model_exchange *x);

/* The queues a message goes to, each once, as struct model_queue * in `out`, which is emptied
 * first. */
void model_route(const struct model *m, const struct message_record *r, struct deque *out);

#endif
