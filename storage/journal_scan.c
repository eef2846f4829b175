// SPDX-License-Identifier: Apache-2.0
/* Opening a journal: FORMAT.md, sections 3.3 and 6.
 *
 * First all heads of files and batches are read, which says what is durable and what is void. Then
 * the records that count but are not known to be durable are written once more, into a new file.
 * Then everything is read in order and shown; nothing is in doubt by then. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "storage/journal_priv.h"

enum {
    NAMES_MIN = 16,
    BATCHES_MIN = 256,
    DECIMALS_MAX = 18,
    SETTLE_TRIES = 3 /* files, should the disk fail */
};

struct scan_batch {
    size_t file; /* in journal.files */
    uint64_t offset;
    struct batch_head head;
};

struct scan {
    struct journal *j;
    uint64_t *numbers; /* of all files in the folder */
    size_t n_numbers;
    size_t n_spares; /* of them, the first, once they have been looked at */
    size_t numbers_capacity;
    struct scan_batch *batches; /* of journal.files, in order */
    size_t n_batches;
    size_t batches_capacity;
    size_t n_files;  /* of the journal's that were there */
    enum err failed; /* in a callback */
};

/* Room for one more entry; NULL when memory is out. */
static void *scan_grow(void *array, size_t n, size_t *capacity, size_t least, size_t size)
{
    if (n < *capacity)
        return array;
    size_t more = *capacity == 0 ? least : 2 * *capacity;
    void *grown = realloc(array, more * size);
    if (grown != NULL)
        *capacity = more;
    return grown;
}

static void scan_raise(uint64_t *most, uint64_t to)
{
    if (to > *most)
        *most = to;
}

/* ---- Files ---- */

static void scan_name(void *arg, const char *name)
{
    struct scan *s = arg;
    size_t n = strspn(name, "0123456789");
    if (n == 0 || n > DECIMALS_MAX || name[n] != '\0' || name[0] == '0')
        return;
    uint64_t *numbers = scan_grow(s->numbers, s->n_numbers, &s->numbers_capacity, NAMES_MIN,
                                  sizeof(*numbers));
    if (numbers == NULL) {
        s->failed = ERR_NOMEM;
        return;
    }
    s->numbers = numbers;
    s->numbers[s->n_numbers++] = strtoull(name, NULL, 10);
}

