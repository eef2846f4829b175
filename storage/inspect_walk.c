// SPDX-License-Identifier: Apache-2.0
/* What is durable, void and let go of follows from the heads, as in a start. Then all is shown in
 * order, and each record compared with what should come next. Nothing is left out, so this cannot
 * be the walk of a start, which skips what does not count; the tests compare the two. */
#include "storage/entry.h"
#include "storage/inspect_priv.h"

static void inspect_raise(uint64_t *most, uint64_t to)
{
    if (to > *most)
        *most = to;
}

static uint64_t inspect_last_of(const struct inspect_found *b)
{
    return b->head.first_lsn + b->head.count - 1;
}

/* What is durable, and the oldest file that is needed by that. */
static void inspect_settle(struct inspect *s)
{
    struct journal *j = &s->journal;
    struct inspect_figures *g = s->figures;
    for (size_t i = 0; i < j->n_files; i++) {
        inspect_raise(&g->durable_lsn, j->files[i].head.prev_end);
        inspect_raise(&g->durable_lsn, j->files[i].head.copied_to);
    }
    for (size_t i = 0; i < s->n_found; i++)
        inspect_raise(&g->durable_lsn, s->found[i].head.durable_lsn);
    for (size_t i = 0; i < s->n_found; i++) {
        const struct inspect_found *b = &s->found[i];
        bool counts = inspect_last_of(b) <= g->durable_lsn &&
                      inspect_last_of(b) <= journal_limit(j, b->file, j->n_files);
        if (counts && b->head.count != 0)
            inspect_raise(&g->oldest, b->head.oldest);
    }
    if (g->oldest == 0 && j->n_files != 0)
        g->oldest = j->files[0].head.number;
    for (size_t i = 0; i < s->n_found; i++)
        if (s->found[i].head.count == 0 && s->found[i].head.oldest > g->oldest) {
            g->oldest = s->found[i].head.oldest;
            s->said_again = true;
        }
}

/* Which files are needed; what is shown begins with them. */
static void inspect_needed(struct inspect *s)
{
    struct journal *j = &s->journal;
    s->next = 0;
    s->over = false;
    s->last_path = NULL;
    for (size_t i = 0; i < j->n_files; i++) {
        bool newest = i + 1 == j->n_files;
        if (j->files[i].head.number < s->figures->oldest)
            s->shown[i].use = USE_old;
        else if (!newest && j->files[i].head.first_lsn > journal_limit(j, i, j->n_files))
            s->shown[i].use = USE_void;
        else if (s->next == 0)
            s->next = j->files[i].head.first_lsn;
    }
}

/* Of the records that should come next, up to `to`, those that were durable are lost. With the
 * others the end begins. */
static void inspect_missing(struct inspect *s, uint64_t to, const char *path, uint64_t offset,
                            const char *what)
{
    uint64_t durable = s->figures->durable_lsn;
    uint64_t lost = to - 1 <= durable ? to : durable + 1;
    if (s->next < lost)
        inspect_damaged(s, &(struct inspect_damage){path, offset, s->next, lost - s->next, what});
    s->figures->n_torn += to > lost && to > s->next ? to - (lost > s->next ? lost : s->next) : 0;
    s->over |= to - 1 > durable;
    s->next = to;
}

/* What becomes of a record. */
static enum inspect_state inspect_state_of(const struct inspect *s, const struct inspect_file *f,
                                           uint64_t lsn)
{
    if (f->use == USE_old)
        return STATE_old;
    if (lsn > s->limit || f->use == USE_void)
        return STATE_void;
    if (lsn < s->next)
        return STATE_again;
    if (lsn <= s->figures->durable_lsn)
        return STATE_durable;
    return s->over ? STATE_torn : STATE_doubt;
}

/* There is room before the batch, or LSNs are missing, or both. */
static void inspect_gap(struct inspect *s, const struct inspect_batch *b)
{
    const struct batch_head *h = &b->head;
    bool hole = b->offset > s->end;
    const char *path = hole || s->last_path == NULL ? b->file->path : s->last_path;
    uint64_t offset = hole || s->last_path == NULL ? s->end : s->last_end;
    if (h->first_lsn > s->limit || h->first_lsn + h->count < s->next || b->file->use == USE_void)
        return;
    if (h->first_lsn > s->next)
        inspect_missing(s, h->first_lsn, path, offset, "batch");
    else if (hole && !s->over)
        inspect_damaged(s, &(struct inspect_damage){path, offset, s->next, 0, "batch"});
}

static void inspect_one(struct inspect *s, const struct inspect_batch *b, uint64_t lsn,
                        uint64_t offset, const struct record *r)
{
    struct inspect_record shown = {b, lsn, offset, inspect_state_of(s, b->file, lsn), r};
    struct inspect_figures *g = s->figures;
    struct entry e;
    bool counts = shown.state == STATE_durable || shown.state == STATE_doubt;
    g->n_durable += shown.state == STATE_durable;
    g->n_doubt += shown.state == STATE_doubt;
    g->n_torn += shown.state == STATE_torn;
    if (shown.state == STATE_doubt)
        inspect_raise(&s->oldest_in_doubt, b->head.oldest);
    if (counts) {
        s->next = lsn + 1;
        if (entry_read(r, &e))
            g->n_of_kind[r->kind]++;
        else
            inspect_damaged(
                s, &(struct inspect_damage){b->file->path, offset, lsn, 1, "not understood"});
    }
    s->visitor->record(s->visitor->arg, &shown);
}

