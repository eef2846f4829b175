// SPDX-License-Identifier: Apache-2.0
/* Reading the files of a journal: by the window, by the batch, what a file is, and one file by
 * the call. What cannot be read is taken for zeros, and is then damage like any other. */
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/log.h"
#include "storage/journal_priv.h"

enum { WINDOW_BYTES_LEAST = 256 * 1024, READ_TRIES = 3 };

/* ---- The window ---- */

enum err journal_window_take(struct journal *j)
{
    if (j->window.bytes == NULL)
        j->window = (struct journal_window){.bytes = malloc(BATCH_BYTES_MAX)};
    return j->window.bytes == NULL ? ERR_NOMEM : OK;
}

void journal_window_drop(struct journal *j)
{
    free(j->window.bytes);
    j->window = (struct journal_window){.bytes = NULL};
}

/* A block, tried more than once. */
static enum err read_block(struct disk_file *f, uint64_t at, uint8_t *to, size_t size, size_t *got)
{
    enum err e = ERR_IO;
    for (int i = 0; i < READ_TRIES && e != OK; i++)
        e = disk_read(f, at, to, size, got);
    return e;
}

/* A large read has failed: what can be read of it, block by block, and zeros for the rest. */
static size_t read_blocks(struct journal_window *w, struct disk_file *f, uint64_t at, size_t size)
{
    size_t done = 0;
    while (done < size) {
        size_t part = size - done < BLOCK_BYTES ? size - done : BLOCK_BYTES;
        size_t got = part;
        if (read_block(f, at + done, w->bytes + done, part, &got) != OK) {
            memset(w->bytes + done, 0, part);
            got = part;
            w->unreadable = true;
            unsigned long long offset = at + done;
            log_event(LOG_JOURNAL_DAMAGED, "file=%s offset=%llu what=\"cannot be read\"", f->path,
                      offset);
        }
        done += got;
        if (got < part)
            break;
    }
    return done;
}

struct span journal_read(struct journal *j, struct disk_file *f, uint64_t at, size_t size)
{
    struct journal_window *w = &j->window;
    if (w->file != f || at < w->at || at + size > w->at + w->size) {
        size_t most = size > WINDOW_BYTES_LEAST ? size : WINDOW_BYTES_LEAST;
        w->file = f;
        w->at = at;
        if (disk_read(f, at, w->bytes, most, &w->size) != OK)
            w->size = read_blocks(w, f, at, most);
    }
    size_t from = (size_t)(at - w->at);
    size_t left = w->size - from;
    return span_of(w->bytes + from, size < left ? size : left);
}

bool journal_is_zeros(struct span s)
{
    for (size_t i = 0; i < s.size; i++)
        if (s.at[i] != 0)
            return false;
    return true;
}

/* ---- Batches ---- */

uint64_t journal_step_to_data(struct disk_file *f, uint64_t offset)
{
    uint64_t data;
    uint64_t next = offset + BLOCK_BYTES;
    if (disk_next_data(f, next, &data) == OK && data > next)
        next = data / BLOCK_BYTES * BLOCK_BYTES;
    return next - offset;
}

bool journal_batch_at(struct journal *j, const struct journal_file *f, uint64_t offset,
                      struct batch_head *h, uint64_t *step)
{
    struct span in = journal_read(j, f->file, offset, BATCH_HEAD_SIZE);
    bool found = batch_head_read(in, f->head.nonce, JOURNAL_SHARD, h);
    *step = BLOCK_BYTES;
    if (found)
        *step = batch_padded(h->size);
    else if (journal_is_zeros(in) && j->window.at + j->window.size <= offset + BLOCK_BYTES)
        *step = journal_step_to_data(f->file, offset);
    return found;
}

uint64_t journal_limit(const struct journal *j, size_t i, size_t n_files)
{
    uint64_t limit = UINT64_MAX;
    for (size_t k = i + 1; k < n_files; k++)
        if (j->files[k].head.prev_end < limit)
            limit = j->files[k].head.prev_end;
    return limit;
}

