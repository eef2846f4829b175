// SPDX-License-Identifier: Apache-2.0
#include "base/bytes.h"
#include "base/checksum.h"
#include "tests/storage/segment_rig.h"

static struct rig *rig_of_many(uint64_t n_queues)
{
    struct rig *r = rig_new(0);
    rig_note_random(r, n_queues, 10, 300);
    ck_assert_int_eq(rig_write(r, 1 << 20), OK);
    return r;
}

static void ck_opens(struct rig *r, enum err wanted, enum file_state state_wanted)
{
    struct segment *s;
    enum file_state state;
    enum err e = segment_open(&s, &r->name, &r->made.checksum, &state);
    ck_assert_int_eq(e, wanted);
    ck_assert_int_eq(state, state_wanted);
    ck_assert((s != NULL) == (e == OK));
    segment_close(s);
}

/* Recovers, and answers how many messages are read. */
static uint64_t recovered(struct rig *r, uint64_t *damages)
{
    struct segment *s;
    enum file_state state;
    ck_assert_int_eq(segment_recover(&s, &r->name, &state), OK);
    ck_assert_int_eq(state, FILE_OURS);
    uint64_t n = rig_read(r, s, true);
    *damages = segment_damages(s);
    segment_close(s);
    return n;
}

START_TEST(a_queue_is_found_among_a_hundred_thousand)
{
    enum { QUEUES = 100000 };
    struct rig *r = rig_new(0);
    struct segment *s;
    for (uint64_t q = 0; q < QUEUES; q++)
        (void)rig_note(r, 2 * q + 1, 5, 3, RIG_SAME_NONE);
    ck_assert_int_eq(rig_write(r, 3), OK);
    ck_assert_int_eq(rig_open(r, &s), OK);
    for (uint64_t q = 0; q < QUEUES; q++) {
        const struct segment_row *row = segment_find(s, 2 * q + 1);
        if (row == NULL || row->queue != 2 * q + 1 || segment_find(s, 2 * q) != NULL)
            ck_abort_msg("queue %u", (unsigned)q);
    }
    ck_assert_ptr_null(segment_find(s, 2 * QUEUES));
    ck_assert_ptr_null(segment_find(s, UINT64_MAX));
    segment_close(s);
    segment_close(NULL);
    rig_free(r);
}
END_TEST

START_TEST(any_checksum_is_fine_if_none_is_expected)
{
    struct rig *r = rig_of_many(20);
    struct segment *s;
    enum file_state state;
    ck_assert_int_eq(segment_open(&s, &r->name, NULL, &state), OK);
    segment_close(s);
    ck_opens(r, OK, FILE_OURS);
    r->made.checksum ^= 1;
    ck_opens(r, ERR_SYNTAX, FILE_OURS);
    rig_free(r);
}
END_TEST

START_TEST(a_file_that_is_not_there_is_not_found)
{
    struct rig *r = rig_new(0);
    struct segment *s;
    enum file_state state;
    ck_opens(r, ERR_NOT_FOUND, FILE_INVALID);
    ck_assert_int_eq(segment_recover(&s, &r->name, &state), ERR_NOT_FOUND);
    ck_assert_ptr_null(s);
    rig_free(r);
}
END_TEST

START_TEST(a_file_of_another_store_says_so)
{
    struct rig *r = rig_of_many(5);
    struct segment *s;
    enum file_state state;
    r->name.store_id[3] ^= 1;
    ck_opens(r, ERR_SYNTAX, FILE_FOREIGN);
    ck_assert_int_eq(segment_recover(&s, &r->name, &state), ERR_SYNTAX);
    ck_assert_int_eq(state, FILE_FOREIGN);
    rig_free(r);
}
END_TEST

/* Writes bytes over the file, and syncs it. */
static void overwrite(struct rig *r, const char *path, uint64_t offset, const void *bytes,
                      size_t size)
{
    struct disk_file *f;
    struct span part = span_of(bytes, size);
    ck_assert_int_eq(disk_open(r->disk, path, DISK_WRITE, &f), OK);
    ck_assert_int_eq(disk_write(f, offset, &part, 1), OK);
    ck_assert_int_eq(disk_sync(f), OK);
    disk_close(f);
}

