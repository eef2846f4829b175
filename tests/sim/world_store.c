// SPDX-License-Identifier: Apache-2.0
/* What stands behind the core: for two seeds of three the null keeper, which is later than any
 * disk; for the third the product's own, on the false disk, with its thread as one more whose turn
 * may come. At the end it is stopped, and what it has kept is looked at once more. */
#include "broker/core/messages.h"
#include "broker/core/restore.h"
#include "tests/sim/actor.h"
#include "tests/sim/failure.h"

enum { WORLD_FILE_BYTES = 512 * 1024, WORLD_JOURNAL_BYTES = 2 * 1024 * 1024 };

static uint64_t world_delay(void *arg)
{
    struct world *w = arg;
    return rng_below(&w->store_rng, w->plan.delay_max + 1);
}

uint64_t world_batch(const struct world *w)
{
    return store_filling(w->store);
}

bool world_is_durable(const struct world *w, uint64_t batch)
{
    return batch <= store_durable(w->store);
}

bool world_store_rests(const struct world *w)
{
    return store_durable(w->store) + 1 == store_filling(w->store) &&
           store_due_ns(w->store) == UINT64_MAX;
}

static void world_wake_core_from_disk(void *arg)
{
    struct world *w = arg;
    loop_wake(w->plan.shape == SHAPE_THREADS ? w->core_loop : w->sides[0].loop);
}

static void world_wake_disk(void *arg)
{
    ((struct world *)arg)->disk_asleep = false;
}

static struct keeper *world_open_keeper(struct world *w)
{
    struct keeper_options options = {.disk = false_disk(w->disk),
                                     .env = &w->env,
                                     .file_bytes = WORLD_FILE_BYTES,
                                     .journal_bytes = WORLD_JOURNAL_BYTES,
                                     .parts = message_stored_parts,
                                     .wake_core = world_wake_core_from_disk,
                                     .wake_disk = world_wake_disk,
                                     .arg = w};
    uint64_t holder;
    struct keeper *k;
    enum err e = keeper_open(&k, &options, &holder);
    EXPECT(e == OK, "the store does not open: %s", err_text(e));
    return k;
}

void world_new_store(struct world *w)
{
    /* Without a draw of its own: no seed changes its meaning. */
    if (w->seed % 3 != 0) {
        enum err e = null_keeper_init(&w->keeper, world_delay, w);
        ASSERT(e == OK);
        w->store = w->keeper.store;
        return;
    }
    w->disk = false_disk_new(0);
    w->kept = world_open_keeper(w);
    w->store = keeper_store(w->kept);
}

bool world_step_store(struct world *w)
{
    bool more = w->kept == NULL ? null_keeper_step(&w->keeper)
                                : keeper_step(w->kept, w->core->now_ns);
    return more || store_durable(w->store) != w->core->durable;
}

bool world_store_has_news(const struct world *w)
{
    return w->kept != NULL && keeper_has_news(w->kept);
}

uint64_t world_store_due_ns(const struct world *w)
{
    return w->kept == NULL ? UINT64_MAX : keeper_due_ns(w->kept);
}

void world_step_disk(struct world *w)
{
    if (w->kept != NULL && !w->disk_asleep)
        w->disk_asleep = keeper_work(w->kept) == KEEPER_IDLE;
}

/* What was kept is what there was: after the janitor nothing. */
static void world_look_again(struct world *w)
{
    struct link link;
    struct link *links[] = {&link};
    enum err e = link_init(&link);
    ASSERT(e == OK);
    struct keeper *k = world_open_keeper(w);
    struct core_options options = {.env = &w->env,
                                   .store = keeper_store(k),
                                   .users = &w->users,
                                   .default_vhost = SPAN_LIT("/")};
    struct core *core;
    e = core_new(&core, &options, links, 1);
    ASSERT(e == OK);
    struct recovery_target target = restore_target(core);
    e = keeper_restore(k, &target);
    EXPECT(e == OK, "what was kept does not come back: %s", err_text(e));
    const struct recovery_figures *f = keeper_figures(k);
    EXPECT(f->clean && f->n_lost == 0 && f->n_messages_lost == 0, "after a stop the store is torn");
    EXPECT(w->plan.abrupt || core->durable_queues.n == 0, "%zu queues have come back",
           core->durable_queues.n);
    core_check(core);
    core_free(core);
    keeper_close(k);
    link_fini(&link);
}

void world_stop_store(struct world *w)
{
    if (w->kept == NULL)
        return;
    bool stopped = keeper_stop(w->kept, restore_mark(w->core));
    EXPECT(stopped, "the store does not stop");
}

void world_free_store(struct world *w)
{
    if (w->kept == NULL) {
        null_keeper_fini(&w->keeper);
        return;
    }
    keeper_close(w->kept);
    false_disk_process_ended(w->disk);
    world_look_again(w);
    false_disk_free(w->disk);
}
