// SPDX-License-Identifier: Apache-2.0
#include "tests/storage/cold_record.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "storage/batch.h"
#include "storage/entry.h"
#include "storage/file_head.h"
#include "storage/journal.h"

enum { FILES_MAX = 64, RECORDS_MAX = 4096, GROUPS_MAX = 1024 };

struct cold_file {
    char path[DISK_PATH_MAX];
    struct file_head head;
    uint8_t *bytes;
    size_t size;
};

/* A group as one file has it. */
struct cold_group {
    uint64_t group;
    size_t file;
    uint32_t n;        /* publishes */
    uint32_t n_wanted; /* by its commit, 0 = none is there */
    bool others;       /* something else is in it, parts included */
};

struct cold {
    struct disk *disk;
    struct cold_file files[FILES_MAX];
    size_t n_files;
    uint64_t durable;
    uint64_t oldest;
    struct cold_record records[RECORDS_MAX];
    size_t files_of[RECORDS_MAX];
    size_t n_records;
    struct cold_group groups[GROUPS_MAX];
    size_t n_groups;
};

static void cold_raise(uint64_t *most, uint64_t to)
{
    *most = to > *most ? to : *most;
}

/* ---- Files ---- */

/* Either copy, as in journal_scan.c. */
static bool cold_head(struct cold_file *f)
{
    for (size_t i = 0; i < FILE_HEAD_COPIES; i++) {
        struct span copy = span_of(f->bytes + i * (BLOCK_BYTES / FILE_HEAD_COPIES), FILE_HEAD_SIZE);
        if (file_head_read_any(copy, ROLE_JOURNAL, &f->head) == FILE_OURS)
            return true;
    }
    return false;
}

static void cold_file(void *arg, const char *name)
{
    struct cold *c = arg;
    struct cold_file *f = &c->files[c->n_files];
    struct disk_file *file;
    uint64_t size;
    ASSERT(c->n_files < FILES_MAX);
    snprintf(f->path, sizeof(f->path), JOURNAL_FOLDER "/%s", name);
    if (disk_open(c->disk, f->path, DISK_READ, &file) != OK)
        return;
    enum err e = disk_size(file, &size);
    f->bytes = e == OK ? malloc(size + 1) : NULL;
    if (f->bytes != NULL && disk_read(file, 0, f->bytes, size, &f->size) == OK &&
        f->size >= BLOCK_BYTES && cold_head(f) && f->head.number == strtoull(name, NULL, 10))
        c->n_files++;
    else
        free(f->bytes);
    disk_close(file);
}

/* The batch at `*at` or the next one behind it; moves behind it. */
static bool cold_batch(const struct cold_file *f, size_t *at, struct batch_head *h,
                       struct span *bytes)
{
    for (; *at < f->size; *at += BLOCK_BYTES) {
        *bytes = span_of(f->bytes + *at, f->size - *at);
        if (!batch_head_read(*bytes, f->head.nonce, f->head.shard, h) || h->size > bytes->size)
            continue;
        *at += batch_padded(h->size);
        return true;
    }
    return false;
}

/* What comes after it in the file is void. */
static uint64_t cold_limit(const struct cold *c, const struct cold_file *f)
{
    uint64_t limit = UINT64_MAX;
    for (size_t i = 0; i < c->n_files; i++)
        if (c->files[i].head.number > f->head.number && c->files[i].head.prev_end < limit)
            limit = c->files[i].head.prev_end;
    return limit;
}

static void cold_heads(struct cold *c)
{
    for (size_t i = 0; i < c->n_files; i++) {
        struct batch_head h;
        struct span bytes;
        cold_raise(&c->durable, c->files[i].head.prev_end);
        cold_raise(&c->durable, c->files[i].head.copied_to);
        for (size_t at = BLOCK_BYTES; cold_batch(&c->files[i], &at, &h, &bytes);) {
            cold_raise(&c->durable, h.durable_lsn);
            cold_raise(&c->oldest, h.oldest);
        }
    }
}

/* ---- Records ---- */

static struct cold_group *cold_group(struct cold *c, uint64_t group, size_t file)
{
    for (size_t i = 0; i < c->n_groups; i++)
        if (c->groups[i].group == group && c->groups[i].file == file)
            return &c->groups[i];
    ASSERT(c->n_groups < GROUPS_MAX);
    struct cold_group *g = &c->groups[c->n_groups++];
    *g = (struct cold_group){.group = group, .file = file};
    return g;
}

