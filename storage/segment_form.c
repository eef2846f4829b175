// SPDX-License-Identifier: Apache-2.0
/* The bytes of a segment, both ways: FORMAT.md, section 4. */
#include <stdlib.h>

#include "base/bytes.h"
#include "base/checksum.h"
#include "storage/segment_priv.h"

#define SEGMENT_MAGIC SPAN_LIT("ENDS")

enum {
    ITEM_HEAD_SIZE = 32,         /* of a body, before the bytes or the reference */
    ITEM_TO_SIZE = 24,           /* what it refers to */
    FIELD_DEADLINE = 2,          /* FORMAT.md, section 3.2 */
    FIELD_DEADLINE_SIZE = 2 + 8, /* with type and size */
    LIKE_FIELDS_AT = 10,         /* their size, in a record's head */
    LIKE_FIELDS_MAX = SEGMENT_EXTRA_MAX - RECORD_HEAD_SIZE - ITEM_HEAD_SIZE,
    TAIL_CHECKED = 56, /* bytes before the checksum */
    TABLE_ROWS_MIN = 16,
    TABLE_POINTS_MIN = 64
};

uint64_t segment_place_mark(uint64_t nonce, uint64_t offset)
{
    return nonce ^ offset;
}

uint64_t segment_footer_mark(uint64_t nonce, uint64_t offset)
{
    return ~(nonce ^ offset);
}

/* ---- Records ---- */

static size_t item_align(size_t n)
{
    return (n + RECORD_ALIGN - 1) / RECORD_ALIGN * RECORD_ALIGN;
}

size_t segment_part_size(uint64_t size, uint64_t part)
{
    uint64_t left = size - part * SEGMENT_PART_BYTES;
    return left < SEGMENT_PART_BYTES ? (size_t)left : SEGMENT_PART_BYTES;
}

uint64_t segment_item_span(const struct segment_item *item)
{
    if (item->kind != RECORD_message || item->size <= SEGMENT_PART_BYTES)
        return item->length;
    const uint64_t head = RECORD_HEAD_SIZE + ITEM_HEAD_SIZE;
    uint64_t more = item->size - SEGMENT_PART_BYTES;
    uint64_t last = more % SEGMENT_PART_BYTES;
    uint64_t span = item->length + more / SEGMENT_PART_BYTES * (head + SEGMENT_PART_BYTES);
    return last == 0 ? span : span + item_align((size_t)(head + last));
}

static size_t item_fields_size(const struct segment_item *item)
{
    return item->message.deadline_ns == 0 ? 0 : FIELD_DEADLINE_SIZE;
}

static size_t item_body_size(const struct segment_item *item)
{
    return ITEM_HEAD_SIZE + (item->kind == RECORD_reference ? ITEM_TO_SIZE : item->bytes.size);
}

void segment_item_measure(struct segment_item *item)
{
    item->length = item_align(RECORD_HEAD_SIZE + item_fields_size(item) + item_body_size(item));
}

static uint8_t *put_target(uint8_t *p, struct store_target target)
{
    return put_u64(put_u64(p, target.queue), target.seq);
}

uint8_t *segment_item_put(uint8_t *p, uint64_t mark, const struct segment_item *item)
{
    uint8_t fields[FIELD_DEADLINE_SIZE];
    put_u64(put_u8(put_u8(fields, FIELD_DEADLINE), 8), item->message.deadline_ns);
    struct record r = {.kind = (uint8_t)item->kind,
                       .time_ns = item->message.time_ns,
                       .fields = span_of(fields, item_fields_size(item)),
                       .body = {NULL, item_body_size(item)}};
    memset(p + item->length - RECORD_ALIGN, 0, RECORD_ALIGN);
    p = put_target(put_u64(record_put(p, &r), mark), item->message.target);
    if (item->kind == RECORD_part)
        return put_u32(put_u32(p, item->part), 0);
    p = put_u64(p, item->size);
    if (item->kind == RECORD_reference)
        p = put_u64(put_target(p, item->to.target), item->to.offset);
    return p;
}

