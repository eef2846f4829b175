// SPDX-License-Identifier: Apache-2.0
/* Reading a segment's messages: in the order of the file, through a buffer that is read ahead. What
 * is read is believed by its checksum and its place alone; the sparse index is a hint where to
 * begin. */
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/log.h"
#include "storage/segment_priv.h"

enum {
    AHEAD_BYTES = 256 * 1024,
    READ_TRIES = 3,
    POINTS_AT_ONCE = 256 /* of the sparse index, to search in memory */
};

struct segment_window {
    const struct segment *s; /* of which the stretches are, */
    uint64_t nonce;          /* unless it is another by now */
    struct segment_stretch in;
    struct segment_stretch apart; /* for messages that are referred to */
};

/* ---- Bytes ---- */

/* A block, tried more than once. */
static size_t read_block(struct disk_file *f, uint64_t at, uint8_t *to, size_t size,
                         bool *unreadable)
{
    size_t got = 0;
    for (int i = 0; i < READ_TRIES; i++)
        if (disk_read(f, at, to, size, &got) == OK)
            return got;
    memset(to, 0, size);
    *unreadable = true;
    log_event(LOG_SEGMENT_DAMAGED, "file=%s offset=%llu what=\"cannot be read\"", f->path,
              (unsigned long long)at);
    return size;
}

size_t segment_read_bytes(struct disk_file *f, uint64_t at, uint8_t *to, size_t size,
                          bool *unreadable)
{
    size_t done = 0;
    size_t got;
    if (disk_read(f, at, to, size, &got) == OK)
        return got;
    while (done < size) {
        size_t part = BLOCK_BYTES - (size_t)((at + done) % BLOCK_BYTES);
        if (part > size - done)
            part = size - done;
        got = read_block(f, at + done, to + done, part, unreadable);
        done += got;
        if (got < part)
            break;
    }
    return done;
}

/* Most need less than the largest record takes. What was in it is gone. */
static enum err stretch_room(struct segment_stretch *st, size_t size)
{
    ASSERT(size <= SEGMENT_RECORD_MAX);
    if (size <= st->capacity)
        return OK;
    size_t capacity = size <= AHEAD_BYTES ? AHEAD_BYTES : SEGMENT_RECORD_MAX;
    free(st->bytes);
    st->size = 0;
    st->bytes = malloc(capacity);
    st->capacity = st->bytes == NULL ? 0 : capacity;
    return st->bytes == NULL ? ERR_NOMEM : OK;
}

static enum err stretch_fill(struct segment_stretch *st, const struct segment *s, uint64_t at,
                             size_t size)
{
    if (stretch_room(st, size) != OK)
        return ERR_NOMEM;
    st->at = at;
    st->unreadable = false;
    st->size = segment_read_bytes(s->file, at, st->bytes, size, &st->unreadable);
    return OK;
}

enum err segment_stretch_get(struct segment_stretch *st, const struct segment *s, uint64_t at,
                             uint64_t size, uint64_t end, struct span *out)
{
    uint64_t left = at < end ? end - at : 0;
    if (size > left)
        size = left;
    if (at < st->at || at - st->at > st->size || st->size - (at - st->at) < size) {
        uint64_t ahead = left < AHEAD_BYTES ? left : AHEAD_BYTES;
        enum err e = stretch_fill(st, s, at, (size_t)(size > ahead ? size : ahead));
        if (e != OK)
            return e;
    }
    size_t from = (size_t)(at - st->at);
    size_t there = st->size - from;
    *out = size == 0 ? SPAN_NONE : span_of(st->bytes + from, size < there ? (size_t)size : there);
    return OK;
}

/* ---- Records ---- */

enum err segment_item_at(const struct segment *s, struct segment_stretch *in, uint64_t at,
                         uint64_t end, struct segment_item *item, bool *found)
{
    uint64_t mark = segment_place_mark(s->head.nonce, at);
    struct span bytes;
    *found = false;
    enum err e = segment_stretch_get(in, s, at, SEGMENT_EXTRA_MAX, end, &bytes);
    if (e != OK || !segment_item_like(bytes, mark))
        return e;
    size_t length = record_length(bytes.at);
    if (length > SEGMENT_RECORD_MAX || length > end - at)
        return OK;
    if (length > bytes.size)
        e = segment_stretch_get(in, s, at, length, end, &bytes);
    *found = e == OK && segment_item_read(bytes, mark, item) && item->length <= end - at;
    return e;
}

