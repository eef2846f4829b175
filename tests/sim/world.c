// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/net/io_priv.h"
#include "tests/sim/actor.h"
#include "tests/sim/failure.h"
#include "tests/sim/memory.h"

#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_S  UINT64_C(1000000000)

enum {
    WORK_STEPS = 60000,     /* then the clients are told to finish */
    PATIENCE_STEPS = 30000, /* of clients that wait for memory */
    HANG_STEPS = 400000,    /* without an answer to anybody while landing */
    STILL_STEPS = 200,      /* without a byte moved: time jumps */
    SETTLE_STEPS = 400000,  /* for the broker to let go of everything */
};

/* ---- Chance and time ---- */

uint64_t world_draw(struct world *w, uint64_t n)
{
    return rng_below(&w->rng, n);
}

bool world_chance(struct world *w, unsigned one_in)
{
    return rng_below(&w->rng, one_in) == 0;
}

static uint64_t world_now_ns(struct env *env)
{
    return ((struct world *)env->self)->now_ns;
}

static void world_secret(struct env *env, void *at, size_t size)
{
    struct world *w = env->self;
    for (size_t i = 0; i < size; i++)
        ((uint8_t *)at)[i] = (uint8_t)world_draw(w, 256);
}

static uint64_t world_wall_ns(struct env *env)
{
    struct world *w = env->self;
    return UINT64_C(1700000000000000000) + w->now_ns;
}

/* ---- The plan ---- */

static uint64_t plan_pick(struct world *w, const uint64_t *values, size_t n)
{
    return values[world_draw(w, n)];
}

