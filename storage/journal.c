// SPDX-License-Identifier: Apache-2.0
#include "storage/journal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "storage/journal_priv.h"

enum { FILES_MIN = 8 };

/* ---- Files ---- */

void journal_path(char path[DISK_PATH_MAX], uint64_t number)
{
    snprintf(path, DISK_PATH_MAX, JOURNAL_FOLDER "/%llu", (unsigned long long)number);
}

enum err journal_files_reserve(struct journal *j)
{
    if (j->n_files < j->files_capacity)
        return OK;
    size_t capacity = j->files_capacity == 0 ? FILES_MIN : 2 * j->files_capacity;
    struct journal_file *files = realloc(j->files, capacity * sizeof(*files));
    if (files == NULL)
        return ERR_NOMEM;
    j->files = files;
    j->files_capacity = capacity;
    return OK;
}

/* One that cannot be removed is found at the next start, and is not needed then either. */
static void journal_remove(struct journal *j, uint64_t number)
{
    char path[DISK_PATH_MAX];
    journal_path(path, number);
    enum err e = disk_remove(j->options.disk, path);
    if (e != OK && e != ERR_NOT_FOUND)
        log_event(LOG_JOURNAL_FAULT, "file=%s what=remove text=\"%s\"", path, err_text(e));
}

void journal_file_close(struct journal *j, struct disk_file *f)
{
    j->window.file = NULL;
    disk_close(f);
}

void journal_spare(struct journal *j, uint64_t number, struct disk_file *file)
{
    j->window.file = NULL;
    if (j->n_spares < JOURNAL_SPARES_MAX && !file->failed) {
        j->spares[j->n_spares++] = (struct journal_spare){number, file};
    } else {
        disk_close(file);
        journal_remove(j, number);
    }
}

static enum err journal_file_new(struct journal *j, uint64_t number, struct disk_file **out)
{
    char path[DISK_PATH_MAX];
    journal_path(path, number);
    enum err e = disk_open(j->options.disk, path, DISK_NEW, out);
    if (e == ERR_LIMIT)
        log_event(LOG_JOURNAL_FAULT, "file=%s what=open text=\"%s\" do=\"raise LimitNOFILE\"", path,
                  err_text(e));
    return e;
}

/* A file under a new name: a spare one if there is any. */
static enum err journal_file_open(struct journal *j, uint64_t number, struct disk_file **out)
{
    char path[DISK_PATH_MAX];
    journal_path(path, number);
    while (j->n_spares != 0) {
        struct journal_spare spare = j->spares[--j->n_spares];
        if (disk_rename(j->options.disk, spare.file->path, path) == OK) {
            journal_path(spare.file->path, number);
            *out = spare.file;
            return OK;
        }
        disk_close(spare.file);
    }
    return journal_file_new(j, number, out);
}

static enum err journal_make_spare(struct journal *j)
{
    uint64_t number = ++j->last_number;
    struct disk_file *file;
    enum err e = journal_file_new(j, number, &file);
    if (e != OK)
        return e;
    e = disk_reserve(file, j->options.file_bytes);
    if (e == OK)
        e = disk_sync(file);
    if (e == OK) {
        journal_spare(j, number, file);
    } else {
        disk_close(file);
        journal_remove(j, number);
    }
    return e;
}

enum err journal_prepare(struct journal *j)
{
    return j->n_spares != 0 ? OK : journal_make_spare(j);
}

static struct journal_file *journal_last(struct journal *j)
{
    return &j->files[j->n_files - 1];
}

void journal_unmake(struct journal *j)
{
    struct journal_file *f = &j->files[--j->n_files];
    journal_file_close(j, f->file);
    journal_remove(j, f->head.number);
}