START_TEST(a_file_of_another_number_says_so)
{
    struct rig *r = rig_of_many(5);
    ck_assert_int_eq(disk_rename(r->disk, SEGMENT_FOLDER "/7", SEGMENT_FOLDER "/8"), OK);
    r->name.number = 8;
    ck_opens(r, ERR_SYNTAX, FILE_OTHER);
    rig_free(r);
}
END_TEST

START_TEST(a_newer_format_says_so)
{
    struct rig *r = rig_of_many(5);
    struct segment *s;
    enum file_state state;
    uint8_t head[FILE_HEAD_SIZE];
    struct file_head h = {.role = ROLE_SEGMENT, .store_id = "store", .number = RIG_NUMBER};
    file_head_put(head, &h);
    put_u64(head + 16, 1);
    put_u32(head + 8, checksum_crc32c(0, span_of(head + 12, FILE_HEAD_SIZE - 12)));
    overwrite(r, SEGMENT_FOLDER "/7", 0, head, sizeof(head));
    ck_opens(r, ERR_FUTURE, FILE_FUTURE);
    ck_assert_int_eq(segment_recover(&s, &r->name, &state), ERR_FUTURE);
    rig_free(r);
}
END_TEST

START_TEST(one_whole_copy_of_the_head_is_enough)
{
    struct rig *r = rig_of_many(20);
    for (unsigned damaged = 0; damaged < 8; damaged++) {
        const uint64_t copies[] = {0, 2048, rig_file_size(r) - SEGMENT_TRAILER_SIZE};
        for (int again = 0; again < 2; again++) {
            for (unsigned i = 0; i < 3; i++)
                if ((damaged >> i & 1) != 0)
                    rig_flip(r, copies[i] + 20 + i, 16);
            if (again == 0 && damaged == 7)
                ck_opens(r, ERR_SYNTAX, FILE_INVALID);
            else
                ck_opens(r, OK, FILE_OURS);
        }
    }
    rig_free(r);
}
END_TEST

/* Each bit of what counts of the footer: the segment is read all the same. */
START_TEST(a_damaged_footer_is_made_again)
{
    struct rig *r = rig_new(0);
    rig_note_random(r, 2, 4, 60);
    ck_assert_int_eq(rig_write(r, 100), OK);
    uint64_t rows = r->made.file_bytes - SEGMENT_TRAILER_SIZE - r->made.n_rows * SEGMENT_ROW_SIZE;
    for (uint64_t bit = rows * 8; bit < r->made.file_bytes * 8; bit++) {
        uint64_t end = r->made.file_bytes - SEGMENT_END_SIZE;
        bool copy = bit / 8 >= end - FILE_HEAD_SIZE && bit / 8 < end;
        uint64_t damages;
        rig_flip(r, bit / 8, (uint8_t)(1 << bit % 8));
        ck_opens(r, copy ? OK : ERR_SYNTAX, FILE_OURS);
        if (bit % 11 == 0) {
            ck_assert_uint_eq(recovered(r, &damages), r->n);
            ck_assert_uint_eq(damages, 0);
        }
        rig_flip(r, bit / 8, (uint8_t)(1 << bit % 8));
    }
    ck_opens(r, OK, FILE_OURS);
    rig_free(r);
}
END_TEST

