// SPDX-License-Identifier: Apache-2.0
/* What bits that flip cost, and files that are not as ours: rows of FORMAT.md's crash schedules, by
 * their names there. */
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/checksum.h"
#include "storage/journal.h"
#include "tests/storage/journal_rig.h"

/* Five batches of four records in the first file. Of the last one no batch says that it is durable,
 * so it has been written again in the second. */
static struct rig *rig_of_five(uint64_t offsets[5])
{
    struct rig *r = rig_new(7);
    ck_assert_int_eq(rig_open(r), OK);
    for (int i = 0; i < 5; i++) {
        struct journal_place place;
        batch_reset(&r->batch);
        for (int k = 0; k < 4; k++) {
            uint8_t *body;
            struct record rec = {.kind = RECORD_publish, .body = {NULL, 1500}};
            rec.time_ns = ++r->last_id;
            ck_assert_int_eq(batch_add(&r->batch, &rec, &body), OK);
            rig_body(body, r->last_id, 1500);
        }
        ck_assert_int_eq(journal_write(r->journal, &r->batch, 1, 1, &place), OK);
        offsets[i] = place.offset;
        for (int k = 0; k < 4; k++) {
            r->confirmed++;
            r->ids[r->confirmed] = r->confirmed;
            r->files[r->confirmed] = place.file;
        }
    }
    rig_recover(r, 0);
    return r;
}

static uint64_t lost_by_flip(size_t batch, uint64_t offset)
{
    uint64_t offsets[5];
    struct rig *r = rig_of_five(offsets);
    rig_power(r);
    false_disk_flip(r->fd, JOURNAL_FOLDER "/1", offsets[batch] + offset, 4);
    r->expects_damage = true;
    ck_assert_int_eq(rig_open(r), OK);
    uint64_t n = r->n_damaged;
    ck_assert_uint_eq(r->confirmed, 20);
    r->expects_damage = false;
    ck_assert_int_eq(rig_write(r, 2, 100), OK);
    rig_free(r);
    return n;
}

enum { RECORD_BYTES = RECORD_HEAD_SIZE + 1504 - 4 };

START_TEST(damage_in_the_middle)
{
    for (size_t batch = 0; batch < 4; batch++)
        for (uint64_t record = 0; record < 4; record++)
            ck_assert_uint_eq(
                lost_by_flip(batch, BATCH_HEAD_SIZE + record * (RECORD_BYTES + 4) + 700), 1);
}
END_TEST

START_TEST(damaged_length)
{
    for (uint64_t at = 4; at < 8; at++)
        ck_assert_uint_eq(lost_by_flip(2, BATCH_HEAD_SIZE + RECORD_BYTES + 4 + at), 1);
}
END_TEST

START_TEST(damaged_index)
{
    uint64_t index = BATCH_HEAD_SIZE + 4 * (RECORD_BYTES + 4);
    for (uint64_t at = 0; at < 20; at++)
        ck_assert_uint_eq(lost_by_flip(2, index + at), 0);
}
END_TEST

START_TEST(damaged_header)
{
    for (uint64_t at = 0; at < BATCH_HEAD_SIZE; at++)
        for (size_t batch = 0; batch < 4; batch++)
            ck_assert_uint_eq(lost_by_flip(batch, at), 4);
}
END_TEST

/* Of the last batch of all none says that it is durable; one without records does. */
static uint64_t lost_at_the_end(bool empty_behind, uint64_t offset)
{
    struct rig *r = rig_new(7);
    ck_assert_int_eq(rig_open(r), OK);
    ck_assert_int_eq(rig_write(r, 4, 0), OK);
    ck_assert_int_eq(rig_write(r, 4, 0), OK);
    if (empty_behind)
        ck_assert_int_eq(rig_write(r, 0, 0), OK);
    ck_assert_uint_eq(r->confirmed, 8);
    rig_power(r);
    false_disk_flip(r->fd, JOURNAL_FOLDER "/1", (uint64_t)2 * BLOCK_BYTES + offset, 4);
    if (!empty_behind) { /* it is as if nobody had answered for it */
        r->confirmed = 4;
        r->n_attempts = 1;
        r->attempts[0] = (struct rig_attempt){.n = 4, .ids = {5, 6, 7, 8}};
    }
    r->expects_damage = true;
    ck_assert_int_eq(rig_open(r), OK);
    uint64_t n = r->n_damaged;
    ck_assert_uint_eq(r->confirmed, empty_behind ? 8 : 5);
    rig_free(r);
    return n;
}

START_TEST(damage_before_an_empty_batch)
{
    const uint64_t second = BATCH_HEAD_SIZE + RECORD_HEAD_SIZE;
    ck_assert_uint_eq(lost_at_the_end(true, second + 9), 1);
    ck_assert_uint_eq(lost_at_the_end(true, 9), 4);
    ck_assert_uint_eq(lost_at_the_end(false, second + 9), 0);
}
END_TEST