static bool scan_is_before(struct store_target a, struct store_target b)
{
    return a.queue < b.queue || (a.queue == b.queue && a.seq < b.seq);
}

/* Does all of a message fit before the end? Its size may be anything. */
static bool item_fits(const struct segment_item *item, uint64_t at, uint64_t end)
{
    return item->kind != RECORD_message ||
           (item->size <= end - at && segment_item_span(item) <= end - at);
}

static bool scan_believes(const struct segment_scan *scan)
{
    const struct segment_item *item = &scan->item;
    return item->kind != RECORD_part && !scan_is_before(item->message.target, scan->from) &&
           !scan_is_before(scan->to, item->message.target) && item_fits(item, scan->at, scan->end);
}

/* Do the records end here? */
static enum err scan_footer(struct segment_scan *scan, bool *footer)
{
    struct span bytes;
    uint64_t mark;
    *footer = false;
    enum err e = segment_stretch_get(scan->in, scan->s, scan->at, SEGMENT_MARK_SIZE, scan->end,
                                     &bytes);
    if (e == OK)
        *footer = take_u64(&bytes, &mark) &&
                  mark == segment_footer_mark(scan->s->head.nonce, scan->at);
    return e;
}

enum err segment_scan_next(struct segment_scan *scan, bool *found)
{
    scan->skipped = false;
    scan->unreadable = false;
    *found = false;
    while (scan->at < scan->end) {
        bool footer;
        enum err e = segment_item_at(scan->s, scan->in, scan->at, scan->end, &scan->item, found);
        if (e != OK || (*found && scan_believes(scan)))
            return e;
        *found = false;
        e = scan_footer(scan, &footer);
        if (e != OK)
            return e;
        if (footer)
            scan->end = scan->at;
        if (footer)
            return OK;
        scan->skipped = true;
        scan->unreadable |= scan->in->unreadable;
        scan->at += RECORD_ALIGN;
    }
    scan->at = scan->end;
    return OK;
}

/* ---- Where to begin ---- */

/* The end of a queue's records, and of its points. */
static uint64_t row_end(const struct segment *s, const struct segment_row *row, size_t *points_end)
{
    bool last = row == &s->table.rows[s->table.n_rows - 1];
    *points_end = last ? s->table.n_points : row[1].first_point;
    return last ? s->records_end : row[1].offset;
}

/* Some of the sparse index, from the i-th on. Answers how many could be read. */
static size_t read_points(const struct segment *s, size_t i, size_t n, struct segment_point *out)
{
    uint8_t bytes[POINTS_AT_ONCE * SEGMENT_POINT_SIZE];
    size_t got = 0;
    if (s->table.points != NULL) {
        memcpy(out, &s->table.points[i], n * sizeof(*out));
        return n;
    }
    uint64_t at = s->points_at + (uint64_t)i * SEGMENT_POINT_SIZE;
    if (disk_read(s->file, at, bytes, n * SEGMENT_POINT_SIZE, &got) != OK)
        return 0;
    struct span in = span_of(bytes, got);
    size_t done = 0;
    while (done < n && segment_point_take(&in, &out[done]))
        done++;
    return done;
}

/* The number of points of [from, to) whose seq is at most this one, by what they say; and so where
 * the last of them is. */
static size_t find_points(const struct segment *s, size_t from, size_t to, uint64_t seq)
{
    struct segment_point points[POINTS_AT_ONCE];
    while (to - from > POINTS_AT_ONCE) {
        size_t i = from + (to - from) / 2;
        if (read_points(s, i, 1, points) == 1 && points[0].seq <= seq)
            from = i;
        else
            to = i;
    }
    size_t n = from == to ? 0 : read_points(s, from, to - from, points);
    while (n != 0 && points[n - 1].seq > seq)
        n--;
    return from + n;
}