bool segment_item_like(struct span in, uint64_t mark)
{
    uint16_t fields = 0;
    uint64_t found = 0;
    struct span head;
    struct span skipped;
    bool there = take_span(&in, LIKE_FIELDS_AT, &head) && take_u16(&in, &fields) &&
                 fields <= LIKE_FIELDS_MAX &&
                 take_span(&in, RECORD_HEAD_SIZE - LIKE_FIELDS_AT - 2 + fields, &skipped) &&
                 take_u64(&in, &found);
    return there && found == mark;
}

static bool take_fields(struct span in, struct segment_message *m)
{
    while (in.size != 0) {
        uint8_t type;
        uint8_t size;
        struct span value;
        if (!take_u8(&in, &type) || !take_u8(&in, &size) || !take_span(&in, size, &value))
            return false;
        if (type == FIELD_DEADLINE && (!take_u64(&value, &m->deadline_ns) || value.size != 0))
            return false;
    }
    return true;
}

static bool take_target(struct span *in, struct store_target *target)
{
    return take_u64(in, &target->queue) && take_u64(in, &target->seq) && target->seq != UINT64_MAX;
}

/* What comes behind place, queue and seq. */
static bool take_rest(struct span *in, struct segment_item *item)
{
    uint32_t zero;
    switch ((unsigned)item->kind) {
    case RECORD_message:
        if (!take_u64(in, &item->size) || in->size != segment_part_size(item->size, 0))
            return false;
        break;
    case RECORD_part:
        if (!take_u32(in, &item->part) || !take_u32(in, &zero))
            return false;
        break;
    case RECORD_reference:
        if (!take_u64(in, &item->size) || !take_target(in, &item->to.target) ||
            !take_u64(in, &item->to.offset) || in->size != 0)
            return false;
        item->to.size = item->size;
        return true;
    default: return false;
    }
    item->bytes = *in;
    return true;
}

bool segment_item_read(struct span in, uint64_t mark, struct segment_item *item)
{
    struct record r;
    uint64_t found;
    if (!record_read(in, &r) || r.in_group)
        return false;
    *item = (struct segment_item){.kind = (enum record_kind)r.kind,
                                  .message.time_ns = r.time_ns,
                                  .length = item_align(record_length(in.at))};
    struct span body = r.body;
    return take_u64(&body, &found) && found == mark && take_target(&body, &item->message.target) &&
           take_rest(&body, item) && take_fields(r.fields, &item->message) &&
           (item->kind != RECORD_part || r.fields.size == 0);
}

/* ---- The footer ---- */

uint8_t *segment_point_put(uint8_t *p, struct segment_point point)
{
    return put_u64(put_u64(p, point.seq), point.offset);
}

bool segment_point_take(struct span *in, struct segment_point *point)
{
    return take_u64(in, &point->seq) && take_u64(in, &point->offset);
}

uint8_t *segment_row_put(uint8_t *p, const struct segment_row *row)
{
    p = put_u64(put_u64(put_u64(p, row->queue), row->first_seq), row->last_seq);
    p = put_u64(put_u64(put_u64(p, row->bytes), row->deadline_ns), row->offset);
    return put_u32(put_u32(p, row->count), row->first_point);
}

bool segment_row_take(struct span *in, struct segment_row *row)
{
    return take_u64(in, &row->queue) && take_u64(in, &row->first_seq) &&
           take_u64(in, &row->last_seq) && take_u64(in, &row->bytes) &&
           take_u64(in, &row->deadline_ns) && take_u64(in, &row->offset) &&
           take_u32(in, &row->count) && take_u32(in, &row->first_point);
}

uint32_t segment_tail_put(uint8_t *at, const struct segment_tail *tail, uint32_t rows_checksum)
{
    uint8_t *p = put_u64(put_u64(put_u64(at, tail->nonce), tail->footer), tail->rows);
    p = put_u64(put_u64(put_u64(p, tail->count), tail->bytes), tail->as_of_lsn);
    p = put_u32(put_u32(p, tail->n_rows), 0);
    uint32_t checksum = checksum_crc32c(rows_checksum, span_of(at, TAIL_CHECKED));
    put_bytes(put_u32(p, checksum), SEGMENT_MAGIC);
    return checksum;
}

