// SPDX-License-Identifier: Apache-2.0
/* Opening a journal: FORMAT.md, sections 3.3 and 6.
 *
 * First all heads of files and batches are read, which says what is durable and what is void. Then
 * the records that count but are not known to be durable are written once more, into a new file.
 * Then everything is read in order and shown; nothing is in doubt by then. */
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/log.h"
#include "storage/journal_priv.h"

enum {
    WINDOW_BYTES = BATCH_BYTES_MAX,
    WINDOW_BYTES_LEAST = 256 * 1024,
    READ_TRIES = 3,
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
    size_t numbers_capacity;
    struct scan_batch *batches; /* of journal.files, in order */
    size_t n_batches;
    size_t batches_capacity;
    size_t n_files;  /* of the journal's that were there */
    enum err failed; /* in a callback */
    bool unreadable; /* some block is, and was taken for zeros */
    /* The bytes that were read last, from one file. */
    uint8_t *window;
    struct disk_file *window_file;
    uint64_t window_at;
    size_t window_size;
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

/* ---- Reading ---- */

/* A block, tried more than once. */
static enum err scan_read_block(struct disk_file *f, uint64_t at, uint8_t *to, size_t size,
                                size_t *got)
{
    enum err e = ERR_IO;
    for (int i = 0; i < READ_TRIES && e != OK; i++)
        e = disk_read(f, at, to, size, got);
    return e;
}

/* A large read has failed: what can be read of it, block by block, and zeros for the rest. */
static size_t scan_read_blocks(struct scan *s, struct disk_file *f, uint64_t at, size_t size)
{
    uint8_t *to = s->window;
    size_t done = 0;
    while (done < size) {
        size_t part = size - done < BLOCK_BYTES ? size - done : BLOCK_BYTES;
        size_t got = part;
        if (scan_read_block(f, at + done, to + done, part, &got) != OK) {
            memset(to + done, 0, part);
            got = part;
            s->unreadable = true;
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

/* `size` bytes of the file, at most WINDOW_BYTES; fewer where it ends. Valid until the next call.
 */
static struct span scan_read(struct scan *s, struct disk_file *f, uint64_t at, size_t size)
{
    bool inside = s->window_file == f && at >= s->window_at &&
                  at + size <= s->window_at + s->window_size;
    if (!inside) {
        size_t most = size > WINDOW_BYTES_LEAST ? size : WINDOW_BYTES_LEAST;
        s->window_file = f;
        s->window_at = at;
        if (disk_read(f, at, s->window, most, &s->window_size) != OK)
            s->window_size = scan_read_blocks(s, f, at, most);
    }
    size_t from = (size_t)(at - s->window_at);
    size_t left = s->window_size - from;
    return span_of(s->window + from, size < left ? size : left);
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

static bool scan_is_zeros(struct span s)
{
    for (size_t i = 0; i < s.size; i++)
        if (s.at[i] != 0)
            return false;
    return true;
}

/* Both copies of the head are damaged: what the first batch says of it, if there is one. Zeros are
 * no damage: a file gets its head last. */
static enum file_state scan_head_by_batch(struct scan *s, struct disk_file *file, uint64_t number,
                                          struct file_head *h)
{
    struct span in = scan_read(s, file, 0, BLOCK_BYTES);
    if (scan_is_zeros(in))
        return FILE_INVALID;
    in = scan_read(s, file, BLOCK_BYTES, BATCH_HEAD_SIZE);
    struct span rest = in;
    struct span magic;
    struct batch_head b;
    uint64_t nonce;
    if (!take_span(&rest, sizeof(uint64_t), &magic) || !take_u64(&rest, &nonce) ||
        !batch_head_read(in, nonce, JOURNAL_SHARD, &b))
        return FILE_INVALID;
    log_event(LOG_JOURNAL_DAMAGED, "file=%s what=\"head, made up for\"", file->path);
    *h = (struct file_head){.role = ROLE_JOURNAL,
                            .nonce = nonce,
                            .number = number,
                            .shard = JOURNAL_SHARD,
                            .epoch = b.epoch,
                            .first_lsn = b.first_lsn,
                            .prev_end = b.first_lsn - 1};
    return FILE_OURS;
}

/* Each copy lies in one sector, so a crash leaves it as it was or as it was to be: that both are
 * invalid is damage, or a file that has never been begun. No number that a head tells is ever given
 * out again: a spare file renamed to it would count at once, by the head of its life before. */
static enum file_state scan_head(struct scan *s, struct disk_file *file, uint64_t number,
                                 struct file_head *h)
{
    enum file_state state = FILE_INVALID;
    for (size_t i = 0; i < FILE_HEAD_COPIES && state != FILE_OURS; i++) {
        struct span copy = scan_read(s, file, i * (BLOCK_BYTES / FILE_HEAD_COPIES), FILE_HEAD_SIZE);
        enum file_state found = file_head_read(copy, ROLE_JOURNAL, s->j->options.store_id, h);
        if (found == FILE_OURS) {
            scan_raise(&s->j->last_number, h->number);
            if (h->number != number || h->shard != JOURNAL_SHARD)
                found = FILE_OTHER;
        }
        if (found != FILE_INVALID)
            state = found;
    }
    return state == FILE_INVALID ? scan_head_by_batch(s, file, number, h) : state;
}

/* Takes `file` as one of the journal's, as a spare, or not at all. */
static enum err scan_sort_file(struct scan *s, uint64_t number, struct disk_file *file)
{
    struct journal *j = s->j;
    struct journal_file f = {.file = file};
    s->unreadable = false;
    enum file_state state = scan_head(s, file, number, &f.head);
    enum err e = OK;
    if (state == FILE_OURS)
        e = journal_files_reserve(j);
    else if (state == FILE_FUTURE)
        e = ERR_FUTURE;
    else if (s->unreadable)
        e = ERR_IO;        /* what cannot be read must not be taken for a spare */
    s->window_file = NULL; /* another file may come to lie where this one was */
    if (state == FILE_OURS && e == OK) {
        j->files[j->n_files++] = f;
        return OK;
    }
    if (state == FILE_FUTURE || state == FILE_FOREIGN)
        log_event(LOG_JOURNAL_FAULT, "file=%s what=\"%s\"", file->path,
                  state == FILE_FUTURE ? err_text(ERR_FUTURE) : "of another store: left alone");
    disk_close(file);
    if (e == OK && (state == FILE_INVALID || state == FILE_OTHER))
        journal_spare(j, number);
    return e;
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
        char path[DISK_PATH_MAX];
        struct disk_file *file;
        journal_path(path, s->numbers[i]);
        e = disk_open(disk, path, DISK_WRITE, &file);
        if (e == OK)
            e = scan_sort_file(s, s->numbers[i], file);
    }
    return e;
}

/* ---- Heads ---- */

static enum err scan_add_batch(struct scan *s, const struct scan_batch *b)
{
    struct scan_batch *batches = scan_grow(s->batches, s->n_batches, &s->batches_capacity,
                                           BATCHES_MIN, sizeof(*batches));
    if (batches == NULL)
        return ERR_NOMEM;
    s->batches = batches;
    s->batches[s->n_batches++] = *b;
    return OK;
}

static uint64_t scan_padded(uint64_t size)
{
    return (size + BLOCK_BYTES - 1) / BLOCK_BYTES * BLOCK_BYTES;
}

/* From a block of zeros on, before what is behind it has been read: to a file system reserved space
 * is data once it has been read. */
static uint64_t scan_step_to_data(struct disk_file *f, uint64_t offset)
{
    uint64_t data;
    uint64_t next = offset + BLOCK_BYTES;
    if (disk_next_data(f, next, &data) == OK && data > next)
        next = data / BLOCK_BYTES * BLOCK_BYTES;
    return next - offset;
}

/* Those that begin before `end`. */
static enum err scan_batches_of(struct scan *s, size_t file, uint64_t end)
{
    const struct journal_file *f = &s->j->files[file];
    struct scan_batch b = {.file = file, .offset = BLOCK_BYTES};
    for (uint64_t step; b.offset < end; b.offset += step) {
        struct span head = scan_read(s, f->file, b.offset, BATCH_HEAD_SIZE);
        step = BLOCK_BYTES;
        if (batch_head_read(head, f->head.nonce, JOURNAL_SHARD, &b.head)) {
            step = scan_padded(b.head.size);
            if (scan_add_batch(s, &b) != OK)
                return ERR_NOMEM;
        } else if (scan_is_zeros(head) && s->window_at + s->window_size <= b.offset + BLOCK_BYTES) {
            step = scan_step_to_data(f->file, b.offset);
        }
    }
    return OK;
}

static enum err scan_heads(struct scan *s)
{
    struct journal *j = s->j;
    for (size_t i = 0; i < j->n_files; i++) {
        const struct file_head *h = &j->files[i].head;
        uint64_t size;
        enum err e = disk_size(j->files[i].file, &size);
        s->unreadable = false; /* in older files that is damage like any other */
        if (e == OK)
            e = scan_batches_of(s, i, size);
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
    return s->unreadable ? ERR_IO : OK;
}

/* ---- Walking through what counts ---- */

/* LSNs above it are void in this file. */
static uint64_t scan_limit(const struct scan *s, size_t file)
{
    uint64_t limit = UINT64_MAX;
    for (size_t i = file + 1; i < s->n_files; i++)
        if (s->j->files[i].head.prev_end < limit)
            limit = s->j->files[i].head.prev_end;
    return limit;
}

/* The oldest needed file, by batches that are known to be durable. What one in doubt says of it is
 * true only once that is settled: files it lets go of may not be used before. */
static void scan_oldest(struct scan *s)
{
    struct journal *j = s->j;
    for (size_t i = 0; i < s->n_batches; i++) {
        const struct scan_batch *b = &s->batches[i];
        uint64_t last = b->head.first_lsn + b->head.count - 1;
        if (last <= j->durable_lsn && last <= scan_limit(s, b->file))
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
            disk_close(f.file);
            journal_spare(j, f.head.number);
        }
    }
    s->window_file = NULL;
    s->n_batches = n_batches;
    s->n_files = j->n_files = n_files;
    if (j->oldest == 0 && n_files != 0)
        j->oldest = j->files[0].head.number;
}

/* A walk shows the records from `next` on, in order, and what is missing between them. */
struct walk {
    struct scan *scan;
    uint64_t next;
    bool over; /* nothing more is to be shown */
    enum err (*record)(struct walk *w, uint64_t lsn, struct journal_place place,
                       const struct record *r);
    enum err (*batch_end)(struct walk *w); /* NULL = nothing to do */
    void (*damaged)(struct walk *w, uint64_t lsn, uint64_t n, uint64_t file);
    const struct journal_visitor *visitor;
    uint64_t oldest;     /* needed file, as the batch at hand says */
    struct batch *again; /* its records that are written once more */
};

static void walk_damaged(struct walk *w, uint64_t n, uint64_t file)
{
    w->damaged(w, w->next, n, file);
    w->next += n;
}

static enum err walk_batch(struct walk *w, const struct scan_batch *b, uint64_t limit)
{
    struct scan *s = w->scan;
    const struct journal_file *f = &s->j->files[b->file];
    struct batch_reader reader;
    struct record r;
    size_t offset;
    uint64_t lsn = b->head.first_lsn;
    enum err e = OK;
    batch_read(&reader, &b->head, scan_read(s, f->file, b->offset, b->head.size));
    for (enum batch_next next; e == OK && !w->over && lsn <= limit && w->next <= limit &&
                               (next = batch_next(&reader, &r, &offset)) != BATCH_END;) {
        uint64_t n = next == BATCH_DAMAGED ? reader.n_lost : 1;
        uint64_t end = lsn + n;
        if (end > w->next && next == BATCH_DAMAGED) {
            walk_damaged(w, (end <= limit ? end : limit + 1) - w->next, f->head.number);
        } else if (end > w->next) {
            struct journal_place place = {f->head.number, b->offset + offset};
            w->next = end;
            e = w->record(w, lsn, place, &r);
        }
        lsn = end;
    }
    return e;
}

static enum err walk_run(struct walk *w)
{
    struct scan *s = w->scan;
    size_t file = SIZE_MAX;
    uint64_t limit = 0;
    enum err e = OK;
    for (size_t i = 0; i < s->n_batches && e == OK && !w->over; i++) {
        const struct scan_batch *b = &s->batches[i];
        if (b->file != file) {
            file = b->file;
            limit = scan_limit(s, file);
        }
        if (b->head.first_lsn > limit || b->head.first_lsn + b->head.count <= w->next)
            continue;
        if (b->head.first_lsn > w->next)
            walk_damaged(w, b->head.first_lsn - w->next, s->j->files[file].head.number);
        w->oldest = b->head.oldest;
        if (!w->over)
            e = walk_batch(w, b, limit);
        if (e == OK && w->batch_end != NULL)
            e = w->batch_end(w);
    }
    return e;
}

/* ---- What is in doubt ---- */

/* Writes the records at hand into the newest file. */
static enum err scan_write_again(struct walk *w)
{
    struct journal *j = w->scan->j;
    struct journal_place place;
    if (w->again->count == 0)
        return OK;
    uint64_t oldest = w->oldest > j->oldest ? w->oldest : j->oldest;
    enum err e = journal_put(j, w->again, oldest, j->options.time_ns, &place);
    batch_reset(w->again);
    return e;
}

static enum err again_record(struct walk *w, uint64_t lsn, struct journal_place place,
                             const struct record *r)
{
    (void)lsn;
    (void)place;
    uint8_t *body;
    return batch_add(w->again, r, &body);
}

/* The tail begins here. */
static void again_damaged(struct walk *w, uint64_t lsn, uint64_t n, uint64_t file)
{
    log_event(LOG_JOURNAL_TAIL, "file=%llu lsn=%llu records=%llu", (unsigned long long)file,
              (unsigned long long)lsn, (unsigned long long)n);
    w->over = true;
}

/* Room for a file that takes everything above the LSN that is not void. */
static uint64_t scan_bytes_above(const struct scan *s, uint64_t lsn)
{
    uint64_t bytes = BLOCK_BYTES;
    for (size_t i = 0; i < s->n_batches; i++) {
        const struct scan_batch *b = &s->batches[i];
        if (b->head.first_lsn + b->head.count - 1 > lsn &&
            b->head.first_lsn <= scan_limit(s, b->file))
            bytes += scan_padded(b->head.size);
    }
    return bytes > s->j->options.file_bytes ? bytes : s->j->options.file_bytes;
}

/* Makes a new file, writes into it what counts above the durable LSN, and only then lets it count:
 * until then all of it is still where it was. */
static enum err scan_settle(struct scan *s)
{
    struct journal *j = s->j;
    struct batch again;
    struct walk w = {.scan = s,
                     .next = j->durable_lsn + 1,
                     .record = again_record,
                     .batch_end = scan_write_again,
                     .damaged = again_damaged,
                     .again = &again};
    uint64_t durable = j->durable_lsn;
    uint64_t oldest = j->oldest;
    s->unreadable = false;
    enum err e = journal_make(j, true, scan_bytes_above(s, durable));
    if (e != OK)
        return e;
    batch_init(&again);
    e = walk_run(&w); /* through the old files, where nothing is void by the new one */
    batch_fini(&again);
    if (e == OK && s->unreadable)
        e = ERR_IO;
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

static enum err show_record(struct walk *w, uint64_t lsn, struct journal_place place,
                            const struct record *r)
{
    return w->visitor->record(w->visitor->arg, lsn, place, r);
}

static void show_damaged(struct walk *w, uint64_t lsn, uint64_t n, uint64_t file)
{
    log_event(LOG_JOURNAL_DAMAGED, "file=%llu lsn=%llu records=%llu what=lost",
              (unsigned long long)file, (unsigned long long)lsn, (unsigned long long)n);
    w->visitor->damaged(w->visitor->arg, lsn, n, file);
}

static enum err scan_show(struct scan *s, const struct journal_visitor *visitor)
{
    struct journal *j = s->j;
    struct walk w = {.scan = s,
                     .next = j->files[0].head.first_lsn,
                     .record = show_record,
                     .damaged = show_damaged,
                     .visitor = visitor};
    enum err e = walk_run(&w);
    if (e == OK && w.next <= j->durable_lsn)
        walk_damaged(&w, j->durable_lsn + 1 - w.next, journal_newest(j));
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
    struct scan s = {.j = j, .window = malloc(WINDOW_BYTES)};
    enum err e = s.window == NULL ? ERR_NOMEM : scan_run(&s, visitor);
    free(s.window);
    free(s.numbers);
    free(s.batches);
    return e;
}