static void walk_damaged(struct journal_walk *w, uint64_t n, uint64_t file)
{
    w->visitor->damaged(w->visitor->arg, w->next, n, file);
    w->next += n;
}

static enum err walk_records(struct journal *j, struct journal_walk *w,
                             const struct journal_file *f, uint64_t offset,
                             const struct batch_head *h)
{
    struct batch_reader reader;
    struct record r;
    size_t at;
    uint64_t lsn = h->first_lsn;
    enum err e = OK;
    batch_read(&reader, h, journal_read(j, f->file, offset, h->size));
    for (enum batch_next next; e == OK && !w->over && lsn <= w->limit && w->next <= w->limit &&
                               (next = batch_next(&reader, &r, &at)) != BATCH_END;) {
        uint64_t n = next == BATCH_DAMAGED ? reader.n_lost : 1;
        uint64_t end = lsn + n;
        if (end > w->next && next == BATCH_DAMAGED) {
            walk_damaged(w, (end <= w->limit ? end : w->limit + 1) - w->next, f->head.number);
        } else if (end > w->next) {
            struct journal_place place = {f->head.number, offset + at};
            w->next = end;
            e = w->visitor->record(w->visitor->arg, lsn, place, &r);
        }
        lsn = end;
    }
    return e;
}

enum err journal_walk_batch(struct journal *j, struct journal_walk *w, const struct journal_file *f,
                            uint64_t offset, const struct batch_head *h)
{
    if (h->first_lsn > w->limit || h->first_lsn + h->count <= w->next)
        return OK;
    if (h->first_lsn > w->next)
        walk_damaged(w, h->first_lsn - w->next, f->head.number);
    return w->over ? OK : walk_records(j, w, f, offset, h);
}

void journal_walk_end(struct journal_walk *w, uint64_t file)
{
    if (w->next <= w->limit)
        walk_damaged(w, w->limit + 1 - w->next, file);
}

/* ---- What a file is ---- */

/* Neither copy of the head is valid: what the first batch says of it, if there is one that can have
 * come after the files before. */
static bool look_by_batch(struct journal *j, struct disk_file *file, uint64_t number,
                          struct file_head *h)
{
    struct span in = journal_read(j, file, BLOCK_BYTES, BATCH_HEAD_SIZE);
    struct span rest = in;
    struct span magic;
    struct batch_head b;
    uint64_t nonce;
    if (!take_span(&rest, sizeof(uint64_t), &magic) || !take_u64(&rest, &nonce) ||
        !batch_head_read(in, nonce, JOURNAL_SHARD, &b) || b.oldest > number ||
        (j->n_files != 0 && b.first_lsn < j->files[j->n_files - 1].head.first_lsn))
        return false;
    *h = (struct file_head){.role = ROLE_JOURNAL,
                            .nonce = nonce,
                            .number = number,
                            .shard = JOURNAL_SHARD,
                            .epoch = b.epoch,
                            .first_lsn = b.first_lsn,
                            .prev_end = b.first_lsn - 1};
    return true;
}

/* Nothing was ever written to it: it got its name and its space, and then came a crash. */
static bool look_is_unwritten(struct journal *j, struct disk_file *file)
{
    uint64_t size;
    if (disk_size(file, &size) != OK) {
        j->window.unreadable = true;
        return false;
    }
    for (uint64_t at = 0; at < size; at += journal_step_to_data(file, at))
        if (!journal_is_zeros(journal_read(j, file, at, BLOCK_BYTES)))
            return false;
    return true;
}

/* Each copy lies in one sector, so a crash leaves it as it was or as it was to be, and until one of
 * them is there nothing else is. So if neither is valid the file is damaged, or was never written
 * to. No number that a head tells is ever given out again: a spare file renamed to it would count
 * at once, by the head of its life before. */