#define PLAN_PICK(w, ...)                         \
    plan_pick(w, (const uint64_t[]){__VA_ARGS__}, \
              sizeof((const uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t))

static void world_plan(struct world *w)
{
    struct plan *p = &w->plan;
    p->shape = (enum shape)world_draw(w, SHAPE_COUNT);
    p->n_sides = p->shape == SHAPE_INLINE ? 1 : 1 + world_draw(w, SIDES_MAX);
    p->delay_max = PLAN_PICK(w, 0, 10, 100, 1000);
    p->turn_work = (unsigned)PLAN_PICK(w, 0, 8, 16, 64, 512);
    p->memory_limit = world_chance(w, 5) ? PLAN_PICK(w, 20000, 100000, 1000000) : 0;
    p->frame_max = (uint32_t)PLAN_PICK(w, 4096, 10000, 131072);
    p->n_owners = p->memory_limit != 0 ? 0 : (unsigned)world_draw(w, 5);
    p->n_traders = (unsigned)world_draw(w, 5) + (p->n_owners == 0);
    p->n_vandals = world_chance(w, 3) ? 1 : 0;
    p->n_ops = (unsigned)PLAN_PICK(w, 30, 300, 1500);
    p->body_max = (uint32_t)PLAN_PICK(w, 200, 20000, 300000);
    p->pace = (enum net_pace)world_draw(w, PACE_BYTES + 1);
    if (p->pace == PACE_BYTES && p->body_max > 3000)
        p->body_max = 3000;
    p->check_each_step = !world_chance(w, 8);
    p->tick_ns = PLAN_PICK(w, 1000, 100000, 2 * NS_PER_MS);
    p->heartbeat_s = (uint16_t)PLAN_PICK(w, 0, 3, 60);
    p->n_rests = (unsigned)world_draw(w, 8);
    p->abrupt = world_chance(w, 10);
    static const char *const SHAPES[SHAPE_COUNT] = {"free", "inline", "threads"};
    failure_describe("%s x%zu, delay %llu, work %u, memory %llu, frames %u, bodies %u, pace %d, "
                     "%u owners, %u traders, %u vandals, %u ops, tick %llu ns, heartbeat %u s",
                     SHAPES[p->shape], p->n_sides, (unsigned long long)p->delay_max, p->turn_work,
                     (unsigned long long)p->memory_limit, p->frame_max, p->body_max, (int)p->pace,
                     p->n_owners, p->n_traders, p->n_vandals, p->n_ops,
                     (unsigned long long)p->tick_ns, p->heartbeat_s);
}

/* ---- The broker ---- */

static void world_wake_core(void *arg)
{
    loop_wake(((struct world *)arg)->core_loop);
}

static void world_wake_side_0(void *arg)
{
    loop_wake(((struct world *)arg)->sides[0].loop);
}

static void world_wake_side_1(void *arg)
{
    loop_wake(((struct world *)arg)->sides[1].loop);
}

static void world_new_side(struct world *w, size_t i)
{
    struct side *s = &w->sides[i];
    enum err e = link_init(&s->link);
    ASSERT(e == OK);
    if (w->plan.shape == SHAPE_THREADS) {
        s->link.wake_core = world_wake_core;
        s->link.wake_io = i == 0 ? world_wake_side_0 : world_wake_side_1;
        s->link.wake_arg = w;
    }
    e = loop_new(&s->loop);
    ASSERT(e == OK);
    struct io_options options = {.env = &w->env,
                                 .loop = s->loop,
                                 .link = &s->link,
                                 .index = (uint32_t)i,
                                 .frame_max = w->plan.frame_max,
                                 .message_size_max = 1 << 20,
                                 .handshake_timeout_ns = 10 * NS_PER_S};
    e = io_new(&s->io, &options);
    ASSERT(e == OK);
    e = loop_accept_on(s->loop, NULL, io_on_accept, s->io);
    ASSERT(e == OK);
}

static void world_new_broker(struct world *w)
{
    static const uint8_t SALT[PASSWORD_SALT] = {1, 2, 3, 4};
    users_init(&w->users);
    enum err e = users_add(&w->users, SPAN_LIT("guest"), SPAN_LIT("guest"), SALT, true);
    ASSERT(e == OK);
    world_new_store(w);
    e = loop_new(&w->core_loop);
    ASSERT(e == OK);
    struct link *links[SIDES_MAX];
    for (size_t i = 0; i < w->plan.n_sides; i++) {
        world_new_side(w, i);
        links[i] = &w->sides[i].link;
    }
    struct core_options options = {
        .env = &w->env,
        .store = w->store,
        .users = &w->users,
        .version = SPAN_LIT("4.2.0"),
        .default_vhost = SPAN_LIT("/"),
        .frame_max = w->plan.frame_max,
        .channel_max = 8,
        .heartbeat_s = w->plan.heartbeat_s,
        .message_size_max = 1 << 20,
        .memory_limit_bytes = w->plan.memory_limit,
        .turn_work = w->plan.turn_work,
        /* Without a draw of its own: no seed changes its meaning. */
        .pacing_messages = w->seed % 2 == 0 ? 4 : 0,
        .observer = w->recorder == NULL ? NULL : recorder_observer(w->recorder)};
    e = core_new(&w->core, &options, links, w->plan.n_sides);
    ASSERT(e == OK);
}

static void world_free_broker(struct world *w)
{
    world_stop_store(w);
    core_free(w->core);
    for (size_t i = 0; i < w->plan.n_sides; i++) {
        io_free(w->sides[i].io);
        loop_free(w->sides[i].loop);
        link_fini(&w->sides[i].link);
    }
    loop_free(w->core_loop);
    world_free_store(w);
    users_fini(&w->users);
}

/* ---- Steps ---- */

void world_step(struct world *w)
{
    uint64_t moved = w->net.moved;
    failure_step(++w->step);
    w->now_ns += w->resting ? REST_TICK_NS : world_draw(w, w->plan.tick_ns);
    bool alive = false;
    if (world_draw(w, 2) == 0)
        schedule_broker(w);
    else
        alive = actor_step(w->actors[world_draw(w, w->n_actors)]);
    if (alive || moved != w->net.moved || w->resting)
        w->still = 0;
    else if (++w->still == STILL_STEPS) {
        w->still = STILL_STEPS / 2;
        w->now_ns += world_draw(w, NS_PER_S / 2);
    }
}

bool world_others_are_gone(const struct world *w, const struct actor *but)
{
    for (size_t i = 0; i < w->n_actors; i++)
        if (w->actors[i] != but && w->actors[i]->state != ACTOR_GONE)
            return false;
    return true;
}

bool world_has_cut_off(const struct world *w)
{
    for (size_t i = 0; i < w->n_actors; i++)
        if (w->actors[i]->connected && peer_is_closed(w->actors[i]->client.peer))
            return true;
    return false;
}

static void world_print_conns(const struct io *io)
{
    for (uint32_t i = 0; i < slots_end(&io->conns); i++) {
        uint32_t generation;
        const struct conn *c = slots_at_index(&io->conns, i, &generation);
        if (c == NULL)
            continue;
        fprintf(stderr,
                "  conn %u state %d paused %d reading %d readable %d rest %zu more %d "
                "ready %d written %d wants write %d output %llu of %llu\n",
                i, (int)c->state, c->paused, c->reading, c->readable, buf_span(&c->rest).size,
                c->more_rest, list_linked(&c->in_ready), list_linked(&c->in_written),
                c->wants_write, (unsigned long long)c->output_done,
                (unsigned long long)c->output_bytes);
    }
}

void world_print(const struct world *w)
{
    for (size_t i = 0; i < w->n_actors; i++) {
        const struct actor *a = w->actors[i];
        for (size_t k = 0; a->state != ACTOR_GONE && k < a->n_chans; k++) {
            const struct chan *ch = a->chans[k];
            const struct expected *e = ch->expected.n == 0 ? NULL : deque_at(&ch->expected, 0);
            fprintf(stderr, "  c%u.%u state %d/%d waits for %s, %zu answers, %zu confirms\n",
                    a->conn, ch->number, (int)a->state, (int)ch->state,
                    e == NULL ? "nothing" : method_info(e->id)->name, ch->expected.n,
                    ch->confirms.n);
        }
        if (a->state != ACTOR_GONE && a->n_chans == 0)
            fprintf(stderr, "  c%u state %d\n", a->conn, (int)a->state);
    }
    const struct core *c = w->core;
    const struct {
        const char *name;
        const struct list *list;
    } lists[] = {{"replies to the store", &c->awaiting_store},
                 {"replies", &c->replying},
                 {"jobs", &c->jobs},
                 {"memory", &c->memory_parked},
                 {"teardowns", &c->teardowns},
                 {"orders", &c->orders},
                 {"active queues", &c->active_queues},
                 {"dead queues", &c->dead_queues}};
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
        if (!list_empty(lists[i].list))
            fprintf(stderr, "  the core has %s waiting\n", lists[i].name);
    for (size_t i = 0; i < w->plan.n_sides; i++)
        world_print_conns(w->sides[i].io);
    fprintf(stderr, "  core asleep %d, sides asleep %d %d, durable %llu of %llu\n", w->core_asleep,
            w->sides[0].asleep, w->sides[1].asleep, (unsigned long long)store_durable(w->store),
            (unsigned long long)store_filling(w->store) - 1);
}

void world_stop_leaks(struct world *w)
{
    size_t n_clients = 0;
    size_t n_conns = w->net.n_waiting;
    for (size_t i = 0; i < w->n_actors; i++)
        n_clients += w->actors[i]->connected;
    for (size_t i = 0; i < w->plan.n_sides; i++)
        n_conns += io_n_connections(w->sides[i].io);
    if (n_conns != n_clients || w->net.n_sockets != n_clients || world_has_cut_off(w))
        return;
    for (size_t i = 0; i < w->model.queues.n; i++)
        model_queue_at(&w->model, i)->leaky = false;
}

/* Memory may be held by the very clients that wait for it: deliveries that are unacked on a channel
 * whose close waits behind its own publishes. Without a disk to page to, nothing but their leaving
 * clears that: they lose their patience. */
static void world_lose_patience(struct world *w)
{
    bool stuck = w->core->memory_high && !list_empty(&w->core->memory_parked);
    if (!stuck || w->step - w->progress_step < PATIENCE_STEPS)
        return;
    for (size_t i = 0; i < w->n_actors; i++) {
        struct actor *a = w->actors[i];
        if (a->connected && a->role != ROLE_JANITOR) {
            actor_reset(a);
            return;
        }
    }
}

static void world_run_until_gone(struct world *w, uint64_t steps_max)
{
    uint64_t begin = w->step;
    w->progress_step = w->step;
    while (!world_others_are_gone(w, NULL) && w->step - begin < steps_max) {
        world_step(w);
        if (w->step % 64 == 0)
            world_stop_leaks(w);
        if (w->landing)
            world_lose_patience(w);
        if (w->landing && w->step - w->progress_step > HANG_STEPS) {
            world_print(w);
            fail("nothing has been answered for %d steps", HANG_STEPS);
        }
    }
}

void world_errand(struct world *w, enum chore chore)
{
    struct actor *janitor = actor_new(w, ROLE_JANITOR);
    janitor->chore = chore;
}

/* Nobody is connected, and nothing of what clients left behind is still being worked on. */
static bool world_is_settled(const struct world *w)
{
    const struct core *c = w->core;
    const struct list *lists[] = {&c->sessions,      &c->awaiting_store, &c->replying, &c->jobs,
                                  &c->memory_parked, &c->teardowns,      &c->retired,  &c->orders,
                                  &c->dead_queues,   &c->garbage};
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
        if (!list_empty(lists[i]))
            return false;
    for (size_t i = 0; i < w->plan.n_sides; i++)
        if (io_n_connections(w->sides[i].io) != 0)
            return false;
    return w->net.n_sockets == 0 && c->parked_bytes == 0 && c->tx_bytes == 0;
}

static void world_settle(struct world *w)
{
    uint64_t begin = w->step;
    while (!world_is_settled(w)) {
        world_step(w);
        if (w->step - begin > SETTLE_STEPS) {
            world_print(w);
            fail("the broker does not let go of what clients left");
        }
    }
}

static void world_check_end(const struct world *w)
{
    const struct core *c = w->core;
    unsigned work = w->plan.turn_work == 0 ? TURN_WORK_MAX : w->plan.turn_work;
    EXPECT(c->queues.n == 0, "%zu queues are left", c->queues.n);
    EXPECT(c->consumers.n == 0, "%zu consumers are left", c->consumers.n);
    EXPECT(c->message_bytes == 0, "%llu bytes of messages are left",
           (unsigned long long)c->message_bytes);
    EXPECT(c->stats.work_max <= work, "a turn did %llu steps of work, %u are allowed",
           (unsigned long long)c->stats.work_max, work);
}

static void world_live(struct world *w)
{
    world_errand(w, CHORE_FOUND);
    w->landing = true;
    world_run_until_gone(w, UINT64_MAX);
    w->landing = false;
    for (unsigned i = 0; i < w->plan.n_owners; i++)
        actor_new(w, ROLE_OWNER);
    for (unsigned i = 0; i < w->plan.n_traders; i++)
        actor_new(w, ROLE_TRADER);
    for (unsigned i = 0; i < w->plan.n_vandals; i++)
        actor_new(w, ROLE_VANDAL);
    for (unsigned i = 0; i <= w->plan.n_rests; i++) {
        world_run_until_gone(w, WORK_STEPS / (w->plan.n_rests + 1));
        /* What a broker that is stopped in the middle of it all has not freed, world_run misses. */
        if (w->plan.abrupt && i == w->plan.n_rests)
            return;
        world_rest(w);
    }
    w->landing = true;
    w->net.hurry = true;
    if (w->plan.memory_limit != 0)
        world_errand(w, CHORE_DRAIN);
    world_run_until_gone(w, UINT64_MAX);
    world_settle(w);
    world_errand(w, CHORE_CLEAR);
    world_run_until_gone(w, UINT64_MAX);
    world_settle(w);
    world_check_end(w);
}

static void world_record(struct world *w, const char *path)
{
    char why[1024] = "out of memory";
    if (recorder_open(&w->recorder, path, span_str(WHIPPET_VERSION), why, sizeof(why)) != OK)
        fail("%s", why);
}

uint64_t world_run(uint64_t seed, const char *program, const char *record, uint64_t *n_steps)
{
    failure_begin(seed, program);
    size_t before = memory_used();
    struct world *w = calloc(1, sizeof(*w));
    ASSERT(w != NULL);
    w->seed = seed;
    w->rng.state = seed * 0x9e3779b97f4a7c15u;
    w->now_ns = NS_PER_S;
    w->env = (struct env){
        .now_ns = world_now_ns, .secret = world_secret, .wall_ns = world_wall_ns, .self = w};
    deque_init(&w->chans, sizeof(struct chan *));
    model_init(&w->model);
    world_plan(w);
    net_init(&w->net, rng_next(&w->rng));
    w->store_rng.state = rng_next(&w->rng);
    if (record != NULL)
        world_record(w, record);
    world_new_broker(w);
    world_live(w);
    trace_mix(w->step);
    trace_mix(w->now_ns);
    trace_mix(w->core->stats.published);
    trace_mix(w->core->stats.delivered);
    *n_steps = w->step;
    for (size_t i = 0; i < w->n_actors; i++)
        actor_free(w->actors[i]);
    for (size_t i = 0; i < w->chans.n; i++)
        chan_free(*(struct chan **)deque_at(&w->chans, i));
    deque_fini(&w->chans);
    world_free_broker(w);
    recorder_close(w->recorder);
    model_fini(&w->model);
    net_fini(&w->net);
    free(w);
    EXPECT(memory_used() == before, "%zu bytes of memory are lost", memory_used() - before);
    return trace_hash();
}
