// SPDX-License-Identifier: Apache-2.0
#include "broker/server/disk_worker.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "broker/core/messages.h"
#include "storage/batch.h"
#include "storage/disk_posix.h"

enum { DISK_RETRY_S = 1, DISK_INTERVAL_MAX_MS = 10000 };

struct disk_worker {
    struct disk *disk;
    struct keeper *keeper;
    void (*wake)(void *arg);
    void *wake_arg;
    sem_t work; /* posted when there is some */
    bool has_sem;
    pthread_t thread;
    bool started;
    atomic_bool ending;
};

static void disk_wake(void *arg)
{
    struct disk_worker *w = arg;
    sem_post(&w->work);
}

static void disk_wake_core(void *arg)
{
    struct disk_worker *w = arg;
    w->wake(w->wake_arg);
}

static enum err disk_refused(enum err e, const char *data, uint64_t holder, char *why, size_t size)
{
    if (e == ERR_TAKEN && holder != 0)
        snprintf(why, size, "data directory %s is in use by process %llu: stop that one first",
                 data, (unsigned long long)holder);
    else if (e == ERR_TAKEN)
        snprintf(why, size, "data directory %s is in use by another process", data);
    else if (e == ERR_FUTURE)
        snprintf(why, size, "data directory %s was written by a newer version: start that one",
                 data);
    else
        snprintf(why, size, "data directory %s: %s; the lines above say more", data, err_text(e));
    return e;
}

/* `sync`, `interval MS` or `os`. */
static enum err disk_durability(const char *text, struct keeper_options *options, char *why,
                                size_t size)
{
    unsigned long ms;
    char rest;
    if (strcmp(text, "sync") == 0)
        return OK;
    options->unsynced = strcmp(text, "os") == 0;
    if (options->unsynced)
        return OK;
    if (sscanf(text, "interval %5lu%c", &ms, &rest) == 1 && ms >= 1 && ms <= DISK_INTERVAL_MAX_MS) {
        options->interval_ns = (uint64_t)ms * 1000000;
        return OK;
    }
    snprintf(why, size, "durability = %s: it is sync, interval MS (1 to %d), or os", text,
             DISK_INTERVAL_MAX_MS);
    return ERR_SYNTAX;
}

enum err disk_worker_new(struct disk_worker **out, const char *data, const struct config *config,
                         struct env *env, void (*wake)(void *arg), void *wake_arg, char *why,
                         size_t why_size)
{
    *out = NULL;
    struct disk_worker *w = calloc(1, sizeof(*w));
    if (w == NULL)
        return ERR_NOMEM;
    w->wake = wake;
    w->wake_arg = wake_arg;
    w->has_sem = sem_init(&w->work, 0, 0) == 0;
    struct keeper_options options = {.env = env,
                                     .file_bytes = config->journal_file_bytes / BLOCK_BYTES *
                                                   BLOCK_BYTES,
                                     .journal_bytes = config->journal_bytes,
                                     .parts = message_stored_parts,
                                     .wake_core = disk_wake_core,
                                     .wake_disk = disk_wake,
                                     .arg = w};
    uint64_t holder = 0;
    enum err e = disk_durability(config->durability, &options, why, why_size);
    if (e != OK) {
        disk_worker_free(w);
        return e;
    }
    e = w->has_sem ? disk_posix_open(&w->disk, data) : ERR_LIMIT;
    options.disk = w->disk;
    if (e == OK)
        e = keeper_open(&w->keeper, &options, &holder);
    if (e != OK) {
        disk_worker_free(w);
        return disk_refused(e, data, holder, why, why_size);
    }
    *out = w;
    return OK;
}

struct keeper *disk_worker_keeper(struct disk_worker *w)
{
    return w->keeper;
}

/* Until there is work, or the time has come to try again what has failed. */
static void disk_wait(struct disk_worker *w, bool failed)
{
    if (!failed) {
        while (sem_wait(&w->work) != 0 && errno == EINTR)
            ;
        return;
    }
    struct timespec until;
    while (sem_trywait(&w->work) == 0)
        ; /* posted while it was at work: it will look at everything */
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += DISK_RETRY_S;
    while (sem_timedwait(&w->work, &until) != 0 && errno == EINTR)
        ;
}

static void *disk_thread(void *arg)
{
    struct disk_worker *w = arg;
    while (!atomic_load_explicit(&w->ending, memory_order_acquire)) {
        enum keeper_work done = keeper_work(w->keeper);
        if (done != KEEPER_WORKED)
            disk_wait(w, done == KEEPER_FAILED);
    }
    return NULL;
}

enum err disk_worker_start(struct disk_worker *w)
{
    /* Signals go to the main thread. */
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    w->started = pthread_create(&w->thread, NULL, disk_thread, w) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return w->started ? OK : ERR_IO;
}

void disk_worker_join(struct disk_worker *w)
{
    if (!w->started)
        return;
    atomic_store_explicit(&w->ending, true, memory_order_release);
    sem_post(&w->work);
    pthread_join(w->thread, NULL);
    w->started = false;
}

void disk_worker_free(struct disk_worker *w)
{
    if (w == NULL)
        return;
    disk_worker_join(w);
    keeper_close(w->keeper);
    disk_posix_close(w->disk);
    if (w->has_sem)
        sem_destroy(&w->work);
    free(w);
}
