// SPDX-License-Identifier: Apache-2.0
/* Writing a segment: records are put together in a buffer, and written once there are enough. A
 * record's checksum stands before its bytes, so the buffer has room for the largest one. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/checksum.h"
#include "base/log.h"
#include "storage/segment_priv.h"

enum {
    WRITE_BYTES = 256 * 1024, /* what is worth a write */
    BUFFER_BYTES = WRITE_BYTES + SEGMENT_RECORD_MAX
};

struct segment_writer {
    struct segment_options options;
    struct file_head head;
    struct disk_file *file;
    enum err e; /* the first error: nothing is written any more */
    struct segment_table table;
    uint64_t offset; /* in the file, of the buffer's first byte */
    size_t used;     /* of the buffer, the record that is not complete included */
    /* The message that is being added. */
    struct segment_item item; /* the record of it */
    uint64_t left;            /* bytes that have not come */
    size_t record_at;         /* in the buffer */
    size_t record_left;       /* bytes of the record that have not come */
    uint8_t *record_bytes;    /* where they go */
    uint8_t buffer[BUFFER_BYTES];
};

enum err segment_make_folder(struct disk *d)
{
    enum err e = disk_make_folder(d, SEGMENT_FOLDER);
    return e == OK ? disk_sync_folder(d, "") : e;
}

void segment_path(char path[DISK_PATH_MAX], uint64_t number)
{
    snprintf(path, DISK_PATH_MAX, SEGMENT_FOLDER "/%llu", (unsigned long long)number);
}

static void write_head(struct segment_writer *w)
{
    memset(w->buffer, 0, BLOCK_BYTES);
    for (size_t i = 0; i < BLOCK_BYTES; i += BLOCK_BYTES / FILE_HEAD_COPIES)
        file_head_put(w->buffer + i, &w->head);
    w->used = BLOCK_BYTES;
}

enum err segment_begin(struct segment_writer **out, const struct segment_options *o)
{
    *out = NULL;
    struct segment_writer *w = malloc(sizeof(*w));
    if (w == NULL)
        return ERR_NOMEM;
    char path[DISK_PATH_MAX];
    segment_path(path, o->number);
    memset(w, 0, offsetof(struct segment_writer, buffer));
    w->options = *o;
    w->head = (struct file_head){
        .role = ROLE_SEGMENT, .number = o->number, .first_lsn = o->as_of_lsn};
    memcpy(w->head.store_id, o->store_id, STORE_ID_SIZE);
    enum err e = disk_open(o->disk, path, DISK_NEW, &w->file);
    if (e != OK) {
        free(w);
        return e;
    }
    env_secret(o->env, &w->head.nonce, sizeof(w->head.nonce));
    write_head(w);
    *out = w;
    return OK;
}

/* What is complete goes to the file. */
static enum err write_out(struct segment_writer *w)
{
    struct span part = span_of(w->buffer, w->used);
    if (w->e == OK && w->used != 0)
        w->e = disk_write(w->file, w->offset, &part, 1);
    w->offset += w->used;
    w->used = 0;
    return w->e;
}

/* ---- Messages ---- */

/* Begins the record that `w->item` describes: there is room, since what is complete and worth a
 * write has been written. */
static void write_record(struct segment_writer *w)
{
    segment_item_measure(&w->item);
    ASSERT(w->used + w->item.length <= BUFFER_BYTES);
    uint64_t mark = segment_place_mark(w->head.nonce, w->offset + w->used);
    w->record_at = w->used;
    w->record_left = w->item.bytes.size;
    w->record_bytes = segment_item_put(w->buffer + w->used, mark, &w->item);
    w->used += w->item.length;
}

/* All bytes of the record have come. */
static enum err write_record_end(struct segment_writer *w)
{
    record_seal(w->buffer + w->record_at);
    return w->used >= WRITE_BYTES ? write_out(w) : OK;
}

/* A message or reference begins. */
static enum err write_begin(struct segment_writer *w)
{
    ASSERT(w->e != OK || w->left == 0);
    ASSERT(w->e != OK || segment_table_follows(&w->table, w->item.message.target));
    ASSERT(w->item.message.target.seq != UINT64_MAX);
    if (w->e == OK)
        w->e = segment_table_add(&w->table, &w->item, w->offset + w->used);
    if (w->e == OK)
        write_record(w);
    return w->e;
}

enum err segment_add(struct segment_writer *w, const struct segment_message *m, uint64_t size,
                     struct segment_place *place)
{
    *place = (struct segment_place){m->target, w->offset + w->used, size};
    w->item = (struct segment_item){.kind = RECORD_message,
                                    .message = *m,
                                    .size = size,
                                    .bytes = {NULL, segment_part_size(size, 0)}};
    if (write_begin(w) != OK)
        return w->e;
    place->offset = w->offset + w->record_at;
    w->left = size;
    return size == 0 ? write_record_end(w) : OK;
}