START_TEST(head_damaged)
{
    /* One copy, and both. */
    for (uint64_t copies = 1; copies <= 3; copies++)
        for (uint64_t at = 0; at < FILE_HEAD_SIZE; at += 3) {
            uint64_t offsets[5];
            struct rig *r = rig_of_five(offsets);
            rig_power(r);
            for (uint64_t copy = 0; copy < FILE_HEAD_COPIES; copy++)
                if ((copies >> copy & 1) != 0)
                    false_disk_flip(r->fd, JOURNAL_FOLDER "/1",
                                    copy * BLOCK_BYTES / FILE_HEAD_COPIES + at, 1);
            ck_assert_int_eq(rig_open(r), OK);
            ck_assert_uint_eq(r->first_shown, 1);
            rig_free(r);
        }
}
END_TEST

/* Nothing in the file's first two blocks can be known: it is no spare, and stays as it is. */
START_TEST(head_and_batch_damaged)
{
    uint64_t offsets[5];
    struct rig *r = rig_of_five(offsets);
    char path[] = JOURNAL_FOLDER "/2";
    while (journal_newest(r->journal) < 5)
        ck_assert_int_eq(rig_write(r, 4, 9000), OK);
    rig_let_go(r, 2);
    ck_assert_int_eq(rig_write(r, 1, 9000), OK);
    ck_assert_int_eq(rig_write(r, 1, 9000), OK);
    uint64_t n = 0;
    for (uint64_t lsn = 1; lsn <= r->confirmed; lsn++)
        n += r->files[lsn] == 3;
    rig_power(r);
    path[sizeof(path) - 2] = '3';
    false_disk_flip(r->fd, path, 0, 1);
    false_disk_flip(r->fd, path, BLOCK_BYTES / FILE_HEAD_COPIES, 1);
    false_disk_flip(r->fd, path, BLOCK_BYTES, 1);
    r->expects_damage = true;
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(rig_open(r), OK);
        ck_assert_uint_eq(r->n_damaged, n);
        for (int k = 0; k < 20; k++)
            ck_assert_int_eq(rig_write(r, 1, 9000), OK);
        ck_assert_uint_eq(false_disk_file_size(r->fd, path), RIG_FILE_BYTES);
        rig_power(r);
    }
    rig_free(r);
}
END_TEST

/* A write that the device has lost: the head is zeros, and what follows it is there. */
START_TEST(head_of_zeros)
{
    uint64_t offsets[5];
    struct rig *r = rig_of_five(offsets);
    struct disk_file *f;
    uint8_t block[BLOCK_BYTES] = {0};
    struct span part = span_of(block, sizeof(block));
    rig_end(r);
    ck_assert_int_eq(disk_open(r->options.disk, JOURNAL_FOLDER "/2", DISK_WRITE, &f), OK);
    ck_assert_int_eq(disk_write(f, 0, &part, 1), OK);
    disk_close(f);
    ck_assert_int_eq(rig_open(r), OK);
    ck_assert_uint_eq(r->confirmed, 20);
    rig_free(r);
}
END_TEST

/* A file has gone: in the middle, and the oldest. */
START_TEST(missing_file)
{
    for (unsigned which = 2; which <= 3; which++) {
        uint64_t offsets[5];
        struct rig *r = rig_of_five(offsets);
        char path[] = JOURNAL_FOLDER "/2";
        path[sizeof(path) - 2] = (char)('0' + which);
        while (journal_newest(r->journal) < 5)
            ck_assert_int_eq(rig_write(r, 4, 9000), OK);
        rig_let_go(r, 2);
        for (int i = 0; i < 3; i++)
            ck_assert_int_eq(rig_write(r, 1, 9000), OK);
        uint64_t n = 0;
        for (uint64_t lsn = 1; lsn <= r->confirmed; lsn++)
            n += r->files[lsn] == which;
        rig_end(r);
        ck_assert_int_eq(disk_remove(r->options.disk, path), OK);
        r->expects_damage = true;
        ck_assert_int_eq(rig_open(r), OK);
        ck_assert_uint_eq(r->n_damaged, which == 2 ? 1 : n);
        rig_free(r);
    }
}
END_TEST

static struct file_head head_of(struct rig *r, const char *path, struct disk_file **f)
{
    uint8_t block[BLOCK_BYTES];
    struct file_head h;
    size_t got;
    ck_assert_int_eq(disk_open(r->options.disk, path, DISK_WRITE, f), OK);
    ck_assert_int_eq(disk_read(*f, 0, block, sizeof(block), &got), OK);
    ck_assert_int_eq(file_head_read(span_of(block, got), ROLE_JOURNAL, r->options.store_id, &h),
                     FILE_OURS);
    return h;
}

