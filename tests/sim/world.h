// SPDX-License-Identifier: Apache-2.0
/* tests/sim/world.h — the whole broker, its clients and its time, from one seed.
 *
 * world_run makes a broker of the product's own parts (I/O, links, core, store) over virtual
 * sockets, and lets one thread call their step functions in an order drawn from the seed. Its
 * shape is drawn too: everything on one thread as with io_threads = 0, threads that sleep and wake
 * each other as with io_threads = 2, or no rule at all.
 *
 * Then the clients work, one small thing at a time; then they finish and leave (landing); then the
 * janitor empties what is left; then the broker must be as it was.
 *
 * Thread: the one of the simulation.
 */
#ifndef TESTS_SIM_WORLD_H
#define TESTS_SIM_WORLD_H

#include "base/env.h"
#include "base/limits.h"
#include "base/rng.h"
#include "broker/core/core.h"
#include "broker/net/io.h"
#include "broker/server/recorder.h"
#include "storage/keeper.h"
#include "tests/sim/false_disk.h"
#include "tests/sim/model.h"
#include "tests/sim/net.h"
#include "tests/sim/null_keeper.h"

enum { SIDES_MAX = 2, ACTORS_MAX = 12 };

/* How much time a step takes while clients rest: so little that heartbeats are rare. */
enum { REST_TICK_NS = 20000 };

enum shape { SHAPE_FREE, SHAPE_INLINE, SHAPE_THREADS, SHAPE_COUNT };

/* One I/O thread. */
struct side {
    struct link link;
    struct loop *loop;
    struct io *io;
    unsigned phase;
    bool asleep;
    uint64_t wake_ns; /* of a sleeper's timer */
};

/* What the seed decides before anything happens. */
struct plan {
    enum shape shape;
    size_t n_sides;
    uint64_t delay_max;    /* steps until a batch is durable */
    unsigned turn_work;    /* 0 = the broker's own */
    uint64_t memory_limit; /* 0 = none */
    uint32_t frame_max;
    unsigned n_owners;
    unsigned n_traders;
    unsigned n_vandals;
    unsigned n_ops; /* per client */
    uint32_t body_max;
    enum net_pace pace; /* the smallest cut that sockets make */
    bool check_each_step;
    uint64_t tick_ns; /* how much time a step takes at most */
    uint16_t heartbeat_s;
    bool abrupt;      /* the broker is stopped while clients work */
    unsigned n_rests; /* while the clients work; one more comes before they land */
};

/* What the janitor is there for. */
enum chore {
    CHORE_NONE,
    CHORE_FOUND, /* declare what traders share */
    CHORE_PURGE, /* make room at once, while others rest */
    CHORE_DRAIN, /* make room while others still wait for memory */
    CHORE_CLEAR  /* empty, check and delete everything */
};

struct actor;
struct chan;

struct world {
    uint64_t seed;
    struct rng rng;
    struct plan plan;
    struct net net;
    struct env env;
    uint64_t now_ns;
    struct users users;
    struct null_keeper keeper;
    struct keeper *kept; /* instead of it, on `disk`; NULL = none */
    struct false_disk *disk;
    bool disk_asleep;    /* the thread of `kept` */
    struct store *store; /* of either */
    struct rng store_rng;
    struct side sides[SIDES_MAX];
    struct loop *core_loop; /* what the core waits on when it has a thread of its own */
    bool core_asleep;
    bool core_more;
    struct recorder *recorder; /* NULL = none */
    struct core *core;
    struct model model;
    struct actor *actors[ACTORS_MAX];
    size_t n_actors;
    struct deque chans; /* struct chan *, by number - 1 */
    uint32_t n_names;   /* given to queues and exchanges */
    uint32_t n_conns;
    uint64_t step;
    bool landing;
    bool resting;           /* clients send and receive and decide nothing */
    unsigned still;         /* steps since a byte moved */
    uint64_t progress_step; /* when something last happened that a client waited for */
};

/* Runs a seed to its end; a finding ends the process. Returns the hash over all that happened.
 * `record` is the file that the core's part is recorded in, for replay.c; NULL = none. */
uint64_t world_run(uint64_t seed, const char *program, const char *record, uint64_t *n_steps);

/* A number from 0 to n-1 of the clients' part of the seed. */
uint64_t world_draw(struct world *w, uint64_t n);
bool world_chance(struct world *w, unsigned one_in);

/* The batch that a record written now, or later, belongs to at the least. */
uint64_t world_batch(const struct world *w);
bool world_is_durable(const struct world *w, uint64_t batch);

/* Whichever keeper there is (world_store.c). */
void world_new_store(struct world *w);
void world_stop_store(struct world *w);
void world_free_store(struct world *w);

/* Between two turns of the core. True when it should have one. */
bool world_step_store(struct world *w);
bool world_store_has_news(const struct world *w);
uint64_t world_store_due_ns(const struct world *w);

/* Is everything durable that was told? */
bool world_store_rests(const struct world *w);

/* The disk's thread, if there is one and it is awake. */
void world_step_disk(struct world *w);

/* Have all clients but this one left? */
bool world_others_are_gone(const struct world *w, const struct actor *but);

/* Has the broker closed the socket of a client that has not noticed? */
bool world_has_cut_off(const struct world *w);

/* One thing happens, somewhere. */
void world_step(struct world *w);

/* Once the broker has let go of every connection that was lost, nothing leaks to one any more. */
void world_stop_leaks(struct world *w);

/* Sends a janitor. */
void world_errand(struct world *w, enum chore chore);

/* Lets everything that is under way come to its end, and checks that nobody waits (rest.c). */
void world_rest(struct world *w);

/* Who waits for what: for the look at a hang. */
void world_print(const struct world *w);

/* The step functions of the broker, in the shape of the plan (schedule.c). */
void schedule_broker(struct world *w);

#endif
