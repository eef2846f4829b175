// SPDX-License-Identifier: Apache-2.0
#include "broker/server/workers.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "broker/core/restore.h"
#include "broker/server/disk_worker.h"
#include "broker/server/memory_limit.h"

/* How long clients may take to leave after they were told. */
#define WORKERS_STOP_NS UINT64_C(5000000000)

struct worker {
    struct workers *all;
    struct link link;
    struct loop *loop;
    struct io *io;
    pthread_t thread;
    bool started;
    /* The core will hear of no other connections than those in the ring up to `opened_until`. */
    atomic_bool shut;
    uint64_t opened_until; /* 0 = not looked at since it was shut */
};

struct workers {
    struct worker *io;
    size_t n_io;
    bool threaded;
    struct env *env;
    struct disk_worker *disk;
    struct keeper *keeper; /* its */
    struct core *core;
    struct loop *core_loop; /* threaded: what the core waits on */
    struct loop_listener *listener;
    struct tally turn_us; /* how long turns of the core took */
    atomic_bool telling;  /* asked to log what was counted */
    atomic_bool stopping; /* asked to stop */
    bool told;            /* the clients were told */
    atomic_bool ending;   /* the core is done: I/O threads return */
};

static uint64_t workers_memory_limit(const struct config *c)
{
    if (c->memory_absolute != 0)
        return c->memory_absolute;
    return memory_limit_bytes("") / 100 * c->memory_percent;
}

static void workers_wake_core(void *arg)
{
    struct worker *w = arg;
    loop_wake(w->all->core_loop);
}

static void workers_wake_io(void *arg)
{
    struct worker *w = arg;
    loop_wake(w->loop);
}

static enum err workers_new_io(struct worker *w, uint32_t index, const struct config *c,
                               struct loop_listener *listener)
{
    if (link_init(&w->link) != OK)
        return ERR_NOMEM;
    if (w->all->threaded) {
        w->link.wake_core = workers_wake_core;
        w->link.wake_io = workers_wake_io;
        w->link.wake_arg = w;
    }
    enum err e = loop_new(&w->loop);
    struct io_options options = {.env = w->all->env,
                                 .loop = w->loop,
                                 .link = &w->link,
                                 .index = index,
                                 .frame_max = (uint32_t)c->frame_max,
                                 .message_size_max = c->max_message_size,
                                 .handshake_timeout_ns = c->handshake_timeout_ms * 1000000};
    if (e == OK)
        e = io_new(&w->io, &options);
    if (e == OK)
        e = loop_accept_on(w->loop, listener, io_on_accept, w->io);
    return e;
}

static enum err workers_new_core(struct workers *w, const struct workers_options *o)
{
    const struct config *c = o->config;
    struct core_options options = {
        .env = w->env,
        .store = keeper_store(w->keeper),
        .users = o->users,
        .version = span_str(c->product_version),
        .default_vhost = span_str(c->default_vhost),
        .frame_max = (uint32_t)c->frame_max,
        .channel_max = (uint16_t)c->channel_max,
        .heartbeat_s = (uint16_t)c->heartbeat_s,
        .message_size_max = c->max_message_size,
        .memory_limit_bytes = workers_memory_limit(c),
        .observer = o->observer,
    };
    ASSERT(w->n_io != 0);
    struct link **links = calloc(w->n_io, sizeof(struct link *));
    if (links == NULL)
        return ERR_NOMEM;
    for (size_t i = 0; i < w->n_io; i++)
        links[i] = &w->io[i].link;
    enum err e = core_new(&w->core, &options, links, w->n_io);
    free(links);
    return e;
}

/* From the disk's thread. */
static void workers_wake_from_disk(void *arg)
{
    struct workers *w = arg;
    loop_wake(w->threaded ? w->core_loop : w->io[0].loop);
}

/* The core as it was. */
static enum err workers_restore(struct workers *w, const struct workers_options *o, char *why,
                                size_t why_size)
{
    if (o->observer != NULL && keeper_figures(w->keeper)->n_records != 0) {
        snprintf(why, why_size, "--record begins with an empty data directory, and %s is not",
                 o->data);
        return ERR_SYNTAX;
    }
    struct recovery_target target = restore_target(w->core);
    enum err e = keeper_restore(w->keeper, &target);
    if (e == ERR_SYNTAX)
        snprintf(why, why_size,
                 "data directory %s is of another default_vhost: the line above says "
                 "which",
                 o->data);
    const struct recovery_figures *f = keeper_figures(w->keeper);
    if (e == OK && f->n_records != 0)
        log_event(LOG_RECOVERED,
                  "records=%llu lost=%llu messages_lost=%llu groups_dropped=%llu clean=%s",
                  (unsigned long long)f->n_records, (unsigned long long)f->n_lost,
                  (unsigned long long)f->n_messages_lost, (unsigned long long)f->n_groups_dropped,
                  f->clean ? "yes" : "no");
    return e;
}

