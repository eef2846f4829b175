// SPDX-License-Identifier: Apache-2.0
#include "tests/storage/segment_rig.h"

/* Writes, and reads back what was noted. */
static void there_and_back(struct rig *r, size_t piece)
{
    struct segment *s;
    ck_assert_int_eq(rig_write(r, piece), OK);
    ck_assert_int_eq(rig_open(r, &s), OK);
    ck_assert_uint_eq(rig_read(r, s, false), r->n);
    ck_assert_uint_eq(segment_count(s), r->n);
    ck_assert_uint_eq(r->made.count, r->n);
    ck_assert_uint_eq(segment_as_of_lsn(s), RIG_LSN);
    ck_assert_uint_eq(r->made.as_of_lsn, RIG_LSN);
    ck_assert_uint_eq(segment_number(s), RIG_NUMBER);
    ck_assert_uint_eq(r->made.number, RIG_NUMBER);
    ck_assert_uint_eq(segment_file_bytes(s), rig_file_size(r));
    ck_assert_uint_eq(r->made.file_bytes, rig_file_size(r));
    ck_assert_uint_eq(segment_damages(s), 0);
    segment_close(s);
}

/* The rows by the array. */
static void rows_are_right(struct rig *r, const struct segment_row *rows, size_t n_rows)
{
    size_t i = 0;
    uint64_t bytes = 0;
    for (size_t row = 0; row < n_rows; row++) {
        struct segment_row want = {.queue = r->messages[i].m.target.queue,
                                   .first_seq = r->messages[i].m.target.seq};
        for (; i < r->n && r->messages[i].m.target.queue == want.queue; i++) {
            const struct rig_message *m = &r->messages[i];
            want.last_seq = m->m.target.seq;
            want.count++;
            want.bytes += m->size;
            if (m->m.deadline_ns != 0 &&
                (want.deadline_ns == 0 || m->m.deadline_ns < want.deadline_ns))
                want.deadline_ns = m->m.deadline_ns;
        }
        bytes += want.bytes;
        want.offset = rows[row].offset;
        want.first_point = rows[row].first_point;
        ck_assert_int_eq(memcmp(&want, &rows[row], sizeof(want)), 0);
    }
    ck_assert_uint_eq(i, r->n);
    ck_assert_uint_eq(bytes, r->made.bytes);
}

START_TEST(what_was_added_is_shown)
{
    for (uint64_t kind = 0; kind < 5; kind++) {
        struct rig *r = rig_new(0);
        switch (kind) {
        case 0: rig_note_few_large(r); break;
        case 1: rig_note_fan_out(r, 20, 30, 5000); break;
        case 2: rig_note_random(r, 2000, 10, 200); break;
        case 3: rig_note_random(r, 3, 2000, 2000); break;
        default: break; /* nothing at all */
        }
        there_and_back(r, 1 << 20);
        struct segment *s;
        size_t n_rows;
        ck_assert_int_eq(rig_open(r, &s), OK);
        const struct segment_row *rows = segment_rows(s, &n_rows);
        rows_are_right(r, rows, n_rows);
        ck_assert_uint_eq(n_rows, r->made.n_rows);
        ck_assert(n_rows == 0 || memcmp(rows, r->made.rows, n_rows * sizeof(*rows)) == 0);
        ck_assert_uint_eq(segment_bytes(s), r->made.bytes);
        segment_close(s);
        rig_free(r);
    }
}
END_TEST

START_TEST(it_does_not_matter_how_a_message_is_cut_into_pieces)
{
    static const size_t PIECES[] = {1, 7, 4096, (1 << 20) - 1, (1 << 20) + 1, 1 << 21};
    uint32_t checksum = 0;
    for (size_t i = 0; i < sizeof(PIECES) / sizeof(PIECES[0]); i++) {
        struct rig *r = rig_new(0);
        rig_note_few_large(r);
        there_and_back(r, PIECES[i]);
        ck_assert(i == 0 || r->made.checksum == checksum);
        checksum = r->made.checksum;
        rig_free(r);
    }
}
END_TEST