/* Sets `scan->at` to the last place known to be at or before a seq, and `scan->from` to what is
 * there. A point at which there is not what it says is passed over. */
static enum err find_start(struct segment_scan *scan, const struct segment_row *row, uint64_t seq)
{
    const struct segment *s = scan->s;
    size_t points_end;
    (void)row_end(s, row, &points_end);
    scan->at = row->offset;
    scan->from = (struct store_target){row->queue, row->first_seq};
    if (seq <= row->first_seq)
        return OK;
    for (size_t i = find_points(s, row->first_point, points_end, seq); i > row->first_point; i--) {
        struct segment_point point;
        bool found;
        if (read_points(s, i - 1, 1, &point) != 1 || point.offset <= row->offset ||
            point.offset >= scan->end || point.offset % RECORD_ALIGN != 0 || point.seq > seq ||
            point.seq <= row->first_seq)
            continue;
        enum err e = segment_item_at(s, scan->in, point.offset, scan->end, &scan->item, &found);
        if (e != OK)
            return e;
        if (!found || scan->item.kind == RECORD_part ||
            scan->item.message.target.queue != row->queue ||
            scan->item.message.target.seq != point.seq)
            continue;
        scan->at = point.offset;
        scan->from.seq = point.seq;
        break;
    }
    return OK;
}

/* ---- Showing ---- */

/* One call of segment_read. */
struct segment_reading {
    struct segment_scan scan;
    struct segment_stretch *apart;
    const struct segment_row *row;
    const struct segment_visitor *visitor;
    uint64_t wanted; /* the first seq to be shown */
};

static void show_damaged(const struct segment_reading *r, uint64_t first, uint64_t last,
                         bool unreadable)
{
    if (first < r->wanted)
        first = r->wanted;
    if (first > last)
        return;
    log_event(LOG_SEGMENT_DAMAGED, "file=%s queue=%llu first_seq=%llu last_seq=%llu what=lost",
              r->scan.s->file->path, (unsigned long long)r->row->queue, (unsigned long long)first,
              (unsigned long long)last);
    r->visitor->damaged(r->visitor->arg, first, last, unreadable);
}

/* The parts of the message whose first record is `first`, at `at`, from the second on. */
static enum err show_parts(const struct segment_reading *r, struct segment_stretch *in, uint64_t at,
                           uint64_t end, const struct segment_item *first, bool *whole)
{
    at += first->length;
    for (uint64_t left = first->size - first->bytes.size, part = 1; left != 0; part++) {
        struct segment_item item;
        enum err e = segment_item_at(r->scan.s, in, at, end, &item, whole);
        if (e != OK)
            return e;
        *whole = *whole && item.kind == RECORD_part && item.part == part &&
                 item.message.target.queue == first->message.target.queue &&
                 item.message.target.seq == first->message.target.seq &&
                 item.bytes.size == segment_part_size(first->size, part);
        if (!*whole)
            return OK;
        e = r->visitor->more(r->visitor->arg, item.bytes);
        if (e != OK)
            return e;
        left -= item.bytes.size;
        at += item.length;
    }
    return OK;
}

/* The message that is at `at`, as `m`. */
static enum err show_message(const struct segment_reading *r, const struct segment_message *m,
                             struct segment_stretch *in, uint64_t at, uint64_t end,
                             const struct segment_item *item, bool *whole)
{
    struct segment_shown shown = {*m, item->size, item->bytes};
    struct segment_item first = *item;
    *whole = true;
    enum err e = r->visitor->message(r->visitor->arg, &shown);
    return e == OK ? show_parts(r, in, at, end, &first, whole) : e;
}