enum err workers_new(struct workers **out, const struct workers_options *options, char *why,
                     size_t why_size)
{
    const struct config *config = options->config;
    *out = NULL;
    struct workers *w = calloc(1, sizeof(*w));
    if (w == NULL)
        return ERR_NOMEM;
    w->threaded = config->io_threads != 0;
    w->n_io = w->threaded ? (size_t)config->io_threads : 1;
    w->env = options->env;
    w->listener = options->listener;
    w->io = calloc(w->n_io, sizeof(*w->io));
    enum err e = w->io == NULL ? ERR_NOMEM
                               : disk_worker_new(&w->disk, options->data, config, w->env,
                                                 workers_wake_from_disk, w, why, why_size);
    if (e == OK)
        w->keeper = disk_worker_keeper(w->disk);
    if (e == OK && w->threaded)
        e = loop_new(&w->core_loop);
    for (size_t i = 0; e == OK && i < w->n_io; i++) {
        w->io[i].all = w;
        e = workers_new_io(&w->io[i], (uint32_t)i, config, w->listener);
    }
    if (e == OK)
        e = workers_new_core(w, options);
    if (e == OK)
        e = workers_restore(w, options, why, why_size);
    if (e != OK) {
        workers_free(w);
        return e;
    }
    *out = w;
    return OK;
}

void workers_free(struct workers *w)
{
    if (w == NULL)
        return;
    core_free(w->core);
    for (size_t i = 0; w->io != NULL && i < w->n_io; i++) {
        io_free(w->io[i].io);
        loop_free(w->io[i].loop);
        link_fini(&w->io[i].link);
    }
    loop_free(w->core_loop);
    disk_worker_free(w->disk);
    free(w->io);
    free(w);
}

static void workers_wake_all(struct workers *w)
{
    for (size_t i = 0; i < w->n_io; i++)
        loop_wake(w->io[i].loop);
    if (w->threaded)
        loop_wake(w->core_loop);
}

void workers_stop(struct workers *w)
{
    atomic_store(&w->stopping, true);
    workers_wake_all(w);
}

void workers_tell(struct workers *w)
{
    atomic_store(&w->telling, true);
    workers_wake_all(w);
}

static void workers_log_counts(struct workers *w)
{
    char text[TALLY_TEXT_MAX];
    struct keeper_counts c = keeper_counts(w->keeper);
    log_event(LOG_TALLY, "what=messages published=%llu delivered=%llu",
              (unsigned long long)w->core->stats.published,
              (unsigned long long)w->core->stats.delivered);
    log_event(LOG_TALLY, "what=journal batches=%llu records=%llu bytes=%llu",
              (unsigned long long)c.batches, (unsigned long long)c.records,
              (unsigned long long)c.bytes);
    log_event(LOG_TALLY, "what=write_us %s", tally_print(keeper_write_us(w->keeper), text));
    log_event(LOG_TALLY, "what=parcel_entries %s",
              tally_print(keeper_parcel_entries(w->keeper), text));
    log_event(LOG_TALLY, "what=turn_us %s", tally_print(&w->turn_us, text));
}

/* A turn of the core, timed. */
static bool workers_step_core(struct workers *w)
{
    bool more = core_step(w->core);
    tally_add(&w->turn_us, (env_now_ns(w->env) - w->core->now_ns) / 1000);
    if (atomic_load_explicit(&w->telling, memory_order_relaxed) &&
        atomic_exchange(&w->telling, false))
        workers_log_counts(w);
    return more;
}

/* Lets nobody new in, on the thread of the loop and between its turns: what it has to say of
 * connections is published then. */
static void workers_shut_io(struct worker *w)
{
    loop_stop_accepting(w->loop);
    io_drop_unknown(w->io);
    atomic_store_explicit(&w->shut, true, memory_order_release);
}

/* Does the core know of every connection that there will be? */
static bool workers_all_known(struct workers *w)
{
    for (size_t i = 0; i < w->n_io; i++)
        if (!atomic_load_explicit(&w->io[i].shut, memory_order_acquire))
            return false;
    bool all = true;
    for (size_t i = 0; i < w->n_io; i++) {
        struct ring *in = &w->io[i].link.in;
        if (w->io[i].opened_until == 0 && ring_see_published(in))
            w->io[i].opened_until = in->r_head;
        all = all && in->r_at >= w->io[i].opened_until;
    }
    return all;
}

static void workers_log_stopping(const struct workers *w)
{
    size_t n = 0;
    LIST_EACH(&w->core->sessions, node)
        n++;
    log_event(LOG_STOPPING, "reason=signal connections=%zu", n);
}

/* Lets nobody in any more, tells the clients once, then waits for them, but not for ever. True when
 * all is over. */