/* The record of the message's next part. */
static void write_part(struct segment_writer *w)
{
    w->item.kind = RECORD_part;
    w->item.part++;
    w->item.message.deadline_ns = 0; /* the first record has it */
    w->item.bytes.size = segment_part_size(w->item.size, w->item.part);
    write_record(w);
}

enum err segment_add_bytes(struct segment_writer *w, struct span bytes)
{
    ASSERT(w->e != OK || bytes.size <= w->left);
    while (bytes.size != 0 && w->e == OK) {
        if (w->record_left == 0)
            write_part(w);
        struct span now;
        bool there = take_span(&bytes, bytes.size < w->record_left ? bytes.size : w->record_left,
                               &now);
        ASSERT(there);
        w->record_bytes = put_bytes(w->record_bytes, now);
        w->record_left -= now.size;
        w->left -= now.size;
        if (w->record_left == 0 && write_record_end(w) != OK)
            break;
    }
    return w->e;
}

enum err segment_add_same(struct segment_writer *w, const struct segment_message *m,
                          const struct segment_place *place)
{
    ASSERT(w->e != OK || (place->offset >= BLOCK_BYTES && place->offset < w->offset + w->used));
    w->item = (struct segment_item){
        .kind = RECORD_reference, .message = *m, .size = place->size, .to = *place};
    return write_begin(w) == OK ? write_record_end(w) : w->e;
}

uint64_t segment_written(const struct segment_writer *w)
{
    return w->offset + w->used;
}

/* ---- The end ---- */

/* Room for a little in the buffer. */
static uint8_t *write_room(struct segment_writer *w, size_t size)
{
    if (w->used + size > WRITE_BYTES)
        (void)!write_out(w);
    w->used += size;
    return w->buffer + w->used - size;
}

static uint32_t write_rows(struct segment_writer *w)
{
    uint32_t checksum = 0;
    for (size_t i = 0; i < w->table.n_rows && w->e == OK; i++) {
        uint8_t *p = write_room(w, SEGMENT_ROW_SIZE);
        segment_row_put(p, &w->table.rows[i]);
        checksum = checksum_crc32c(checksum, span_of(p, SEGMENT_ROW_SIZE));
    }
    return checksum;
}

/* The footer, up to the end of the file. Answers its checksum. */
static uint32_t write_footer(struct segment_writer *w)
{
    struct segment_tail tail = {.nonce = w->head.nonce,
                                .footer = segment_written(w),
                                .count = w->table.count,
                                .bytes = w->table.bytes,
                                .as_of_lsn = w->options.as_of_lsn,
                                .n_rows = (uint32_t)w->table.n_rows};
    put_u64(write_room(w, SEGMENT_MARK_SIZE), segment_footer_mark(tail.nonce, tail.footer));
    for (size_t i = 0; i < w->table.n_points && w->e == OK; i++)
        segment_point_put(write_room(w, SEGMENT_POINT_SIZE), w->table.points[i]);
    tail.rows = segment_written(w);
    uint32_t rows_checksum = write_rows(w);
    file_head_put(write_room(w, FILE_HEAD_SIZE), &w->head);
    return segment_tail_put(write_room(w, SEGMENT_END_SIZE), &tail, rows_checksum);
}

/* Nobody knows of the file: one that stays is found at the next start. */
static void write_remove(struct segment_writer *w)
{
    char path[DISK_PATH_MAX];
    segment_path(path, w->options.number);
    enum err e = disk_remove(w->options.disk, path);
    if (e != OK && e != ERR_NOT_FOUND)
        log_event(LOG_DISK_FAULT, "file=%s what=remove text=\"%s\"", path, err_text(e));
}

static void write_free(struct segment_writer *w)
{
    disk_close(w->file);
    segment_table_fini(&w->table);
    free(w);
}

enum err segment_end(struct segment_writer *w, struct segment_made *made)
{
    ASSERT(w->left == 0 || w->e != OK);
    uint32_t checksum = w->e == OK ? write_footer(w) : 0;
    *made = (struct segment_made){.number = w->options.number,
                                  .as_of_lsn = w->options.as_of_lsn,
                                  .count = w->table.count,
                                  .bytes = w->table.bytes,
                                  .file_bytes = segment_written(w),
                                  .checksum = checksum,
                                  .n_rows = w->table.n_rows};
    enum err e = write_out(w);
    if (e == OK)
        e = disk_sync(w->file);
    if (e == OK)
        e = disk_sync_folder(w->options.disk, SEGMENT_FOLDER);
    if (e == OK) {
        made->rows = w->table.rows;
        w->table.rows = NULL;
        write_free(w);
        return OK;
    }
    *made = (struct segment_made){.rows = NULL};
    segment_abort(w);
    return e;
}

void segment_abort(struct segment_writer *w)
{
    if (w == NULL)
        return;
    write_remove(w);
    write_free(w);
}
