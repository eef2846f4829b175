// SPDX-License-Identifier: Apache-2.0
#include "broker/server/recorder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "broker/server/recording.h"

struct recorder {
    struct core_observer observer;
    struct span build;
    int fd; /* -1 = the recording has ended */
    bool has_head;
    struct buf out;     /* not written yet */
    uint64_t *seen;     /* per link: recorded up to here */
    uint64_t n_written; /* bytes, for the log */
    uint64_t wrote_ns;
};

/* ---- The file ---- */

static void recorder_end(struct recorder *r, const char *reason)
{
    log_event(LOG_RECORD_FAILED, "reason=\"%s\" bytes=%llu", reason,
              (unsigned long long)r->n_written);
    close(r->fd);
    r->fd = -1;
    buf_fini(&r->out);
}

/* Writes all of it. 0, or errno. */
static int recorder_write(struct recorder *r)
{
    for (struct span rest; (rest = buf_span(&r->out)).size != 0;) {
        ssize_t n = write(r->fd, rest.at, rest.size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n == 0 ? EIO : errno;
        buf_consume(&r->out, (size_t)n);
        r->n_written += (uint64_t)n;
    }
    return 0;
}

void recorder_flush(struct recorder *r)
{
    if (r != NULL && r->fd >= 0)
        (void)recorder_write(r); /* what is left is tried again with the next turn */
}

static void recorder_write_due(struct recorder *r, uint64_t now_ns)
{
    int failed = recorder_write(r);
    r->wrote_ns = now_ns;
    if (failed != 0)
        recorder_end(r, strerror(failed));
    else
        buf_trim(&r->out, (size_t)4 * RECORDER_BYTES);
}

/* ---- Turns ---- */

static enum err recorder_begin(struct recorder *r, const struct core *core)
{
    r->seen = calloc(core->n_links, sizeof(*r->seen));
    if (r->seen == NULL)
        return ERR_NOMEM;
    r->has_head = true;
    r->wrote_ns = core->now_ns;
    return recording_put_head(&r->out, core, r->build);
}

static enum err recorder_put_inputs(struct recorder *r, const struct core *core)
{
    for (uint32_t i = 0; i < core->n_links; i++) {
        const struct ring *in = &core->links[i].link->in;
        while (r->seen[i] != in->r_head) {
            if (recording_put_input(&r->out, core, i, &r->seen[i], in->r_head) != OK)
                return ERR_NOMEM;
            /* Bodies may be large: no two of them are kept. */
            if (buf_span(&r->out).size >= RECORDER_BYTES)
                recorder_write_due(r, core->now_ns);
            if (r->fd < 0)
                return OK;
        }
    }
    return recording_put_turn(&r->out, core);
}

static void recorder_began(void *arg, const struct core *core)
{
    struct recorder *r = arg;
    if (r->fd < 0)
        return;
    enum err e = r->has_head ? OK : recorder_begin(r, core);
    if (e == OK)
        e = recorder_put_inputs(r, core);
    if (e != OK)
        recorder_end(r, err_text(e));
}

static void recorder_ended(void *arg, const struct core *core, bool more)
{
    struct recorder *r = arg;
    if (r->fd < 0)
        return;
    if (recording_put_done(&r->out, recording_digest(core, more)) != OK) {
        recorder_end(r, err_text(ERR_NOMEM));
        return;
    }
    if (!more || buf_span(&r->out).size >= RECORDER_BYTES ||
        core->now_ns - r->wrote_ns >= RECORDER_NS)
        recorder_write_due(r, core->now_ns);
}

/* ---- Life ---- */

/* A file that is there already may be what somebody wants to look at: it makes way. Anything else,
 * such as a pipe, is written to. -1 with errno. */
static int recorder_open_file(const char *path)
{
    struct stat is;
    char old[4096];
    bool there = stat(path, &is) == 0;
    if (there && !S_ISREG(is.st_mode))
        return open(path, O_WRONLY | O_CLOEXEC);
    if (there) {
        if ((size_t)snprintf(old, sizeof(old), "%s.old", path) >= sizeof(old))
            errno = ENAMETOOLONG;
        else
            there = rename(path, old) != 0;
    }
    return there ? -1 : open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
}

enum err recorder_open(struct recorder **out, const char *path, struct span build, char *why,
                       size_t why_size)
{
    *out = NULL;
    struct recorder *r = calloc(1, sizeof(*r));
    if (r == NULL)
        return ERR_NOMEM;
    r->observer = (struct core_observer){recorder_began, recorder_ended, r};
    r->build = build;
    buf_init(&r->out);
    r->fd = recorder_open_file(path);
    if (r->fd < 0) {
        snprintf(why, why_size, "%s: %s", path, strerror(errno));
        free(r);
        return ERR_IO;
    }
    *out = r;
    return OK;
}

const struct core_observer *recorder_observer(const struct recorder *r)
{
    return &r->observer;
}

void recorder_close(struct recorder *r)
{
    if (r == NULL)
        return;
    if (r->fd >= 0)
        recorder_write_due(r, r->wrote_ns);
    if (r->fd >= 0)
        close(r->fd);
    buf_fini(&r->out);
    free(r->seen);
    free(r);
}
