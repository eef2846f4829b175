// SPDX-License-Identifier: Apache-2.0
/* Which segment a file is, and what it has of each queue: by its footer, or by its records. */
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/checksum.h"
#include "base/log.h"
#include "storage/segment_priv.h"

_Static_assert(sizeof(struct segment_row) == SEGMENT_ROW_SIZE,
               "rows are read into the memory in which they are kept");

/* ---- The head ---- */

static enum err open_state_err(enum file_state state, bool unreadable)
{
    switch (state) {
    case FILE_OURS: return OK;
    case FILE_FUTURE: return ERR_FUTURE;
    case FILE_INVALID:
    case FILE_FOREIGN:
    case FILE_OTHER: break;
    }
    return unreadable ? ERR_IO : ERR_SYNTAX;
}

/* The first copy that is whole: two in the first block, the third near the end of the file. */
static enum file_state open_head(struct segment *s, const struct segment_name *name,
                                 bool *unreadable)
{
    const uint64_t copies[] = {0, BLOCK_BYTES / FILE_HEAD_COPIES,
                               s->file_bytes - SEGMENT_TRAILER_SIZE};
    for (size_t i = 0; i < sizeof(copies) / sizeof(copies[0]); i++) {
        uint8_t bytes[FILE_HEAD_SIZE];
        if (copies[i] >= s->file_bytes)
            continue;
        size_t got = segment_read_bytes(s->file, copies[i], bytes, sizeof(bytes), unreadable);
        enum file_state state = file_head_read(span_of(bytes, got), ROLE_SEGMENT, name->store_id,
                                               &s->head);
        if (state == FILE_OURS && s->head.number != name->number)
            return FILE_OTHER;
        if (state != FILE_INVALID)
            return state;
    }
    return FILE_INVALID;
}

/* The file with its head. */
static enum err open_file(struct segment **out, const struct segment_name *name,
                          enum file_state *state)
{
    *state = FILE_INVALID;
    struct segment *s = calloc(1, sizeof(*s));
    if (s == NULL)
        return ERR_NOMEM;
    char path[DISK_PATH_MAX];
    bool unreadable = false;
    segment_path(path, name->number);
    enum err e = disk_open(name->disk, path, DISK_READ, &s->file);
    if (e == OK)
        e = disk_size(s->file, &s->file_bytes);
    if (e == OK && s->file_bytes > INT64_MAX)
        e = ERR_SYNTAX;
    if (e == OK) {
        *state = open_head(s, name, &unreadable);
        e = open_state_err(*state, unreadable);
    }
    if (e != OK) {
        segment_close(s);
        return e;
    }
    *out = s;
    return OK;
}

/* ---- The footer ---- */

/* Does what the end says lie in the file? */
static bool tail_fits(const struct segment *s, const struct segment_tail *t)
{
    uint64_t rows_size = (uint64_t)t->n_rows * SEGMENT_ROW_SIZE;
    return t->nonce == s->head.nonce && t->footer >= BLOCK_BYTES && t->footer % RECORD_ALIGN == 0 &&
           rows_size <= s->file_bytes - SEGMENT_TRAILER_SIZE &&
           t->rows == s->file_bytes - SEGMENT_TRAILER_SIZE - rows_size && t->footer <= t->rows &&
           t->rows - t->footer >= SEGMENT_MARK_SIZE &&
           (t->rows - t->footer - SEGMENT_MARK_SIZE) % SEGMENT_POINT_SIZE == 0 &&
           (t->rows - t->footer) / SEGMENT_POINT_SIZE <= UINT32_MAX;
}

/* Does the row make sense, behind the one before it, which is NULL for the first? */
static bool row_fits(const struct segment *s, const struct segment_row *before,
                     const struct segment_row *row)
{
    bool follows = before == NULL ? row->offset >= BLOCK_BYTES && row->first_point == 0
                                  : row->queue > before->queue && row->offset > before->offset &&
                                        row->first_point >= before->first_point;
    return follows && row->first_seq <= row->last_seq && row->last_seq != UINT64_MAX &&
           row->count != 0 && row->count - (uint64_t)1 <= row->last_seq - row->first_seq &&
           row->offset < s->records_end && row->offset % RECORD_ALIGN == 0 &&
           row->first_point <= s->table.n_points;
}

/* Reads the rows, each into the memory where it stays. */
static enum err open_rows(struct segment *s, const struct segment_tail *t, bool *unreadable,
                          uint32_t *checksum)
{
    size_t size = (size_t)t->n_rows * SEGMENT_ROW_SIZE;
    struct segment_row *rows = malloc(size == 0 ? 1 : size);
    if (rows == NULL)
        return ERR_NOMEM;
    s->table.rows = rows;
    if (segment_read_bytes(s->file, t->rows, (uint8_t *)rows, size, unreadable) != size)
        return ERR_SYNTAX;
    *checksum = checksum_crc32c(0, span_of(rows, size));
    for (uint32_t i = 0; i < t->n_rows; i++) {
        struct segment_row row;
        struct span in = span_of(&rows[i], SEGMENT_ROW_SIZE);
        if (!segment_row_take(&in, &row) || !row_fits(s, i == 0 ? NULL : &rows[i - 1], &row))
            return ERR_SYNTAX;
        rows[i] = row;
    }
    s->table.n_rows = t->n_rows;
    return OK;
}

