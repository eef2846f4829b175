// SPDX-License-Identifier: Apache-2.0
/* broker/core/core.h — the model and its turn.
 *
 * One core owns all vhosts, queues and sessions. core_step is its whole life: it takes what the
 * links and the store have brought, works for about a millisecond, and leaves its answers in the
 * links.
 *
 * A turn is a function of its inputs. They are looked at once, when it begins: the time, how far
 * the store is durable and which batch it fills, whether a shutdown was asked for, and per link
 * which records are published and how much room is released. Besides these, core_options and the
 * secrets that core_new draws from env decide everything but a lack of memory; so the same inputs
 * give the same outputs.
 *
 * What is proportional to messages, bindings or consumers is done in slices, counted by
 * TURN_WORK_MAX per turn.
 *
 * Thread: core (whichever thread calls core_step; always the same one).
 */
#ifndef BROKER_CORE_CORE_H
#define BROKER_CORE_CORE_H

#include "base/env.h"
#include "base/pool.h"
#include "broker/auth/users.h"
#include "broker/core/catalogue.h"
#include "broker/core/long_route.h"
#include "broker/core/output.h"
#include "broker/core/route.h"
#include "storage/store.h"

struct core;

/* Sees each turn from outside, and may not change anything. */
struct core_observer {
    /* The inputs are looked at, nothing is done with them yet. */
    void (*began)(void *arg, const struct core *core);
    /* All is done, and nothing published yet: what the turn says to a link lies in its ring from
     * `head` to `w_at`. `more` is what core_step is about to answer. */
    void (*ended)(void *arg, const struct core *core, bool more);
    void *arg;
};

struct core_options {
    struct env *env;
    struct store *store;
    const struct users *users;
    struct span version;         /* advertised in server-properties */
    struct span default_vhost;   /* made at the start */
    uint32_t frame_max;          /* offered in connection.tune */
    uint16_t channel_max;        /* likewise */
    uint16_t heartbeat_s;        /* likewise */
    uint64_t message_size_max;   /* larger ones are refused with 406 */
    uint64_t memory_limit_bytes; /* messages above this make publishers wait; 0 = no limit */
    unsigned turn_work;          /* steps of work in one turn; 0 = TURN_WORK_MAX */
    unsigned pacing_messages;    /* see pacing.h; 0 = PACING_MESSAGES */
    const struct core_observer *observer; /* NULL = nobody */
};

/* The core's side of a link. */
struct core_link {
    struct core *core;
    struct link *link;
    struct session **sessions; /* by connection index */
    size_t n_sessions;         /* of the array */
    struct body *bodies_home;  /* on their way back to this link */
};

/* Counts that a turn reports. */
struct core_stats {
    uint64_t published;
    uint64_t delivered;
    uint64_t turns;
    uint64_t work_max; /* the most work that one turn did */
};

struct core {
    struct core_options options;
    uint64_t now_ns;
    uint64_t durable;  /* store_durable as of this turn */
    bool shutdown_due; /* core_shutdown was called */
    unsigned work;     /* steps that are left in this turn; whoever works counts it down */
    uint64_t hash_seed;
    uint64_t name_counter; /* with the secret below: generated names nobody can guess */
    uint8_t name_secret[16];
    struct core_link *links;
    size_t n_links;
    struct catalogue catalogue;
    struct vhost *vhost;
    struct map durable_queues; /* by number, by queue.by_number */
    struct slots queues;
    struct slots consumers;
    struct route route; /* scratch of the publish at hand */
    struct long_routes long_routes;
    struct list sessions;
    struct list awaiting_store; /* channels by the batch their first reply waits for (replies.c) */
    struct list replying;       /* channels whose first reply may go, by replies.in_flush */
    struct list jobs;           /* parked channels with a job, by parking.in_jobs */
    struct list waking;         /* channels with consumers to be woken, by channel.in_waking */
    struct list memory_parked;  /* parked channels that wait for memory */
    struct list teardowns;      /* sessions that are ending */
    struct list retired;        /* channels to be freed at the end of the turn */
    struct list orders;         /* sessions with orders that found no room */
    struct list active_queues;  /* queues where messages may meet consumers */
    struct list dead_queues;    /* deleted queues that are being emptied, by queue.active */
    struct list garbage;        /* purged messages that are being freed */
    bool returned;              /* messages have come back to a queue that may be served */
    bool retry_due;             /* something lacked memory, and is tried again in the next turn */
    struct pool messages;
    uint64_t message_bytes;
    uint64_t tx_bytes;     /* messages and entries that open transactions hold */
    uint64_t parked_bytes; /* sum of session.parked_bytes */
    bool memory_high;
    struct core_stats stats;
};

/* ERR_NOMEM. `links` (initialised) and everything in `options` must outlive the core. */
MUST_USE enum err core_new(struct core **out, const struct core_options *options,
                           struct link *const *links, size_t n_links);

/* Releases everything; nothing is sent any more. */
void core_free(struct core *core);

/* One turn. True when there is more to do at once, without waiting for input. */
bool core_step(struct core *core);

/* Asks every connection to close (320), as before a stop: in the next turn. */
void core_shutdown(struct core *core);

/* The session of a connection, or NULL when there is none (any more). */
struct session *core_session(const struct core_link *link, struct slot_id conn);

/* Asserts the invariants of every live object: for debug builds and simulations. */
void core_check(struct core *core);

/* Asserts besides what takes a walk through every unsettled entry: now and then. */
void core_check_rest(struct core *core);

/* A name nobody can guess: `prefix` and 22 characters of base64url, into `at` (64 bytes). */
struct span core_make_name(struct core *core, const char *prefix, uint8_t *at);

/* After each method: messages that it gave back go to the consumers that wait for them before
 * anything later happens, as far as the turn's work reaches. */
void core_serve_returned(struct core *core);

/* Counts `n` steps more than its caller knows of. Who counts his own steps down therefore does so
 * before each: afterwards there may be none left. */
void core_count(struct core *core, size_t n);

/* The batch with which everything that the store was told is true; 0 when `durable` is false. */
uint64_t core_barrier(struct core *core, bool durable);

/* Must publishers wait: for memory, or for the disk? */
bool core_is_choked(const struct core *core);

#endif