/* A body that is shared is there once, and what is written is told. */
START_TEST(a_reference_takes_little_room)
{
    struct rig *r = rig_new(0);
    struct segment_writer *w;
    rig_note_fan_out(r, 100, 10, 100000);
    there_and_back(r, 1 << 20);
    ck_assert_uint_lt(rig_file_size(r), 10 * 100100 + 1000 * 128 + 3 * BLOCK_BYTES);
    struct segment_options o = {.disk = r->disk, .env = &r->env, .number = 8};
    ck_assert_int_eq(segment_begin(&w, &o), OK);
    ck_assert_uint_eq(segment_written(w), BLOCK_BYTES);
    ck_assert_int_eq(rig_add(r, w, 0, 1 << 20), OK);
    ck_assert_uint_ge(segment_written(w), BLOCK_BYTES + 100000);
    ck_assert_uint_le(segment_written(w), BLOCK_BYTES + 100100);
    segment_abort(w);
    rig_free(r);
}
END_TEST

START_TEST(writes_are_large)
{
    struct rig *r = rig_new(0);
    for (uint64_t seq = 1; seq <= 50000; seq++)
        (void)rig_note(r, 1, seq, 150, RIG_SAME_NONE);
    uint64_t before = false_disk_count(r->fd);
    ck_assert_int_eq(rig_write(r, 1 << 20), OK);
    ck_assert_uint_le(false_disk_count(r->fd) - before, rig_file_size(r) / (256 * 1024) + 5);
    rig_free(r);
}
END_TEST

START_TEST(an_abandoned_one_is_removed)
{
    struct rig *r = rig_new(0);
    struct segment_writer *w;
    struct segment_place place;
    struct segment_message m = {.target = {1, 1}};
    struct segment_options o = {.disk = r->disk, .env = &r->env, .number = RIG_NUMBER};
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(segment_begin(&w, &o), OK);
        ck_assert_uint_ne(rig_file_size(r), UINT64_MAX);
        if (i >= 1)
            ck_assert_int_eq(segment_add(w, &m, 10, &place), OK);
        if (i == 2)
            ck_assert_int_eq(segment_add_bytes(w, SPAN_LIT("12345")), OK);
        segment_abort(w);
        ck_assert_uint_eq(rig_file_size(r), UINT64_MAX);
    }
    segment_abort(NULL);
    rig_free(r);
}
END_TEST

START_TEST(a_number_that_is_taken_is_left_alone)
{
    struct rig *r = rig_new(0);
    struct segment *s;
    rig_note_fan_out(r, 2, 3, 10);
    ck_assert_int_eq(rig_write(r, 100), OK);
    uint32_t checksum = r->made.checksum;
    ck_assert_int_eq(rig_write(r, 100), ERR_IO);
    r->made.checksum = checksum;
    ck_assert_int_eq(rig_open(r, &s), OK);
    ck_assert_uint_eq(rig_read(r, s, false), 6);
    segment_close(s);
    rig_free(r);
}
END_TEST

static void note_a_megabyte(struct rig *r)
{
    rig_note_fan_out(r, 3, 40, 20000);
}

/* Each operation fails in turn: nothing is left, and it can be tried again. */
START_TEST(a_failing_operation_leaves_nothing)
{
    for (int full = 0; full < 2; full++) {
        bool failed = true;
        for (uint64_t n = 1; failed; n++) {
            struct rig *r = rig_new(0);
            note_a_megabyte(r);
            enum err wanted = full ? ERR_FULL : ERR_IO;
            false_disk_fail_at(r->fd, false_disk_count(r->fd) + n, wanted);
            enum err e = rig_write(r, 1 << 20);
            failed = e != OK;
            ck_assert_int_eq(e, failed ? wanted : OK);
            ck_assert(failed == (rig_file_size(r) == UINT64_MAX));
            ck_assert_uint_lt(n, 20);
            ck_assert(failed || n > 6);
            if (failed)
                there_and_back(r, 1 << 20);
            rig_free(r);
        }
    }
}
END_TEST