/* The message that another record has. */
static enum err show_referred(const struct segment_reading *r, const struct segment_item *reference,
                              bool *whole, bool *unreadable)
{
    const struct segment *s = r->scan.s;
    const struct segment_place *to = &reference->to;
    struct segment_item item;
    *whole = false;
    if (to->offset < BLOCK_BYTES || to->offset >= r->scan.at || to->offset % RECORD_ALIGN != 0)
        return OK;
    enum err e = segment_item_at(s, r->apart, to->offset, s->records_end, &item, whole);
    *unreadable = r->apart->unreadable;
    *whole = e == OK && *whole && item.kind == RECORD_message && item.size == to->size &&
             item.message.target.queue == to->target.queue &&
             item.message.target.seq == to->target.seq &&
             item_fits(&item, to->offset, s->records_end);
    if (!*whole)
        return e;
    e = show_message(r, &reference->message, r->apart, to->offset, s->records_end, &item, whole);
    *unreadable = r->apart->unreadable;
    return e;
}

static enum err show_item(const struct segment_reading *r, const struct segment_item *item)
{
    const struct segment_scan *scan = &r->scan;
    uint64_t seq = item->message.target.seq;
    bool whole;
    bool unreadable = false;
    enum err e;
    if (item->kind == RECORD_reference) {
        e = show_referred(r, item, &whole, &unreadable);
    } else {
        e = show_message(r, &item->message, scan->in, scan->at, scan->end, item, &whole);
        unreadable = scan->in->unreadable;
    }
    if (e == OK && !whole)
        show_damaged(r, seq, seq, unreadable);
    return e;
}

/* The next message that is wanted, or that there is none. */
static enum err show_next(struct segment_reading *r, struct segment_limits *left, bool *found)
{
    struct segment_scan *scan = &r->scan;
    enum err e = segment_scan_next(scan, found);
    if (e != OK)
        return e;
    uint64_t seq = *found ? scan->item.message.target.seq : r->row->last_seq + 1;
    if (seq > scan->from.seq && (scan->skipped || !*found))
        show_damaged(r, scan->from.seq, seq - 1, scan->unreadable);
    scan->from.seq = *found ? seq + 1 : seq;
    if (!*found)
        return OK;
    struct segment_item item = scan->item;
    if (seq >= r->wanted) {
        e = show_item(r, &item);
        left->count -= left->count != 0;
        left->bytes -= item.size < left->bytes ? item.size : left->bytes;
    }
    scan->at += segment_item_span(&item);
    return e;
}

/* What was read ahead is of no use for another file. */
static void window_for(struct segment_window *w, const struct segment *s)
{
    if (w->s == s && w->nonce == s->head.nonce)
        return;
    w->s = s;
    w->nonce = s->head.nonce;
    w->in.size = 0;
    w->apart.size = 0;
}

enum err segment_read(struct segment *s, struct segment_window *w, struct segment_cursor *c,
                      struct segment_limits limits, const struct segment_visitor *visitor,
                      bool *more)
{
    *more = false;
    const struct segment_row *row = segment_find(s, c->queue);
    if (row == NULL || c->seq > row->last_seq)
        return OK;
    window_for(w, s);
    size_t points_end;
    struct segment_reading r = {
        .scan = {.s = s, .in = &w->in, .end = row_end(s, row, &points_end)},
        .apart = &w->apart,
        .row = row,
        .visitor = visitor,
        .wanted = c->seq,
    };
    enum err e = OK;
    limits.bytes += limits.bytes == 0;
    limits.count += limits.count == 0;
    r.scan.to = (struct store_target){row->queue, row->last_seq};
    if (c->offset > row->offset && c->offset <= r.scan.end && c->offset % RECORD_ALIGN == 0) {
        r.scan.at = c->offset;
        r.scan.from = (struct store_target){row->queue, c->seq};
    } else {
        e = find_start(&r.scan, row, c->seq);
    }
    for (bool found = true; e == OK && found && limits.bytes != 0 && limits.count != 0;)
        e = show_next(&r, &limits, &found);
    if (e != OK)
        return e;
    if (r.scan.from.seq > c->seq)
        c->seq = r.scan.from.seq;
    c->offset = r.scan.at;
    *more = c->seq <= row->last_seq;
    return OK;
}

struct segment_window *segment_window_new(void)
{
    return calloc(1, sizeof(struct segment_window));
}

void segment_window_free(struct segment_window *w)
{
    if (w == NULL)
        return;
    free(w->in.bytes);
    free(w->apart.bytes);
    free(w);
}