/* The rows that a damaged file is given are those that it had. */
START_TEST(rows_and_index_made_again_are_as_they_were)
{
    struct rig *r = rig_new(0);
    struct segment *s;
    enum file_state state;
    size_t n;
    rig_note_random(r, 20, 200, 3000);
    ck_assert_int_eq(rig_write(r, 1 << 20), OK);
    ck_assert_int_eq(segment_recover(&s, &r->name, &state), OK);
    const struct segment_row *rows = segment_rows(s, &n);
    ck_assert_uint_eq(n, r->made.n_rows);
    ck_assert_int_eq(memcmp(rows, r->made.rows, n * sizeof(*rows)), 0);
    ck_assert_uint_eq(segment_bytes(s), r->made.bytes);
    ck_assert_uint_eq(segment_count(s), r->made.count);
    ck_assert_uint_gt(s->table.n_points, 50);
    for (size_t i = 0; i < r->n; i += 97) {
        struct store_target t = r->messages[i].m.target;
        rig_forget(r);
        ck_assert_int_eq(rig_read_queue(r, s, t.queue, t.seq, (struct segment_limits){1 << 20, 5}),
                         OK);
        ck_assert_uint_eq(r->messages[i].shown, 1);
        ck_assert(i == 0 || r->messages[i - 1].shown == 0);
    }
    segment_close(s);
    rig_free(r);
}
END_TEST

/* A copy of the first `size` bytes as the segment. */
static void truncate_to(struct rig *r, const uint8_t *bytes, size_t size)
{
    struct disk_file *f;
    struct span part = span_of(bytes, size);
    ck_assert_int_eq(disk_remove(r->disk, SEGMENT_FOLDER "/7"), OK);
    ck_assert_int_eq(disk_open(r->disk, SEGMENT_FOLDER "/7", DISK_NEW, &f), OK);
    ck_assert_int_eq(disk_write(f, 0, &part, 1), OK);
    disk_close(f);
}

static uint8_t *whole_file(struct rig *r, size_t *size)
{
    struct disk_file *f;
    *size = (size_t)rig_file_size(r);
    uint8_t *bytes = malloc(*size);
    ck_assert_ptr_nonnull(bytes);
    ck_assert_int_eq(disk_open(r->disk, SEGMENT_FOLDER "/7", DISK_READ, &f), OK);
    ck_assert_int_eq(disk_read(f, 0, bytes, *size, size), OK);
    disk_close(f);
    return bytes;
}

START_TEST(what_is_left_of_a_short_file_is_read)
{
    struct rig *r = rig_new(0);
    size_t size;
    rig_note_random(r, 8, 8, 300);
    ck_assert_int_eq(rig_write(r, 300), OK);
    uint8_t *bytes = whole_file(r, &size);
    uint64_t before = 0;
    for (size_t cut = 0; cut < size; cut += 29) {
        struct segment *s;
        enum file_state state;
        truncate_to(r, bytes, cut);
        enum err e = segment_open(&s, &r->name, NULL, &state);
        ck_assert_int_eq(e, ERR_SYNTAX);
        ck_assert_int_eq(state, cut < FILE_HEAD_SIZE ? FILE_INVALID : FILE_OURS);
        if (state == FILE_INVALID)
            continue;
        uint64_t damages;
        uint64_t n = recovered(r, &damages);
        ck_assert_uint_ge(n, before);
        before = n;
    }
    ck_assert_uint_eq(before, r->n);
    free(bytes);
    rig_free(r);
}
END_TEST

/* What reading relies on. */
static void ck_rows_make_sense(const struct segment *s)
{
    ck_assert(s->records_end >= BLOCK_BYTES && s->records_end < s->points_at);
    ck_assert(s->points_at <= s->file_bytes && s->table.n_points <= s->file_bytes);
    for (size_t i = 0; i < s->table.n_rows; i++) {
        const struct segment_row *row = &s->table.rows[i];
        ck_assert(row->first_seq <= row->last_seq && row->last_seq != UINT64_MAX);
        ck_assert(row->offset >= BLOCK_BYTES && row->offset < s->records_end);
        ck_assert(row->first_point <= s->table.n_points);
        ck_assert(i == 0 || (row->queue > row[-1].queue && row->offset > row[-1].offset &&
                             row->first_point >= row[-1].first_point));
    }
}

/* Rows whose checksum is right may still say anything: nothing is read out of bounds, and nothing
 * is shown that was not added. */