START_TEST(an_error_stays)
{
    struct rig *r = rig_new(100000);
    struct segment_writer *w;
    struct segment_place place;
    struct segment_options o = {.disk = r->disk, .env = &r->env, .number = RIG_NUMBER};
    note_a_megabyte(r);
    ck_assert_int_eq(segment_begin(&w, &o), OK);
    size_t i = 0;
    enum err e = OK;
    while (e == OK && i < r->n)
        e = rig_add(r, w, i++, 1 << 20);
    ck_assert_int_eq(e, ERR_FULL);
    false_disk_set_capacity(r->fd, 0);
    ck_assert_int_eq(segment_add(w, &r->messages[i].m, 10, &place), ERR_FULL);
    ck_assert_int_eq(segment_add_bytes(w, SPAN_LIT("1234567890")), ERR_FULL);
    ck_assert_int_eq(segment_add_same(w, &r->messages[i + 1].m, &r->places[0]), ERR_FULL);
    ck_assert_int_eq(segment_end(w, &r->made), ERR_FULL);
    ck_assert_uint_eq(rig_file_size(r), UINT64_MAX);
    there_and_back(r, 1 << 20);
    rig_free(r);
}
END_TEST

/* The power goes at each operation: the segment is there whole once that was said; else there may
 * be anything under its name, of which what is read is at least true. */
START_TEST(a_cut_leaves_a_whole_one_or_none_that_counts)
{
    unsigned n_whole = 0;
    unsigned n_none = 0;
    unsigned n_torn = 0;
    for (uint64_t round = 0; round < 6; round++)
        for (uint64_t n = 1; n < 20; n++) {
            struct rig *r = rig_new(0);
            note_a_megabyte(r);
            uint64_t at = false_disk_count(r->fd) + n;
            false_disk_cut_at(r->fd, at);
            enum err e = rig_write(r, 1 << 20);
            bool during = false_disk_is_cut(r->fd);
            ck_assert_int_eq(e, during ? ERR_IO : OK);
            false_disk_cut_at(r->fd, UINT64_MAX); /* not while it is read */
            if (!during)
                false_disk_cut(r->fd);
            struct rng chance = {round * 100 + n};
            false_disk_power_on(r->fd, &chance);
            struct segment *s;
            enum file_state state;
            if (!during) {
                ck_assert_int_eq(rig_open(r, &s), OK);
                ck_assert_uint_eq(rig_read(r, s, false), r->n);
                segment_close(s);
                n_whole++;
            } else if (segment_recover(&s, &r->name, &state) == OK) {
                (void)rig_read(r, s, true);
                segment_close(s);
                n_torn++;
            } else {
                ck_assert_int_eq(state, FILE_INVALID);
                n_none++;
            }
            rig_free(r);
        }
    ck_assert_uint_gt(n_whole, 10);
    ck_assert_uint_gt(n_torn, 3);
    ck_assert_uint_gt(n_none, 10);
}
END_TEST

/* What is durable was synced, and so was its name. */
START_TEST(it_is_durable_once_it_was_ended)
{
    for (uint64_t seed = 0; seed < 200; seed++) {
        struct rig *r = rig_new(0);
        struct segment *s;
        rig_note_fan_out(r, 2, 5, 3000);
        ck_assert_int_eq(rig_write(r, 5000), OK);
        false_disk_cut(r->fd);
        struct rng chance = {seed};
        false_disk_power_on(r->fd, &chance);
        ck_assert_int_eq(rig_open(r, &s), OK);
        ck_assert_uint_eq(rig_read(r, s, false), r->n);
        segment_close(s);
        rig_free(r);
    }
}
END_TEST

SUITE("segment_write", what_was_added_is_shown, it_does_not_matter_how_a_message_is_cut_into_pieces,
      a_reference_takes_little_room, writes_are_large, an_abandoned_one_is_removed,
      a_number_that_is_taken_is_left_alone, a_failing_operation_leaves_nothing, an_error_stays,
      a_cut_leaves_a_whole_one_or_none_that_counts, it_is_durable_once_it_was_ended)