/* The file holds what it did in its life before, behind a few batches of this one. */
START_TEST(reused_file)
{
    struct rig *r = rig_new(1);
    uint8_t magic[4];
    struct disk_file *f;
    size_t got;
    ck_assert_int_eq(rig_open(r), OK);
    while (journal_newest(r->journal) < 3)
        ck_assert_int_eq(rig_write(r, 4, 0), OK); /* a block each */
    rig_let_go(r, 3);
    while (journal_newest(r->journal) < 4)
        ck_assert_int_eq(rig_write(r, 4, 0), OK);
    uint64_t confirmed = r->confirmed;
    rig_end(r);
    ck_assert_uint_eq(head_of(r, JOURNAL_FOLDER "/4", &f).number, 4);
    ck_assert_int_eq(disk_read(f, (uint64_t)4 * BLOCK_BYTES, magic, sizeof(magic), &got), OK);
    ck_assert_mem_eq(magic, "BATC", 4);
    disk_close(f);
    ck_assert_int_eq(rig_open(r), OK);
    ck_assert_uint_eq(r->confirmed, confirmed);
    rig_free(r);
}
END_TEST

/* A batch whose own bytes are all there, but not those of the one before it, and neither was
 * synced. */
START_TEST(blocks_out_of_order)
{
    for (uint64_t gap = 0; gap < 2; gap++) {
        struct rig *r = rig_new(1);
        struct batch b;
        struct record rec = {.kind = RECORD_publish, .time_ns = 77, .body = {NULL, 0}};
        struct disk_file *f;
        struct span bytes;
        uint8_t *body;
        ck_assert_int_eq(rig_open(r), OK);
        ck_assert_int_eq(rig_write(r, 3, 0), OK);
        rig_end(r);
        struct file_head h = head_of(r, JOURNAL_FOLDER "/1", &f);
        struct batch_head later = {.nonce = h.nonce, .epoch = h.epoch, .oldest = 1};
        later.first_lsn = 4 + gap;
        later.durable_lsn = 3;
        batch_init(&b);
        ck_assert_int_eq(batch_add(&b, &rec, &body), OK);
        ck_assert_int_eq(batch_seal(&b, &later, &bytes), OK);
        ck_assert_int_eq(disk_write(f, (2 + gap) * BLOCK_BYTES, &bytes, 1), OK);
        disk_close(f);
        batch_fini(&b);
        r->n_attempts = 1; /* the later one counts only if nothing is missing before it */
        r->attempts[0] = (struct rig_attempt){.n = 1, .ids = {77}};
        ck_assert_int_eq(rig_open(r), OK);
        ck_assert_uint_eq(r->confirmed, gap == 0 ? 4 : 3);
        rig_free(r);
    }
}
END_TEST

/* A body that holds a batch, block by block, in one whose head is damaged. */
START_TEST(forged_batch)
{
    struct rig *r = rig_new(3);
    struct batch inner;
    struct batch_head h = {.nonce = 99, .first_lsn = 1, .durable_lsn = 0};
    struct record rec = {.kind = RECORD_publish, .body = SPAN_LIT("forged")};
    struct span bytes;
    uint8_t *body;
    struct journal_place place;
    batch_init(&inner);
    ck_assert_int_eq(batch_add(&inner, &rec, &body), OK);
    ck_assert_int_eq(batch_seal(&inner, &h, &bytes), OK);
    ck_assert_int_eq(rig_open(r), OK);
    rec.body = (struct span){NULL, 4 * BLOCK_BYTES};
    ck_assert_int_eq(batch_add(&r->batch, &rec, &body), OK);
    memset(body, 0, rec.body.size);
    put_bytes(body + BLOCK_BYTES - BATCH_HEAD_SIZE - RECORD_HEAD_SIZE, bytes);
    ck_assert_int_eq(journal_write(r->journal, &r->batch, 1, 1, &place), OK);
    r->confirmed = 1;
    ck_assert_int_eq(rig_write(r, 1, 10), OK); /* now it is known to be durable */
    rig_end(r);
    false_disk_flip(r->fd, JOURNAL_FOLDER "/1", place.offset, 1);
    r->expects_damage = true;
    ck_assert_int_eq(rig_open(r), OK);
    ck_assert_uint_eq(r->n_damaged, 1);
    ck_assert_uint_eq(r->first_shown, 2);
    batch_fini(&inner);
    rig_free(r);
}
END_TEST

/* ---- Files that are not as ours ---- */