START_TEST(what_rows_say_is_not_trusted)
{
    struct rig *r = rig_new(0);
    size_t size;
    rig_note_random(r, 5, 40, 1500);
    ck_assert_int_eq(rig_write(r, 1500), OK);
    uint8_t *bytes = whole_file(r, &size);
    uint8_t *copy = malloc(size);
    ck_assert_ptr_nonnull(copy);
    uint8_t *end = copy + size - SEGMENT_END_SIZE;
    size_t rows_size = r->made.n_rows * SEGMENT_ROW_SIZE;
    unsigned n_open = 0;
    for (int n = 0; n < 1000; n++) {
        struct segment *s;
        enum file_state state;
        memcpy(copy, bytes, size);
        uint8_t *rows = copy + size - SEGMENT_TRAILER_SIZE - rows_size;
        uint64_t what = rng_next(&r->chance) >> rng_below(&r->chance, 64);
        uint8_t *at = n % 2 == 0 ? rows + rng_below(&r->chance, rows_size / 8) * 8
                                 : end + rng_below(&r->chance, 7) * 8;
        put_u64(at, what);
        put_u32(end + 56,
                checksum_crc32c(checksum_crc32c(0, span_of(rows, rows_size)), span_of(end, 56)));
        truncate_to(r, copy, size);
        enum err e = segment_open(&s, &r->name, NULL, &state);
        ck_assert(e == OK || e == ERR_SYNTAX);
        if (e == OK) {
            ck_rows_make_sense(s);
            (void)rig_read(r, s, true);
        }
        n_open += e == OK;
        segment_close(s);
    }
    ck_assert_uint_gt(n_open, 100);
    free(copy);
    free(bytes);
    rig_free(r);
}
END_TEST

/* All copies of the head, each tried four times behind the opening and the question for the size.
 */
START_TEST(a_head_that_cannot_be_read_is_told_from_damage)
{
    struct rig *r = rig_of_many(5);
    for (uint64_t i = 3; i < 3 + 4 * 3; i++)
        false_disk_fail_at(r->fd, false_disk_count(r->fd) + i, ERR_IO);
    ck_opens(r, ERR_IO, FILE_INVALID);
    ck_opens(r, OK, FILE_OURS);
    rig_free(r);
}
END_TEST

START_TEST(a_footer_that_cannot_be_read_is_told_from_damage)
{
    struct rig *r = rig_of_many(20);
    uint64_t before = false_disk_count(r->fd);
    ck_opens(r, OK, FILE_OURS);
    uint64_t n = false_disk_count(r->fd) - before;
    for (uint64_t i = 1; i <= n; i++) {
        /* Once is tried again, thrice is not. */
        for (unsigned times = 1; times <= 4; times += 3) {
            struct segment *s;
            enum file_state state;
            for (unsigned k = 0; k < times; k++)
                false_disk_fail_at(r->fd, false_disk_count(r->fd) + i + k, ERR_IO);
            enum err e = segment_open(&s, &r->name, &r->made.checksum, &state);
            bool head = i == 3; /* another copy of it will do */
            ck_assert_int_eq(e, i > 2 && (times == 1 || head) ? OK : ERR_IO);
            ck_assert_int_eq(state, i <= 2 ? FILE_INVALID : FILE_OURS);
            segment_close(s);
            while (false_disk_count(r->fd) < before + 1000)
                (void)!disk_open(r->disk, SEGMENT_FOLDER "/0", DISK_READ, &(struct disk_file *){0});
            before += 1000;
        }
    }
    ck_opens(r, OK, FILE_OURS);
    rig_free(r);
}
END_TEST

SUITE("segment_open", a_queue_is_found_among_a_hundred_thousand,
      any_checksum_is_fine_if_none_is_expected, a_file_that_is_not_there_is_not_found,
      a_file_of_another_store_says_so, a_file_of_another_number_says_so, a_newer_format_says_so,
      one_whole_copy_of_the_head_is_enough, a_damaged_footer_is_made_again,
      rows_and_index_made_again_are_as_they_were, what_is_left_of_a_short_file_is_read,
      what_rows_say_is_not_trusted, a_head_that_cannot_be_read_is_told_from_damage,
      a_footer_that_cannot_be_read_is_told_from_damage)