bool segment_tail_read(struct span in, struct segment_tail *tail)
{
    uint64_t checked_later;
    return take_u64(&in, &tail->nonce) && take_u64(&in, &tail->footer) &&
           take_u64(&in, &tail->rows) && take_u64(&in, &tail->count) &&
           take_u64(&in, &tail->bytes) && take_u64(&in, &tail->as_of_lsn) &&
           take_u32(&in, &tail->n_rows) && take_u64(&in, &checked_later) &&
           span_eq(in, SEGMENT_MAGIC);
}

bool segment_tail_check(struct span in, uint32_t rows_checksum, uint32_t *checksum)
{
    struct span checked;
    return take_span(&in, TAIL_CHECKED, &checked) && take_u32(&in, checksum) &&
           *checksum == checksum_crc32c(rows_checksum, checked);
}

/* ---- The table ---- */

void segment_table_fini(struct segment_table *t)
{
    free(t->rows);
    free(t->points);
    *t = (struct segment_table){.rows = NULL};
}

bool segment_table_follows(const struct segment_table *t, struct store_target target)
{
    if (t->n_rows == 0)
        return true;
    const struct segment_row *last = &t->rows[t->n_rows - 1];
    return target.queue > last->queue ||
           (target.queue == last->queue && target.seq > last->last_seq);
}

/* Room for one more; NULL when memory is out. */
static void *table_room(void *at, size_t n, size_t *capacity, size_t least, size_t size)
{
    if (n < *capacity)
        return at;
    size_t more = *capacity == 0 ? least : 2 * *capacity;
    void *grown = realloc(at, more * size);
    if (grown != NULL)
        *capacity = more;
    return grown;
}

static enum err table_row(struct segment_table *t, const struct segment_item *item, uint64_t offset)
{
    if (t->n_rows == UINT32_MAX)
        return ERR_LIMIT;
    struct segment_row *rows = table_room(t->rows, t->n_rows, &t->rows_capacity, TABLE_ROWS_MIN,
                                          sizeof(*rows));
    if (rows == NULL)
        return ERR_NOMEM;
    t->rows = rows;
    t->rows[t->n_rows++] = (struct segment_row){.queue = item->message.target.queue,
                                                .first_seq = item->message.target.seq,
                                                .offset = offset,
                                                .first_point = (uint32_t)t->n_points};
    t->point_at = offset;
    return OK;
}

static enum err table_point(struct segment_table *t, uint64_t seq, uint64_t offset)
{
    if (t->n_points == UINT32_MAX)
        return ERR_LIMIT;
    struct segment_point *points = table_room(t->points, t->n_points, &t->points_capacity,
                                              TABLE_POINTS_MIN, sizeof(*points));
    if (points == NULL)
        return ERR_NOMEM;
    t->points = points;
    t->points[t->n_points++] = (struct segment_point){seq, offset};
    t->point_at = offset;
    return OK;
}

enum err segment_table_add(struct segment_table *t, const struct segment_item *item,
                           uint64_t offset)
{
    struct store_target target = item->message.target;
    ASSERT(segment_table_follows(t, target));
    enum err e = OK;
    if (t->n_rows == 0 || t->rows[t->n_rows - 1].queue != target.queue)
        e = table_row(t, item, offset);
    else if (offset - t->point_at >= SEGMENT_POINT_EVERY)
        e = table_point(t, target.seq, offset);
    if (e != OK)
        return e;
    struct segment_row *row = &t->rows[t->n_rows - 1];
    if (row->count == UINT32_MAX)
        return ERR_LIMIT;
    uint64_t deadline = item->message.deadline_ns;
    row->last_seq = target.seq;
    row->count++;
    row->bytes += item->size;
    if (deadline != 0 && (row->deadline_ns == 0 || deadline < row->deadline_ns))
        row->deadline_ns = deadline;
    t->count++;
    t->bytes += item->size;
    return OK;
}