enum err journal_make(struct journal *j, bool newer, uint64_t bytes)
{
    if (journal_files_reserve(j) != OK)
        return ERR_NOMEM;
    struct journal_file *f = &j->files[j->n_files++];
    *f = (struct journal_file){.end = BLOCK_BYTES};
    f->head = (struct file_head){.role = ROLE_JOURNAL,
                                 .number = ++j->last_number,
                                 .shard = JOURNAL_SHARD,
                                 .epoch = j->epoch + newer,
                                 .first_lsn = j->durable_lsn + 1,
                                 .prev_end = j->durable_lsn};
    memcpy(f->head.store_id, j->options.store_id, STORE_ID_SIZE);
    env_secret(j->options.env, &f->head.nonce, sizeof(f->head.nonce));
    enum err e = journal_file_open(j, f->head.number, &f->file);
    if (e == OK)
        e = disk_reserve(f->file, bytes);
    if (e == OK)
        e = disk_size(f->file, &f->bytes);
    if (e != OK)
        journal_unmake(j);
    return e;
}

static enum err journal_head_put(struct journal_file *f, const struct file_head *h)
{
    uint8_t block[BLOCK_BYTES] = {0};
    for (size_t i = 0; i < BLOCK_BYTES; i += BLOCK_BYTES / FILE_HEAD_COPIES)
        file_head_put(block + i, h);
    struct span part = span_of(block, sizeof(block));
    enum err e = disk_write(f->file, 0, &part, 1);
    if (e == OK)
        e = disk_sync(f->file);
    if (e != OK)
        log_event(LOG_JOURNAL_FAULT, "file=%s what=head text=\"%s\"", f->file->path, err_text(e));
    return e != OK ? ERR_IO : OK;
}

enum err journal_head_write_none(struct journal *j)
{
    struct journal_file *f = journal_last(j);
    struct file_head none = f->head;
    none.number = 0;
    return journal_head_put(f, &none);
}

enum err journal_head_write(struct journal *j, uint64_t copied_to)
{
    struct journal_file *f = journal_last(j);
    f->head.copied_to = copied_to;
    j->writing = false;
    enum err e = journal_head_put(f, &f->head);
    if (e == OK)
        e = disk_sync_folder(j->options.disk, JOURNAL_FOLDER);
    if (e != OK) {
        journal_unmake(j);
        return ERR_IO;
    }
    j->epoch = f->head.epoch;
    j->writing = true;
    if (j->oldest == 0)
        j->oldest = f->head.number;
    return OK;
}

/* ---- Writing ---- */

uint64_t journal_file_bytes(const struct journal *j)
{
    return j->options.file_bytes;
}

size_t journal_batch_max(const struct journal *j)
{
    size_t room = j->options.file_bytes - 2 * (size_t)BLOCK_BYTES; /* its head, its last block */
    return room < BATCH_BYTES_MAX ? room : BATCH_BYTES_MAX;
}

/* The files that the durable batches no longer need. The newest always stays. */
static void journal_recycle(struct journal *j)
{
    size_t n = 0;
    while (n + 1 < j->n_files && j->files[n].head.number < j->oldest) {
        struct journal_file *f = &j->files[n++];
        journal_spare(j, f->head.number, f->file);
    }
    j->n_files -= n;
    memmove(j->files, j->files + n, j->n_files * sizeof(*j->files));
}

enum err journal_put(struct journal *j, struct batch *b, uint64_t oldest, uint64_t time_ns,
                     struct journal_place *place)
{
    struct journal_file *f = journal_last(j);
    struct batch_head h = {.nonce = f->head.nonce,
                           .shard = JOURNAL_SHARD,
                           .epoch = f->head.epoch,
                           .first_lsn = j->durable_lsn + 1,
                           .durable_lsn = j->durable_lsn,
                           .time_ns = time_ns,
                           .oldest = oldest};
    struct span bytes;
    if (batch_seal(b, &h, &bytes) != OK)
        return ERR_NOMEM;
    enum err e = disk_write(f->file, f->end, &bytes, 1);
    if (e == OK && !j->options.unsynced)
        e = disk_sync(f->file);
    if (e != OK) {
        j->writing = false;
        log_event(LOG_JOURNAL_FAULT, "file=%s what=write text=\"%s\" lsn=%llu", f->file->path,
                  err_text(e), (unsigned long long)h.first_lsn);
        return ERR_IO;
    }
    *place = (struct journal_place){f->head.number, f->end};
    f->end += bytes.size;
    j->durable_lsn += h.count;
    j->oldest = oldest;
    return OK;
}