static void inspect_records(struct inspect *s, const struct inspect_batch *b, struct span bytes)
{
    struct batch_reader reader;
    struct record r;
    size_t at = BATCH_HEAD_SIZE;
    uint64_t lsn = b->head.first_lsn;
    batch_read(&reader, &b->head, bytes);
    if (reader.index.size == 0 && reader.count != 0 &&
        inspect_state_of(s, b->file, lsn) == STATE_durable)
        inspect_damaged(s, &(struct inspect_damage){b->file->path, b->offset, lsn, 0, "index"});
    for (enum batch_next next; (next = batch_next(&reader, &r, &at)) != BATCH_END;) {
        if (next == BATCH_RECORD) {
            inspect_one(s, b, lsn++, b->offset + at, &r);
            continue;
        }
        uint64_t to = lsn + reader.n_lost;
        if (to > s->limit && s->limit != UINT64_MAX)
            to = s->limit + 1;
        if (b->file->use == USE_needed && to > s->next)
            inspect_missing(s, to, b->file->path, b->offset + reader.at, "record");
        lsn += reader.n_lost;
    }
}

static void inspect_batch(struct inspect *s, size_t i)
{
    const struct inspect_found *found = &s->found[i];
    const struct journal_file *f = &s->journal.files[found->file];
    struct inspect_batch b = {
        .file = &s->shown[found->file], .offset = found->offset, .head = found->head};
    bool counts = b.file->use == USE_needed;
    s->limit = journal_limit(&s->journal, found->file, s->journal.n_files);
    if (counts)
        inspect_gap(s, &b);
    b.state = inspect_state_of(s, b.file, b.head.count == 0 ? s->next : inspect_last_of(found));
    s->visitor->batch(s->visitor->arg, &b);
    inspect_records(s, &b, journal_read(&s->journal, f->file, b.offset, b.head.size));
    s->end = b.offset + batch_padded(b.head.size);
    if (counts) {
        s->last_path = b.file->path;
        s->last_end = s->end;
    }
}

/* Of files that are older than any that is there nothing tells how much they held; nor when nothing
 * that counts tells that they are not needed. */
static void inspect_oldest(struct inspect *s)
{
    const struct journal *j = &s->journal;
    uint64_t oldest = s->figures->oldest;
    size_t i = 0;
    while (i < j->n_files && j->files[i].head.number < oldest)
        i++;
    if (i == j->n_files || j->files[i].head.first_lsn <= 1)
        return;
    bool nothing_counts = j->files[i].head.first_lsn > s->figures->durable_lsn && !s->said_again;
    if (j->files[i].head.number == oldest && !nothing_counts)
        return;
    char path[DISK_PATH_MAX];
    journal_path(path, oldest);
    inspect_damaged(s, &(struct inspect_damage){path, 0, j->files[i].head.first_lsn - 1, 1,
                                                "missing file, or what was before"});
}

static void inspect_all(struct inspect *s)
{
    struct journal *j = &s->journal;
    size_t at = 0;
    inspect_oldest(s);
    for (size_t i = 0; i < j->n_files; i++) {
        inspect_show(s, &s->shown[i]);
        s->end = BLOCK_BYTES;
        for (; at < s->n_found && s->found[at].file == i; at++)
            inspect_batch(s, at);
    }
    if (j->n_files != 0 && s->next <= s->figures->durable_lsn)
        inspect_missing(s, s->figures->durable_lsn + 1,
                        s->last_path == NULL ? s->shown[j->n_files - 1].path : s->last_path,
                        s->last_end, "batch");
}

static void quiet_file(void *arg, const struct inspect_file *f)
{
    (void)arg;
    (void)f;
}

static void quiet_batch(void *arg, const struct inspect_batch *b)
{
    (void)arg;
    (void)b;
}

static void quiet_record(void *arg, const struct inspect_record *r)
{
    (void)arg;
    (void)r;
}

static void quiet_damaged(void *arg, const struct inspect_damage *d)
{
    (void)arg;
    (void)d;
}

/* What is in doubt lets go of files as well, and only the way to it tells what that is. */
static void inspect_let_go(struct inspect *s)
{
    static const struct inspect_visitor QUIET = {quiet_file, quiet_batch, quiet_record,
                                                 quiet_damaged, NULL};
    const struct inspect_visitor *visitor = s->visitor;
    struct inspect_figures figures = *s->figures;
    s->visitor = &QUIET;
    inspect_needed(s);
    inspect_all(s);
    s->visitor = visitor;
    s->said_again |= s->figures->n_doubt != 0;
    *s->figures = figures;
    inspect_raise(&s->figures->oldest, s->oldest_in_doubt);
    inspect_needed(s);
}

void inspect_walk(struct inspect *s)
{
    inspect_settle(s);
    inspect_let_go(s);
    inspect_all(s);
}