static void cold_publish(struct cold *c, size_t file, const struct entry *e, uint64_t lsn)
{
    struct cold_record *r = &c->records[c->n_records];
    if (e->bytes.size < sizeof(r->end) || e->n > COLD_TARGETS_MAX)
        return;
    ASSERT(c->n_records < RECORDS_MAX);
    const uint8_t *end = e->bytes.at + e->bytes.size;
    *r = (struct cold_record){.offset = (uint64_t)(end - c->files[file].bytes) - 1,
                              .lsn = lsn,
                              .group = e->group,
                              .n = e->n};
    memcpy(r->path, c->files[file].path, sizeof(r->path));
    memcpy(r->end, end - sizeof(r->end), sizeof(r->end));
    for (uint32_t i = 0; i < e->n; i++)
        r->targets[i] = entry_pair(e, i);
    c->files_of[c->n_records++] = file;
}

static void cold_entry(struct cold *c, size_t file, const struct entry *e, uint64_t lsn)
{
    if (e->kind == RECORD_commit)
        cold_group(c, e->group, file)->n_wanted = e->n;
    if (e->in_group) {
        struct cold_group *g = cold_group(c, e->group, file);
        g->n += e->kind == RECORD_publish;
        g->others |= e->kind != RECORD_publish;
    }
    if (e->kind == RECORD_publish)
        cold_publish(c, file, e, lsn);
}

static void cold_records(struct cold *c, size_t file)
{
    struct cold_file *f = &c->files[file];
    uint64_t limit = cold_limit(c, f);
    struct batch_head h;
    struct span bytes;
    for (size_t from = BLOCK_BYTES; cold_batch(f, &from, &h, &bytes);) {
        struct batch_reader reader;
        struct record r;
        struct entry e;
        size_t at;
        batch_read(&reader, &h, bytes);
        uint64_t lsn = h.first_lsn;
        for (enum batch_next next; (next = batch_next(&reader, &r, &at)) != BATCH_END;
             lsn += next == BATCH_DAMAGED ? reader.n_lost : 1)
            if (next == BATCH_RECORD && lsn <= limit && entry_read(&r, &e))
                cold_entry(c, file, &e, lsn);
    }
}

/* ---- Choosing ---- */

static bool cold_is_elsewhere(const struct cold *c, size_t i)
{
    const struct store_target *t = &c->records[i].targets[0];
    for (size_t k = 0; k < c->n_records; k++)
        for (uint32_t n = 0; k != i && n < c->records[k].n; n++)
            if (c->records[k].targets[n].queue == t->queue &&
                c->records[k].targets[n].seq == t->seq)
                return true;
    return false;
}

static bool cold_suits(struct cold *c, size_t i)
{
    const struct cold_record *r = &c->records[i];
    if (r->group == 0 || r->lsn > c->durable)
        return r->lsn <= c->durable;
    const struct cold_group *g = cold_group(c, r->group, c->files_of[i]);
    if (g->n_wanted == 0 || g->n != g->n_wanted || g->others ||
        c->files[g->file].head.number < c->oldest)
        return false;
    for (size_t k = 0; k < c->n_records; k++)
        if (c->records[k].group == r->group && cold_is_elsewhere(c, k))
            return false;
    return true;
}

bool cold_record_draw(struct false_disk *fd, struct rng *chance, struct cold_record *out)
{
    struct cold *c = calloc(1, sizeof(*c));
    ASSERT(c != NULL);
    c->disk = false_disk(fd);
    if (disk_list(c->disk, JOURNAL_FOLDER, cold_file, c) != OK)
        c->n_files = 0;
    cold_heads(c);
    for (size_t i = 0; i < c->n_files; i++)
        cold_records(c, i);
    size_t i = c->n_records == 0 ? 0 : (size_t)rng_below(chance, c->n_records);
    bool found = c->n_records != 0 && cold_suits(c, i);
    if (found)
        *out = c->records[i];
    for (size_t k = 0; k < c->n_files; k++)
        free(c->files[k].bytes);
    free(c);
    return found;
}