static enum err journal_begin(struct journal *j, bool newer)
{
    enum err e = journal_make(j, newer, j->options.file_bytes);
    return e != OK ? e : journal_head_write(j, j->durable_lsn);
}

/* Does a batch fit into the newest file? `empty`: it may use the last block. */
static bool journal_fits(struct journal *j, size_t size, bool empty)
{
    const struct journal_file *f = journal_last(j);
    return j->writing && f->end + size + (empty ? 0 : BLOCK_BYTES) <= j->options.file_bytes;
}

enum err journal_spare_room(struct journal *j, size_t size)
{
    if (journal_fits(j, size, false))
        return OK;
    enum err e = OK;
    while (j->n_spares < JOURNAL_SPARES_MAX && e == OK)
        e = journal_make_spare(j);
    return e;
}

/* A file to write a batch of `size` bytes to: the newest, or a new one. */
static enum err journal_room(struct journal *j, size_t size, bool empty)
{
    if (journal_fits(j, size, empty))
        return OK;
    return journal_begin(j, !j->writing);
}

/* The oldest file that is there, of those not older than that: so a number that a batch tells, and
 * no file has, is that of a file that is missing. */
static uint64_t journal_oldest_there(const struct journal *j, uint64_t oldest)
{
    size_t i = 0;
    while (j->files[i].head.number < oldest)
        i++;
    return j->files[i].head.number;
}

enum err journal_write(struct journal *j, struct batch *b, uint64_t oldest, uint64_t time_ns,
                       struct journal_place *place)
{
    size_t size = batch_bytes(b);
    ASSERT(size <= journal_batch_max(j) && oldest <= journal_newest(j));
    bool was_writing = j->writing;
    oldest = journal_oldest_there(j, oldest);
    ASSERT(oldest >= j->oldest);
    enum err e = journal_room(j, size, b->count == 0);
    if (e == OK)
        e = journal_put(j, b, oldest, time_ns, place);
    bool failed = e == ERR_IO; /* and it may be there all the same */
    if (failed && was_writing) {
        e = journal_begin(j, true); /* once more, elsewhere */
        if (e == OK)
            e = journal_put(j, b, oldest, time_ns, place);
    }
    if (e == OK)
        journal_recycle(j);
    return failed && e != OK ? ERR_IO : e;
}

/* ---- Life ---- */

enum err journal_open(struct journal **out, const struct journal_options *options,
                      const struct journal_visitor *visitor)
{
    *out = NULL;
    ASSERT(options->file_bytes > 2 * (uint64_t)BLOCK_BYTES &&
           options->file_bytes % BLOCK_BYTES == 0);
    struct journal *j = calloc(1, sizeof(*j));
    if (j == NULL)
        return ERR_NOMEM;
    j->options = *options;
    enum err e = journal_scan(j, visitor);
    if (e != OK) {
        journal_close(j);
        return e;
    }
    *out = j;
    return OK;
}

void journal_close(struct journal *j)
{
    if (j == NULL)
        return;
    for (size_t i = 0; i < j->n_files; i++)
        disk_close(j->files[i].file);
    while (j->n_spares != 0)
        disk_close(j->spares[--j->n_spares].file);
    journal_window_drop(j);
    free(j->files);
    free(j);
}

/* ---- Questions ---- */

uint64_t journal_durable_lsn(const struct journal *j)
{
    return j->durable_lsn;
}

uint64_t journal_oldest(const struct journal *j)
{
    return j->oldest;
}

uint64_t journal_next(const struct journal *j, uint64_t number)
{
    for (size_t i = 0; i < j->n_files; i++)
        if (j->files[i].head.number > number)
            return j->files[i].head.number;
    return 0;
}

uint64_t journal_newest(const struct journal *j)
{
    return j->files[j->n_files - 1].head.number;
}

uint64_t journal_bytes(const struct journal *j)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < j->n_files; i++)
        bytes += j->files[i].bytes;
    return bytes;
}