enum file_state journal_look(struct journal *j, struct disk_file *file, uint64_t number,
                             struct file_head *h, bool *by_batch)
{
    enum file_state state = FILE_INVALID;
    for (size_t i = 0; i < FILE_HEAD_COPIES && state != FILE_OURS; i++) {
        struct span copy = journal_read(j, file, i * (BLOCK_BYTES / FILE_HEAD_COPIES),
                                        FILE_HEAD_SIZE);
        enum file_state found = file_head_read(copy, ROLE_JOURNAL, j->options.store_id, h);
        if (found == FILE_OURS) {
            if (h->number > j->last_number)
                j->last_number = h->number;
            if (h->shard != JOURNAL_SHARD)
                found = FILE_INVALID;
            else if (h->number != number)
                found = FILE_OTHER;
        }
        if (state == FILE_INVALID || state == FILE_OTHER)
            state = found == FILE_INVALID ? state : found;
    }
    *by_batch = state == FILE_INVALID && look_by_batch(j, file, number, h);
    if (*by_batch)
        state = FILE_OURS;
    else if (state == FILE_INVALID && look_is_unwritten(j, file))
        state = FILE_OTHER;
    return state;
}

/* ---- Showing ---- */

static enum err shown_record(void *arg, uint64_t lsn, struct journal_place place,
                             const struct record *r)
{
    const struct journal_visitor *v = arg;
    return v->record(v->arg, lsn, place, r);
}

static void shown_damaged(void *arg, uint64_t lsn, uint64_t n, uint64_t file)
{
    const struct journal_visitor *v = arg;
    log_event(LOG_JOURNAL_DAMAGED, "file=%llu lsn=%llu records=%llu what=lost",
              (unsigned long long)file, (unsigned long long)lsn, (unsigned long long)n);
    v->damaged(v->arg, lsn, n, file);
}

struct journal_visitor journal_shown(const struct journal_visitor *v)
{
    return (struct journal_visitor){shown_record, shown_damaged, (void *)(uintptr_t)v};
}

static size_t read_find(const struct journal *j, uint64_t number)
{
    size_t i = 0;
    while (i < j->n_files && j->files[i].head.number != number)
        i++;
    return i;
}

/* Up to the end of the next batch, or over as much as a batch may take that is none. */
static enum err read_piece(struct journal *j, const struct journal_file *f, struct journal_walk *w,
                           uint64_t file_end, bool strict, uint64_t *offset)
{
    uint64_t end = *offset + BATCH_BYTES_MAX < file_end ? *offset + BATCH_BYTES_MAX : file_end;
    bool found = false;
    enum err e = OK;
    for (uint64_t step; !found && *offset < end && w->next <= w->limit; *offset += step) {
        struct batch_head h;
        found = journal_batch_at(j, f, *offset, &h, &step);
        if (found)
            (void)journal_read(j, f->file, *offset, h.size); /* all of it */
        if (strict && j->window.unreadable) {
            j->window.file = NULL; /* it has zeros where nothing could be read */
            return ERR_IO;
        }
        if (found)
            e = journal_walk_batch(j, w, f, *offset, &h);
    }
    return e;
}

enum err journal_read_file(struct journal *j, struct journal_cursor *c,
                           const struct journal_visitor *visitor, bool *more)
{
    *more = false;
    size_t i = read_find(j, c->file);
    if (i == j->n_files)
        return ERR_NOT_FOUND;
    if (journal_window_take(j) != OK)
        return ERR_NOMEM;
    const struct journal_file *f = &j->files[i];
    struct journal_visitor shown = journal_shown(visitor);
    bool newest = i + 1 == j->n_files;
    uint64_t end = newest ? f->end : f->bytes;
    struct journal_walk w = {.visitor = &shown,
                             .limit = newest ? j->durable_lsn : journal_limit(j, i, j->n_files)};
    w.next = c->offset == 0 ? f->head.first_lsn : c->lsn;
    uint64_t offset = c->offset == 0 ? BLOCK_BYTES : c->offset;
    j->window.unreadable = false;
    enum err e = read_piece(j, f, &w, end, c->strict, &offset);
    if (e != OK)
        return e;
    *more = offset < end && w.next <= w.limit;
    if (!*more) {
        journal_walk_end(&w, c->file);
        journal_window_drop(j);
    }
    *c = (struct journal_cursor){c->file, offset, w.next, c->strict};
    return OK;
}