static void put_head(struct rig *r, const char *path, const struct file_head *h, unsigned feature)
{
    struct disk_file *f;
    uint8_t block[BLOCK_BYTES] = {0};
    file_head_put(block, h);
    if (feature != 0) {
        put_u64(block + 16, feature);
        put_u32(block + 8, checksum_crc32c(0, span_of(block + 12, FILE_HEAD_SIZE - 12)));
    }
    struct span part = span_of(block, sizeof(block));
    ck_assert_int_eq(disk_open(r->options.disk, path, DISK_NEW, &f), OK);
    ck_assert_int_eq(disk_write(f, 0, &part, 1), OK);
    ck_assert_int_eq(disk_sync(f), OK);
    disk_close(f);
    ck_assert_int_eq(disk_sync_folder(r->options.disk, JOURNAL_FOLDER), OK);
}

START_TEST(foreign_file)
{
    struct rig *r = rig_new(1);
    struct file_head h = {.role = ROLE_JOURNAL, .store_id = "another", .number = 50, .epoch = 9};
    ck_assert_int_eq(rig_open(r), OK);
    ck_assert_int_eq(rig_write(r, 3, 100), OK);
    put_head(r, JOURNAL_FOLDER "/50", &h, 0);
    rig_recover(r, 0);
    ck_assert_uint_eq(r->first_shown, 1);
    ck_assert_uint_eq(journal_newest(r->journal), 51);
    ck_assert_uint_eq(false_disk_file_size(r->fd, JOURNAL_FOLDER "/50"), BLOCK_BYTES);
    rig_free(r);
}
END_TEST

/* Of every file's name, size and bytes. */
static void digest_name(void *arg, const char *name)
{
    static uint8_t bytes[4 * RIG_FILE_BYTES];
    struct rig *r = arg;
    char path[DISK_PATH_MAX];
    struct disk_file *f;
    size_t got;
    snprintf(path, sizeof(path), JOURNAL_FOLDER "/%.32s", name);
    ck_assert_int_eq(disk_open(r->options.disk, path, DISK_READ, &f), OK);
    ck_assert_int_eq(disk_read(f, 0, bytes, sizeof(bytes), &got), OK);
    disk_close(f);
    uint32_t of_name = checksum_crc32c(0, span_str(path));
    r->digest += ((uint64_t)of_name << 32) + checksum_crc32c(of_name, span_of(bytes, got)) + got;
}

static uint64_t digest(struct rig *r)
{
    r->digest = 0;
    ck_assert_int_eq(disk_list(r->options.disk, JOURNAL_FOLDER, digest_name, r), OK);
    return r->digest;
}

START_TEST(future_format)
{
    struct rig *r = rig_new(1);
    struct file_head h = {.role = ROLE_JOURNAL, .number = 2, .epoch = 9};
    memcpy(h.store_id, r->options.store_id, STORE_ID_SIZE);
    ck_assert_int_eq(rig_open(r), OK);
    ck_assert_int_eq(rig_write(r, 3, 100), OK);
    put_head(r, JOURNAL_FOLDER "/9", &h, 1);
    for (char c = '2'; c <= '6'; c++) { /* more spares than are kept */
        char path[] = JOURNAL_FOLDER "/2";
        path[sizeof(path) - 2] = c;
        h.number = 8;
        put_head(r, path, &h, 0);
    }
    rig_end(r);
    uint64_t before = digest(r);
    ck_assert_int_eq(rig_open(r), ERR_FUTURE);
    ck_assert_uint_eq(digest(r), before);
    ck_assert_uint_eq(rig_n_files(r), 7);
    ck_assert_int_eq(disk_remove(r->options.disk, JOURNAL_FOLDER "/9"), OK);
    ck_assert_int_eq(rig_open(r), OK);
    ck_assert_uint_eq(r->first_shown, 1);
    rig_free(r);
}
END_TEST

START_TEST(names_that_are_no_numbers_are_left_alone)
{
    static const char *const NAMES[] = {"journal/x", "journal/01", "journal/1x", "journal/0",
                                        "journal/99999999999999999999"};
    struct rig *r = rig_new(1);
    struct file_head h = {.role = ROLE_JOURNAL};
    ck_assert_int_eq(rig_open(r), OK);
    for (size_t i = 0; i < sizeof(NAMES) / sizeof(NAMES[0]); i++)
        put_head(r, NAMES[i], &h, 0);
    rig_recover(r, 0);
    for (size_t i = 0; i < sizeof(NAMES) / sizeof(NAMES[0]); i++)
        ck_assert_uint_eq(false_disk_file_size(r->fd, NAMES[i]), BLOCK_BYTES);
    rig_free(r);
}
END_TEST

SUITE("journal_scan", damage_in_the_middle, damaged_length, damaged_index, damaged_header,
      damage_before_an_empty_batch, head_damaged, head_and_batch_damaged, head_of_zeros,
      missing_file, reused_file, blocks_out_of_order, forged_batch, foreign_file, future_format,
      names_that_are_no_numbers_are_left_alone)