static bool workers_over(struct workers *w, uint64_t *deadline_ns)
{
    if (!atomic_load_explicit(&w->stopping, memory_order_relaxed))
        return false;
    uint64_t now = env_now_ns(w->env);
    if (*deadline_ns == 0) {
        workers_log_stopping(w);
        *deadline_ns = now + WORKERS_STOP_NS;
        if (!w->threaded)
            workers_shut_io(&w->io[0]);
    }
    if (!w->told) {
        w->told = workers_all_known(w);
        if (w->told) {
            listener_shutdown(w->listener);
            core_shutdown(w->core);
        }
        return now >= *deadline_ns;
    }
    return list_empty(&w->core->sessions) || now >= *deadline_ns;
}

/* After a signal nothing may be waiting for long; nor may the store, once it has something to do.
 */
static uint64_t workers_wait_ns(struct workers *w, uint64_t wanted_ns)
{
    uint64_t most = UINT64_C(100000000);
    uint64_t due_ns = keeper_due_ns(w->keeper);
    if (due_ns != UINT64_MAX) {
        uint64_t left_ns = due_ns > w->core->now_ns ? due_ns - w->core->now_ns : 0;
        wanted_ns = left_ns < wanted_ns ? left_ns : wanted_ns;
    }
    return atomic_load(&w->stopping) && wanted_ns > most ? most : wanted_ns;
}

static bool workers_store_pending(struct workers *w)
{
    bool more = keeper_step(w->keeper, w->core->now_ns);
    return more || store_durable(keeper_store(w->keeper)) != w->core->durable;
}

/* The last look before the core waits. */
static bool workers_have_news(struct workers *w)
{
    return keeper_has_news(w->keeper) || atomic_load_explicit(&w->telling, memory_order_relaxed);
}

/* Everything on this thread. */
static void workers_run_inline(struct workers *w)
{
    struct worker *io = &w->io[0];
    uint64_t deadline_ns = 0;
    while (!workers_over(w, &deadline_ns)) {
        io_read(io->io);
        bool more = workers_step_core(w);
        more |= workers_store_pending(w);
        io_write(io->io);
        more |= ring_see_published(&io->link.in);
        uint64_t wait_ns = 0;
        if (!more) {
            loop_about_to_wait(io->loop);
            wait_ns = workers_have_news(w) ? 0 : workers_wait_ns(w, io_timeout_ns(io->io));
        }
        loop_turn(io->loop, wait_ns);
    }
}

static bool workers_must_shut(struct worker *w)
{
    return atomic_load(&w->all->stopping) && !atomic_load_explicit(&w->shut, memory_order_relaxed);
}

static void *workers_io_thread(void *arg)
{
    struct worker *w = arg;
    while (!atomic_load_explicit(&w->all->ending, memory_order_relaxed)) {
        if (workers_must_shut(w)) {
            workers_shut_io(w);
            loop_wake(w->all->core_loop);
        }
        io_read(w->io);
        io_write(w->io);
        loop_about_to_wait(w->loop);
        bool more = io_has_work(w->io) || atomic_load(&w->all->ending) || workers_must_shut(w);
        loop_turn(w->loop, more ? 0 : io_timeout_ns(w->io));
    }
    return NULL;
}

static bool workers_core_has_input(struct workers *w)
{
    for (size_t i = 0; i < w->n_io; i++)
        if (ring_see_published(&w->io[i].link.in))
            return true;
    return false;
}

static void workers_run_core(struct workers *w)
{
    uint64_t deadline_ns = 0;
    while (!workers_over(w, &deadline_ns)) {
        bool more = workers_step_core(w);
        more |= workers_store_pending(w);
        loop_about_to_wait(w->core_loop);
        if (!more && !workers_core_has_input(w) && !workers_have_news(w))
            loop_turn(w->core_loop, workers_wait_ns(w, UINT64_MAX));
    }
}

static enum err workers_run_threads(struct workers *w)
{
    enum err e = OK;
    /* Signals go to the main thread. */
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    for (size_t i = 0; e == OK && i < w->n_io; i++) {
        w->io[i].started = pthread_create(&w->io[i].thread, NULL, workers_io_thread, &w->io[i]) ==
                           0;
        e = w->io[i].started ? OK : ERR_IO;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (e == OK)
        workers_run_core(w);
    atomic_store(&w->ending, true);
    for (size_t i = 0; i < w->n_io; i++) {
        loop_wake(w->io[i].loop);
        if (w->io[i].started)
            pthread_join(w->io[i].thread, NULL);
    }
    return e;
}

/* Everything that was told is written, and how far queues were delivered. */
static void workers_stop_store(struct workers *w)
{
    disk_worker_join(w->disk);
    if (!keeper_stop(w->keeper, restore_mark(w->core)))
        log_event(LOG_STORE_UNSTOPPED, "durable=%llu",
                  (unsigned long long)store_durable(keeper_store(w->keeper)));
    workers_log_counts(w);
}

enum err workers_run(struct workers *w)
{
    enum err e = disk_worker_start(w->disk);
    if (e == OK && w->threaded)
        e = workers_run_threads(w);
    else if (e == OK)
        workers_run_inline(w);
    workers_stop_store(w);
    return e;
}
