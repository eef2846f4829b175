// SPDX-License-Identifier: Apache-2.0
/* Who of the broker runs next. Two shapes do what broker/server/workers.c does, cut into the pieces
 * between which other threads may come, sleeping and waking included: an answer that waits for a
 * wake-up nobody gives is a hang. The free shape knows no rule. */
#include "tests/sim/world.h"

static void schedule_core_step(struct world *w)
{
    w->core_more = core_step(w->core);
    if (w->plan.check_each_step)
        core_check(w->core);
    /* Now and then: it walks through all that is unsettled. */
    if (w->plan.check_each_step && !w->core_more && w->core->stats.turns % 64 == 0)
        core_check_rest(w->core);
}

/* What may sleep no longer than until the store is due, if `core` waits with it. */
static void side_sleep(struct world *w, struct side *s, bool core)
{
    uint64_t timeout = io_timeout_ns(s->io);
    uint64_t due_ns = core ? world_store_due_ns(w) : UINT64_MAX;
    if (due_ns != UINT64_MAX) {
        uint64_t left = due_ns > w->now_ns ? due_ns - w->now_ns : 0;
        timeout = left < timeout ? left : timeout;
    }
    if (core && world_store_has_news(w))
        timeout = 0;
    s->asleep = timeout != 0;
    s->wake_ns = timeout > UINT64_MAX - w->now_ns ? UINT64_MAX : w->now_ns + timeout;
}

static bool side_is_asleep(const struct world *w, const struct side *s)
{
    return s->asleep && !net_loop_is_ready(s->loop) && w->now_ns < s->wake_ns;
}

static void side_wake(struct side *s)
{
    loop_turn(s->loop, s->asleep ? 1 : 0);
    s->asleep = false;
    s->phase = 0;
}

/* ---- io_threads = 0 ---- */

static void schedule_inline(struct world *w)
{
    struct side *s = &w->sides[0];
    switch (s->phase++) {
    case 0: io_read(s->io); break;
    case 1: schedule_core_step(w); break;
    case 2:
        w->core_more |= world_step_store(w);
        io_write(s->io);
        w->core_more |= ring_see_published(&s->link.in);
        break;
    case 3:
        if (!w->core_more) {
            loop_about_to_wait(s->loop);
            side_sleep(w, s, true);
        }
        break;
    default:
        s->phase = 4;
        if (!side_is_asleep(w, s))
            side_wake(s);
    }
}

/* ---- io_threads > 0 ---- */

static void schedule_side(struct world *w, struct side *s)
{
    switch (s->phase++) {
    case 0: io_read(s->io); break;
    case 1: io_write(s->io); break;
    case 2:
        loop_about_to_wait(s->loop);
        s->asleep = false;
        if (!io_has_work(s->io))
            side_sleep(w, s, false);
        break;
    default:
        s->phase = 3;
        if (!side_is_asleep(w, s))
            side_wake(s);
    }
}

static bool schedule_core_has_input(struct world *w)
{
    for (size_t i = 0; i < w->plan.n_sides; i++)
        if (ring_see_published(&w->sides[i].link.in))
            return true;
    return false;
}

static void schedule_core(struct world *w)
{
    if (w->core_asleep) {
        if (!net_loop_is_ready(w->core_loop) && world_store_due_ns(w) > w->now_ns)
            return;
        loop_turn(w->core_loop, 1);
        w->core_asleep = false;
    }
    schedule_core_step(w);
    w->core_more |= world_step_store(w);
    loop_about_to_wait(w->core_loop);
    w->core_asleep = !w->core_more && !schedule_core_has_input(w) && !world_store_has_news(w);
}

static void schedule_threads(struct world *w)
{
    uint64_t who = world_draw(w, w->plan.n_sides + 1);
    if (who == w->plan.n_sides)
        schedule_core(w);
    else
        schedule_side(w, &w->sides[who]);
}

/* ---- No rule ---- */

static void schedule_free(struct world *w)
{
    struct side *s = &w->sides[world_draw(w, w->plan.n_sides)];
    switch (world_draw(w, 6)) {
    case 0: loop_turn(s->loop, 0); break;
    case 1: io_read(s->io); break;
    case 2: io_write(s->io); break;
    case 3: world_step_store(w); break;
    default: schedule_core_step(w);
    }
}

void schedule_broker(struct world *w)
{
    if (w->kept != NULL && world_draw(w, 3) == 0) {
        world_step_disk(w);
        return;
    }
    switch (w->plan.shape) {
    case SHAPE_INLINE: schedule_inline(w); break;
    case SHAPE_THREADS: schedule_threads(w); break;
    case SHAPE_FREE:
    case SHAPE_COUNT: schedule_free(w); break;
    }
}
