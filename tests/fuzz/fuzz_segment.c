// SPDX-License-Identifier: Apache-2.0
/* Any bytes as what follows the first block of a segment, read by the footer and without it: only
 * what fits is shown, in order, and every call comes to an end. The first octet says what is put
 * right: bit 0 places and checksums of records as far as their lengths tell, bit 1 the end and the
 * checksum of the footer. */
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/checksum.h"
#include "storage/segment_priv.h"
#include "tests/fuzz/target.h"

enum { MEND_RECORDS = 1, MEND_END = 2, INPUT_MAX = 1 << 16, ROWS_AT = 16, N_ROWS_AT = 48 };

static const uint64_t NONCE = 0x5555555555555555;

/* ---- A disk with one file ---- */

struct one_file {
    struct disk disk;
    struct disk_file file;
    uint8_t *bytes;
    size_t size;
};

static enum err one_open(struct disk *d, const char *path, enum disk_how how,
                         struct disk_file **out)
{
    ASSERT(how == DISK_READ && strcmp(path, SEGMENT_FOLDER "/1") == 0);
    *out = &CONTAINER_OF(d, struct one_file, disk)->file;
    return OK;
}

static void one_close(struct disk_file *f)
{
    (void)f;
}

static enum err one_size(struct disk_file *f, uint64_t *size)
{
    *size = CONTAINER_OF(f, struct one_file, file)->size;
    return OK;
}

static enum err one_read(struct disk_file *f, uint64_t offset, uint8_t *at, size_t size,
                         size_t *got)
{
    const struct one_file *one = CONTAINER_OF(f, struct one_file, file);
    uint64_t left = offset < one->size ? one->size - offset : 0;
    *got = size < left ? size : (size_t)left;
    if (*got != 0)
        memcpy(at, one->bytes + offset, *got);
    return OK;
}

static const struct disk_ops ONE_OPS = {
    .open = one_open, .close = one_close, .size = one_size, .read = one_read};

/* ---- Putting right ---- */

static void mend_records(uint8_t *bytes, size_t size)
{
    for (size_t at = BLOCK_BYTES; size - at >= RECORD_HEAD_SIZE + 8;) {
        size_t length = record_length(bytes + at);
        struct span in = span_of(bytes + at + 10, 2);
        uint16_t fields = 0;
        ASSERT(take_u16(&in, &fields));
        if (length < RECORD_HEAD_SIZE + 8 + (size_t)fields || length > size - at)
            return;
        put_u64(bytes + at + RECORD_HEAD_SIZE + fields, segment_place_mark(NONCE, at));
        record_seal(bytes + at);
        at += (length + RECORD_ALIGN - 1) / RECORD_ALIGN * RECORD_ALIGN;
        if (at > size)
            return;
    }
}

static void mend_end(uint8_t *bytes, size_t size)
{
    if (size < BLOCK_BYTES + SEGMENT_TRAILER_SIZE)
        return;
    uint8_t *end = bytes + size - SEGMENT_END_SIZE;
    struct span in = span_of(end + N_ROWS_AT, 4);
    uint32_t n_rows = 0;
    ASSERT(take_u32(&in, &n_rows));
    size_t room = size - BLOCK_BYTES - SEGMENT_TRAILER_SIZE;
    uint64_t rows_size = (uint64_t)n_rows * SEGMENT_ROW_SIZE;
    if (rows_size > room)
        return;
    size_t rows = size - SEGMENT_TRAILER_SIZE - (size_t)rows_size;
    put_u64(end, NONCE);
    put_u64(end + ROWS_AT, rows);
    uint32_t checksum = checksum_crc32c(0, span_of(bytes + rows, (size_t)rows_size));
    checksum = checksum_crc32c(checksum, span_of(end, 56));
    put_bytes(put_u32(end + 56, checksum), SPAN_LIT("ENDS"));
}

/* ---- Reading ---- */

struct reading {
    const struct one_file *one;
    uint64_t queue;
    uint64_t next; /* the first seq that may come */
    uint64_t left; /* of the message shown last */
    unsigned sum;
};

static enum err reading_more(void *arg, struct span bytes)
{
    struct reading *r = arg;
    ASSERT(bytes.size <= r->left && bytes.size <= SEGMENT_PART_BYTES);
    r->left -= bytes.size;
    for (size_t i = 0; i < bytes.size; i++)
        r->sum += bytes.at[i];
    return OK;
}

static enum err reading_message(void *arg, const struct segment_shown *shown)
{
    struct reading *r = arg;
    ASSERT(shown->message.target.queue == r->queue && shown->message.target.seq >= r->next);
    ASSERT(shown->size <= r->one->size);
    r->next = shown->message.target.seq + 1;
    r->left = shown->size;
    return reading_more(arg, shown->bytes);
}

static void reading_damaged(void *arg, uint64_t first, uint64_t last, bool unreadable)
{
    struct reading *r = arg;
    ASSERT(first <= last && last + 1 >= r->next && !unreadable);
    r->next = last + 1;
    r->left = 0;
}

static void read_row(const struct one_file *one, struct segment *s, struct segment_window *w,
                     const struct segment_row *row, uint64_t seq)
{
    struct reading r = {.one = one, .queue = row->queue, .next = seq};
    struct segment_cursor c = {.queue = row->queue, .seq = seq};
    struct segment_visitor v = {reading_message, reading_more, reading_damaged, &r};
    for (bool more = true; more;) {
        uint64_t before = c.seq;
        enum err e = segment_read(s, w, &c, (struct segment_limits){5000, 3}, &v, &more);
        ASSERT(e == OK && r.left == 0 && (c.seq > before || !more));
        ASSERT(!more || (c.seq >= r.next && c.seq <= row->last_seq));
    }
}

static void read_all(const struct one_file *one, struct segment *s)
{
    struct segment_window *w = segment_window_new();
    ASSERT(w != NULL);
    size_t n;
    const struct segment_row *rows = segment_rows(s, &n);
    for (size_t i = 0; i < n; i++) {
        ASSERT(segment_find(s, rows[i].queue) == &rows[i]);
        read_row(one, s, w, &rows[i], 0);
        read_row(one, s, w, &rows[i],
                 rows[i].first_seq + (rows[i].last_seq - rows[i].first_seq) / 2);
    }
    segment_window_free(w);
    segment_close(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0 || size > INPUT_MAX)
        return 0;
    unsigned mend = data[0];
    struct one_file one = {.disk.ops = &ONE_OPS, .size = BLOCK_BYTES + size - 1};
    struct file_head h = {.role = ROLE_SEGMENT, .nonce = NONCE, .number = 1};
    one.bytes = calloc(1, one.size);
    ASSERT(one.bytes != NULL);
    file_head_put(one.bytes, &h);
    memcpy(one.bytes + BLOCK_BYTES, data + 1, size - 1);
    if ((mend & MEND_RECORDS) != 0)
        mend_records(one.bytes, one.size);
    if ((mend & MEND_END) != 0)
        mend_end(one.bytes, one.size);
    struct segment_name name = {.disk = &one.disk, .number = 1};
    struct segment *s;
    enum file_state state;
    enum err e = segment_open(&s, &name, NULL, &state);
    ASSERT(state == FILE_OURS && (e == OK || e == ERR_SYNTAX));
    if (e == OK)
        read_all(&one, s);
    e = segment_recover(&s, &name, &state);
    ASSERT(state == FILE_OURS && e == OK);
    read_all(&one, s);
    free(one.bytes);
    return 0;
}