static int scan_by_number(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static void scan_left_alone(const struct disk_file *file, enum file_state state)
{
    const char *what = state == FILE_FUTURE    ? err_text(ERR_FUTURE)
                       : state == FILE_FOREIGN ? "of another store: left alone"
                                               : "its head is damaged: left alone";
    log_event(LOG_JOURNAL_FAULT, "file=%s what=\"%s\"", file->path, what);
}

/* Takes `file` as one of the journal's, as a spare, or not at all. */
static enum err scan_sort_file(struct scan *s, uint64_t number, struct disk_file *file)
{
    struct journal *j = s->j;
    struct journal_file f = {.file = file};
    bool by_batch;
    j->window.unreadable = false;
    enum file_state state = journal_look(j, file, number, &f.head, &by_batch);
    if (by_batch)
        log_event(LOG_JOURNAL_DAMAGED, "file=%s what=\"head, made up for\"", file->path);
    enum err e = OK;
    if (state == FILE_OURS)
        e = journal_files_reserve(j);
    else if (state == FILE_FUTURE)
        e = ERR_FUTURE;
    else if (j->window.unreadable)
        e = ERR_IO; /* what cannot be read must not be taken for a spare */
    if (state == FILE_OURS && e == OK) {
        j->files[j->n_files++] = f;
        return OK;
    }
    if (state != FILE_OURS && state != FILE_OTHER && e != ERR_IO)
        scan_left_alone(file, state);
    journal_file_close(j, file);
    if (e == OK && state == FILE_OTHER)
        s->numbers[s->n_spares++] = number; /* in the place of one that has been looked at */
    return e;
}

static enum err scan_open(struct journal *j, uint64_t number, struct disk_file **out)
{
    char path[DISK_PATH_MAX];
    journal_path(path, number);
    return disk_open(j->options.disk, path, DISK_WRITE, out);
}

static enum err scan_files(struct scan *s)
{
    struct disk *disk = s->j->options.disk;
    enum err e = disk_list(disk, JOURNAL_FOLDER, scan_name, s);
    if (e != OK || s->failed != OK)
        return e != OK ? e : s->failed;
    if (s->n_numbers == 0)
        return OK;
    qsort(s->numbers, s->n_numbers, sizeof(s->numbers[0]), scan_by_number);
    s->j->last_number = s->numbers[s->n_numbers - 1];
    for (size_t i = 0; i < s->n_numbers && e == OK; i++) {
        struct disk_file *file;
        e = scan_open(s->j, s->numbers[i], &file);
        if (e == OK)
            e = scan_sort_file(s, s->numbers[i], file);
    }
    return e;
}

/* ---- Heads ---- */

/* A record that was written to larger files must fit when it is written again. */
static void scan_fit(struct journal *j, const struct batch_head *h)
{
    uint64_t bytes = 2 * (uint64_t)BLOCK_BYTES + batch_padded(h->size);
    if (bytes > j->options.file_bytes)
        j->options.file_bytes = bytes;
}

static enum err scan_add_batch(struct scan *s, const struct scan_batch *b)
{
    struct scan_batch *batches = scan_grow(s->batches, s->n_batches, &s->batches_capacity,
                                           BATCHES_MIN, sizeof(*batches));
    if (batches == NULL)
        return ERR_NOMEM;
    s->batches = batches;
    s->batches[s->n_batches++] = *b;
    scan_fit(s->j, &b->head);
    return OK;
}

/* Those that begin before `end`. */
static enum err scan_batches_of(struct scan *s, size_t file, uint64_t end)
{
    struct scan_batch b = {.file = file, .offset = BLOCK_BYTES};
    for (uint64_t step; b.offset < end; b.offset += step)
        if (journal_batch_at(s->j, &s->j->files[file], b.offset, &b.head, &step) &&
            scan_add_batch(s, &b) != OK)
            return ERR_NOMEM;
    return OK;
}

static enum err scan_heads(struct scan *s)
{
    struct journal *j = s->j;
    for (size_t i = 0; i < j->n_files; i++) {
        const struct file_head *h = &j->files[i].head;
        enum err e = disk_size(j->files[i].file, &j->files[i].bytes);
        j->window.unreadable = false; /* in older files that is damage like any other */
        if (e == OK)
            e = scan_batches_of(s, i, j->files[i].bytes);
        if (e != OK)
            return e;
        scan_raise(&j->durable_lsn, h->prev_end);
        scan_raise(&j->durable_lsn, h->copied_to);
        if (h->epoch > j->epoch)
            j->epoch = h->epoch;
    }
    for (size_t i = 0; i < s->n_batches; i++)
        scan_raise(&j->durable_lsn, s->batches[i].head.durable_lsn);
    s->n_files = j->n_files;
    if (j->window.unreadable)
        return ERR_IO;
    /* Only now: a start that is refused changes nothing. */
    for (size_t i = 0; i < s->n_spares; i++) {
        struct disk_file *file;
        if (scan_open(j, s->numbers[i], &file) == OK)
            journal_spare(j, s->numbers[i], file);
    }
    return OK;
}

/* ---- Walking through what counts ---- */

static uint64_t scan_limit(const struct scan *s, size_t file)
{
    return journal_limit(s->j, file, s->n_files);
}

/* The oldest needed file, by batches that are known to be durable. What one in doubt says of it is
 * true only once that is settled: files it lets go of may not be used before. Of one without
 * records nothing tells whether it is durable. */
static void scan_oldest(struct scan *s)
{
    struct journal *j = s->j;
    for (size_t i = 0; i < s->n_batches; i++) {
        const struct scan_batch *b = &s->batches[i];
        uint64_t last = b->head.first_lsn + b->head.count - 1;
        if (b->head.count != 0 && last <= j->durable_lsn && last <= scan_limit(s, b->file))
            scan_raise(&j->oldest, b->head.oldest);
    }
}

/* Lets go of the files that are not needed: older than the oldest needed, or with nothing but what
 * comes after the LSN `end` and is therefore void, or nothing at all. */
static void scan_drop(struct scan *s, uint64_t end)
{
    struct journal *j = s->j;
    size_t n_files = 0;
    size_t n_batches = 0;
    size_t at = 0;
    for (size_t i = 0; i < j->n_files; i++) {
        struct journal_file f = j->files[i];
        bool newest = i + 1 == j->n_files;
        bool needed = f.head.number >= j->oldest && (newest || f.head.first_lsn <= end);
        for (; at < s->n_batches && s->batches[at].file == i; at++)
            if (needed) {
                s->batches[n_batches] = s->batches[at];
                s->batches[n_batches++].file = n_files;
            }
        if (needed) {
            j->files[n_files++] = f;
        } else {
            journal_spare(j, f.head.number, f.file);
        }
    }
    s->n_batches = n_batches;
    s->n_files = j->n_files = n_files;
    if (j->oldest == 0 && n_files != 0)
        j->oldest = j->files[0].head.number;
}

static enum err scan_walk(struct scan *s, struct journal_walk *w,
                          enum err (*batch_end)(struct scan *s, struct journal_walk *w,
                                                const struct batch_head *h))
{
    enum err e = OK;
    for (size_t i = 0; i < s->n_batches && e == OK && !w->over; i++) {
        const struct scan_batch *b = &s->batches[i];
        w->limit = scan_limit(s, b->file);
        e = journal_walk_batch(s->j, w, &s->j->files[b->file], b->offset, &b->head);
        if (e == OK && batch_end != NULL)
            e = batch_end(s, w, &b->head);
    }
    return e;
}

/* ---- What is in doubt ---- */

/* What is in doubt, on its way into the newest file. */
struct again {
    struct journal_walk walk;
    struct batch batch;
};

/* The oldest file to be named: that one, but if nothing in it will count once the newest does, it
 * goes, and the newest stands in for it. */
static uint64_t again_stays(const struct journal *j, uint64_t oldest)
{
    const struct file_head *newest = &j->files[j->n_files - 1].head;
    for (size_t i = 0; i < j->n_files; i++)
        if (j->files[i].head.number == oldest && j->files[i].head.first_lsn > newest->prev_end)
            return newest->number;
    return oldest;
}

static enum err again_put(struct scan *s, struct batch *b, uint64_t oldest)
{
    struct journal *j = s->j;
    struct journal_place place;
    enum err e = journal_put(j, b, again_stays(j, oldest > j->oldest ? oldest : j->oldest),
                             j->options.time_ns, &place);
    batch_reset(b);
    return e;
}

static enum err again_batch_end(struct scan *s, struct journal_walk *w, const struct batch_head *h)
{
    struct again *a = w->visitor->arg;
    return a->batch.count == 0 ? OK : again_put(s, &a->batch, h->oldest);
}

static enum err again_record(void *arg, uint64_t lsn, struct journal_place place,
                             const struct record *r)
{
    struct again *a = arg;
    uint8_t *body;
    (void)lsn;
    (void)place;
    return batch_add(&a->batch, r, &body);
}

/* The tail begins here. */
static void again_damaged(void *arg, uint64_t lsn, uint64_t n, uint64_t file)
{
    struct again *a = arg;
    log_event(LOG_JOURNAL_TAIL, "file=%llu lsn=%llu records=%llu", (unsigned long long)file,
              (unsigned long long)lsn, (unsigned long long)n);
    a->walk.over = true;
}

/* What batches without records say of the oldest needed file is true whether they are durable or
 * not, since what lets go of a file was durable before them; it is said again. */
static enum err again_oldest(struct scan *s, struct batch *b)
{
    uint64_t oldest = 0;
    for (size_t i = 0; i < s->n_batches; i++)
        if (s->batches[i].head.count == 0)
            scan_raise(&oldest, s->batches[i].head.oldest);
    return oldest > s->j->oldest ? again_put(s, b, oldest) : OK;
}

static enum err again_run(struct scan *s)
{
    struct again a = {{.next = s->j->durable_lsn + 1}, {.count = 0}};
    struct journal_visitor visitor = {again_record, again_damaged, &a};
    a.walk.visitor = &visitor;
    batch_init(&a.batch);
    enum err e = scan_walk(s, &a.walk, again_batch_end);
    if (e == OK)
        e = again_oldest(s, &a.batch);
    batch_fini(&a.batch);
    return e == OK && s->j->window.unreadable ? ERR_IO : e;
}

/* Room for a file that takes everything above the LSN that is not void. */
static uint64_t scan_bytes_above(const struct scan *s, uint64_t lsn)
{
    uint64_t bytes = 2 * (uint64_t)BLOCK_BYTES; /* its first one, and a batch without records */
    for (size_t i = 0; i < s->n_batches; i++) {
        const struct scan_batch *b = &s->batches[i];
        if (b->head.first_lsn + b->head.count - 1 > lsn &&
            b->head.first_lsn <= scan_limit(s, b->file))
            bytes += batch_padded(b->head.size);
    }
    return bytes > s->j->options.file_bytes ? bytes : s->j->options.file_bytes;
}

/* Makes a new file, writes into it what counts above the durable LSN, and only then lets it count:
 * until then all of it is still where it was. */
static enum err scan_settle(struct scan *s)
{
    struct journal *j = s->j;
    uint64_t durable = j->durable_lsn;
    uint64_t oldest = j->oldest;
    s->j->window.unreadable = false;
    enum err e = journal_make(j, true, scan_bytes_above(s, durable));
    if (e != OK)
        return e;
    e = journal_head_write_none(j);
    if (e == OK)
        e = again_run(s); /* through the old files, where nothing is void by the new one */
    if (e != OK)
        journal_unmake(j);
    else
        e = journal_head_write(j, j->durable_lsn);
    if (e != OK) {
        j->durable_lsn = durable;
        j->oldest = oldest;
    }
    return e;
}

/* ---- Showing ---- */

/* The last LSN in a file, as its batches say; 0 = there are none. */
static uint64_t scan_end_of(const struct scan *s, size_t file)
{
    uint64_t end = 0;
    for (size_t i = 0; i < s->n_batches; i++)
        if (s->batches[i].file == file)
            end = s->batches[i].head.first_lsn + s->batches[i].head.count - 1;
    return end;
}

static void scan_missing(uint64_t number, uint64_t lsn)
{
    log_event(LOG_JOURNAL_DAMAGED, "file=%llu what=missing lsn=%llu", (unsigned long long)number,
              (unsigned long long)lsn);
}

/* Numbers without a file are no harm if no LSNs are missing as well. What is missing between files
 * the walk shows; what was in the oldest ones, nothing tells. */
static void scan_show_missing(struct scan *s, const struct journal_visitor *shown)
{
    struct journal *j = s->j;
    const struct journal_file *first = &j->files[0];
    if (first->head.number > j->oldest && first->head.first_lsn > 1) {
        scan_missing(j->oldest, first->head.first_lsn - 1);
        shown->damaged(shown->arg, first->head.first_lsn - 1, 1, j->oldest);
    }
    for (size_t i = 1; i < j->n_files; i++) {
        const struct file_head *before = &j->files[i - 1].head;
        const struct file_head *h = &j->files[i].head;
        uint64_t end = scan_end_of(s, i - 1);
        if (h->number != before->number + 1 && h->first_lsn > before->first_lsn &&
            h->prev_end > end)
            scan_missing(before->number + 1, h->prev_end);
    }
}

static enum err scan_show(struct scan *s, const struct journal_visitor *visitor)
{
    struct journal *j = s->j;
    struct journal_visitor shown = journal_shown(visitor);
    struct journal_walk w = {.visitor = &shown, .next = j->files[0].head.first_lsn};
    scan_show_missing(s, &shown);
    enum err e = scan_walk(s, &w, NULL);
    w.limit = j->durable_lsn;
    if (e == OK)
        journal_walk_end(&w, journal_newest(j));
    return e;
}

/* ---- All of it ---- */

static enum err scan_run(struct scan *s, const struct journal_visitor *visitor)
{
    struct journal *j = s->j;
    enum err e = disk_make_folder(j->options.disk, JOURNAL_FOLDER);
    if (e == OK)
        e = disk_sync_folder(j->options.disk, "");
    if (e == OK)
        e = scan_files(s);
    if (e == OK)
        e = scan_heads(s);
    if (e != OK)
        return e;
    scan_oldest(s);
    scan_drop(s, UINT64_MAX);
    e = scan_settle(s);
    for (int i = 1; i < SETTLE_TRIES && e == ERR_IO; i++)
        e = scan_settle(s);
    for (; s->n_files < j->n_files && e == OK; s->n_files++)
        e = scan_batches_of(s, s->n_files, j->files[s->n_files].end);
    if (e != OK)
        return e;
    /* What was in doubt has let go of files for good, or is void in those where it was. */
    scan_drop(s, j->files[j->n_files - 1].head.prev_end);
    return scan_show(s, visitor);
}

enum err journal_scan(struct journal *j, const struct journal_visitor *visitor)
{
    struct scan s = {.j = j};
    enum err e = journal_window_take(j);
    if (e == OK)
        e = scan_run(&s, visitor);
    journal_window_drop(j);
    free(s.numbers);
    free(s.batches);
    return e;
}