static enum err open_footer(struct segment *s, const uint32_t *wanted, bool *unreadable)
{
    uint8_t bytes[SEGMENT_END_SIZE];
    struct segment_tail t;
    if (s->file_bytes < BLOCK_BYTES + SEGMENT_TRAILER_SIZE)
        return ERR_SYNTAX;
    size_t got = segment_read_bytes(s->file, s->file_bytes - SEGMENT_END_SIZE, bytes, sizeof(bytes),
                                    unreadable);
    if (!segment_tail_read(span_of(bytes, got), &t) || !tail_fits(s, &t))
        return ERR_SYNTAX;
    uint32_t checksum = 0;
    s->records_end = t.footer;
    s->points_at = t.footer + SEGMENT_MARK_SIZE;
    s->table.n_points = (size_t)((t.rows - s->points_at) / SEGMENT_POINT_SIZE);
    s->table.count = t.count;
    s->table.bytes = t.bytes;
    enum err e = open_rows(s, &t, unreadable, &checksum);
    if (e != OK)
        return e;
    if (!segment_tail_check(span_of(bytes, got), checksum, &checksum))
        return ERR_SYNTAX;
    return wanted == NULL || checksum == *wanted ? OK : ERR_SYNTAX;
}

enum err segment_open(struct segment **out, const struct segment_name *name,
                      const uint32_t *checksum, enum file_state *state)
{
    *out = NULL;
    struct segment *s;
    bool unreadable = false;
    enum err e = open_file(&s, name, state);
    if (e != OK)
        return e;
    e = open_footer(s, checksum, &unreadable);
    if (e != OK) {
        segment_close(s);
        return e == ERR_SYNTAX && unreadable ? ERR_IO : e;
    }
    *out = s;
    return OK;
}

/* ---- Without the footer ---- */

static enum err recover_records(struct segment *s, struct segment_stretch *in)
{
    struct segment_scan scan = {
        .s = s, .in = in, .at = BLOCK_BYTES, .end = s->file_bytes, .to = {UINT64_MAX, UINT64_MAX}};
    bool found = true;
    enum err e = OK;
    while (e == OK && found) {
        e = segment_scan_next(&scan, &found);
        if (e != OK)
            break;
        s->damages += scan.skipped;
        if (!found)
            break;
        e = segment_table_add(&s->table, &scan.item, scan.at);
        scan.from = scan.item.message.target;
        scan.from.seq++;
        scan.at += segment_item_span(&scan.item);
    }
    s->records_end = scan.end;
    return e;
}

enum err segment_recover(struct segment **out, const struct segment_name *name,
                         enum file_state *state)
{
    *out = NULL;
    struct segment *s;
    enum err e = open_file(&s, name, state);
    if (e != OK)
        return e;
    struct segment_stretch in = {.bytes = NULL};
    e = recover_records(s, &in);
    free(in.bytes);
    if (e != OK) {
        segment_close(s);
        return e;
    }
    log_event(LOG_SEGMENT_DAMAGED, "file=%s messages=%llu damages=%llu what=recovered",
              s->file->path, (unsigned long long)s->table.count, (unsigned long long)s->damages);
    *out = s;
    return OK;
}

/* ---- Questions ---- */

void segment_close(struct segment *s)
{
    if (s == NULL)
        return;
    disk_close(s->file);
    segment_table_fini(&s->table);
    free(s);
}

uint64_t segment_number(const struct segment *s)
{
    return s->head.number;
}

uint64_t segment_as_of_lsn(const struct segment *s)
{
    return s->head.first_lsn;
}

uint64_t segment_count(const struct segment *s)
{
    return s->table.count;
}

uint64_t segment_bytes(const struct segment *s)
{
    return s->table.bytes;
}

uint64_t segment_file_bytes(const struct segment *s)
{
    return s->file_bytes;
}

uint64_t segment_damages(const struct segment *s)
{
    return s->damages;
}

const struct segment_row *segment_rows(const struct segment *s, size_t *n)
{
    *n = s->table.n_rows;
    return s->table.rows;
}

const struct segment_row *segment_find(const struct segment *s, uint64_t queue)
{
    size_t from = 0;
    size_t to = s->table.n_rows;
    while (from < to) {
        size_t i = from + (to - from) / 2;
        if (s->table.rows[i].queue < queue)
            from = i + 1;
        else
            to = i;
    }
    return from < s->table.n_rows && s->table.rows[from].queue == queue ? &s->table.rows[from]
                                                                        : NULL;
}
