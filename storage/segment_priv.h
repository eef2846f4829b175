// SPDX-License-Identifier: Apache-2.0
/* storage/segment_priv.h — for segment_*.c alone: the bytes of a segment, and how they are read.
 */
#ifndef STORAGE_SEGMENT_PRIV_H
#define STORAGE_SEGMENT_PRIV_H

#include "storage/batch.h"
#include "storage/record.h"
#include "storage/segment.h"

enum {
    SEGMENT_POINT_EVERY = 16 * 1024,
    SEGMENT_POINT_SIZE = 16,
    SEGMENT_ROW_SIZE = 56,
    SEGMENT_MARK_SIZE = 8,
    SEGMENT_END_SIZE = 64,
    SEGMENT_TRAILER_SIZE = FILE_HEAD_SIZE + SEGMENT_END_SIZE, /* behind the rows */
    SEGMENT_EXTRA_MAX = 4096,                                 /* of a record, beyond its message */
    SEGMENT_RECORD_MAX = SEGMENT_PART_BYTES + SEGMENT_EXTRA_MAX
};

/* ---- Bytes: segment_form.c ---- */

/* What the body of a record at this offset begins with. */
uint64_t segment_place_mark(uint64_t nonce, uint64_t offset);

/* What stands where the records end. */
uint64_t segment_footer_mark(uint64_t nonce, uint64_t offset);

/* A record. */
struct segment_item {
    enum record_kind kind; /* message, part or reference */
    struct segment_message message;
    uint64_t size;           /* message, reference: of the whole message */
    uint32_t part;           /* part: its number */
    struct segment_place to; /* reference */
    struct span bytes;       /* message, part */
    size_t length;           /* in the file: a multiple of RECORD_ALIGN */
};

/* How many bytes of a message its record of that number has, from 0. */
size_t segment_part_size(uint64_t size, uint64_t part);

/* What all records of a message take, of which `item` is the first; or a reference. */
uint64_t segment_item_span(const struct segment_item *item);

/* Sets `item->length`, whose bytes may have a size alone. */
void segment_item_measure(struct segment_item *item);

/* Writes a record that was measured at `p`, padding included; but not the bytes, which go where the
 * answer points, nor the checksum: record_seal. */
uint8_t *segment_item_put(uint8_t *p, uint64_t mark, const struct segment_item *item);

/* Is it worth while to look at a record here? It is not if less than SEGMENT_EXTRA_MAX is there,
 * and not all of it. */
bool segment_item_like(struct span in, uint64_t mark);

/* Reads a record from the front of `in`, which it borrows. False when it is damaged. */
MUST_USE bool segment_item_read(struct span in, uint64_t mark, struct segment_item *item);

struct segment_point {
    uint64_t seq;
    uint64_t offset;
};

uint8_t *segment_point_put(uint8_t *p, struct segment_point point);
MUST_USE bool segment_point_take(struct span *in, struct segment_point *point);
uint8_t *segment_row_put(uint8_t *p, const struct segment_row *row);
MUST_USE bool segment_row_take(struct span *in, struct segment_row *row);

/* The end of the file. */
struct segment_tail {
    uint64_t nonce;
    uint64_t footer;
    uint64_t rows;
    uint64_t count;
    uint64_t bytes;
    uint64_t as_of_lsn;
    uint32_t n_rows;
};

/* Writes SEGMENT_END_SIZE bytes, and answers the checksum of the footer. */
uint32_t segment_tail_put(uint8_t *at, const struct segment_tail *tail, uint32_t rows_checksum);

/* Reads it from bytes that nothing vouches for yet. */
MUST_USE bool segment_tail_read(struct span in, struct segment_tail *tail);

/* The checksum that stands there, if it is right. */
MUST_USE bool segment_tail_check(struct span in, uint32_t rows_checksum, uint32_t *checksum);

/* Rows and sparse index as they grow. */
struct segment_table {
    struct segment_row *rows;
    size_t n_rows;
    size_t rows_capacity;
    struct segment_point *points;
    size_t n_points;
    size_t points_capacity;
    uint64_t point_at; /* where the last one is, or the queue's first record */
    uint64_t count;
    uint64_t bytes;
};

void segment_table_fini(struct segment_table *t);

/* Is it behind all that were added? */
bool segment_table_follows(const struct segment_table *t, struct store_target target);

/* A message or reference that follows. ERR_NOMEM; ERR_LIMIT. */
MUST_USE enum err segment_table_add(struct segment_table *t, const struct segment_item *item,
                                    uint64_t offset);

/* ---- Reading: segment_read.c ---- */

struct segment {
    struct disk_file *file;
    struct file_head head;
    uint64_t file_bytes;
    uint64_t records_end;
    uint64_t points_at;         /* in the file, unless it was recovered */
    struct segment_table table; /* `points` only if it was recovered */
    uint64_t damages;
};

/* Bytes of a file that were read ahead. */
struct segment_stretch {
    uint8_t *bytes; /* NULL until it is used */
    size_t capacity;
    uint64_t at;
    size_t size;
    bool unreadable; /* some of them, which are zeros now */
};

/* Reads, up to the end of the file; what cannot be read, though tried again, is zeros, and
 * `*unreadable` is set. */
size_t segment_read_bytes(struct disk_file *f, uint64_t at, uint8_t *to, size_t size,
                          bool *unreadable);

/* `size` bytes at `at`, or as many as there are before `end`. ERR_NOMEM. */
MUST_USE enum err segment_stretch_get(struct segment_stretch *st, const struct segment *s,
                                      uint64_t at, uint64_t size, uint64_t end, struct span *out);

/* Records one behind the other. */
struct segment_scan {
    const struct segment *s;
    struct segment_stretch *in;
    uint64_t at;
    uint64_t end;             /* becomes the footer's offset when that is met */
    struct store_target from; /* what is believed: from here … */
    struct store_target to;   /* … to here */
    struct segment_item item; /* at `at` */
    bool skipped;             /* bytes were passed over to find it, or the end */
    bool unreadable;          /* because they could not be read */
};

/* The record at `at`. ERR_NOMEM. */
MUST_USE enum err segment_item_at(const struct segment *s, struct segment_stretch *in, uint64_t at,
                                  uint64_t end, struct segment_item *item, bool *found);

/* The first message or reference at or behind `at` that is believed; `at` is moved there, or to the
 * end. ERR_NOMEM. */
MUST_USE enum err segment_scan_next(struct segment_scan *scan, bool *found);

#endif
