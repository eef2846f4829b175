// SPDX-License-Identifier: Apache-2.0
#include "base/bytes.h"
#include "tests/storage/segment_rig.h"

static const struct segment_limits NO_LIMITS = {UINT64_MAX, UINT64_MAX};

static struct segment *written(struct rig *r)
{
    struct segment *s;
    ck_assert_int_eq(rig_write(r, 1 << 20), OK);
    ck_assert_int_eq(rig_open(r, &s), OK);
    return s;
}

START_TEST(reading_begins_at_any_seq)
{
    struct rig *r = rig_new(0);
    rig_note_random(r, 4, 600, 1000);
    struct segment *s = written(r);
    size_t n_rows;
    const struct segment_row *rows = segment_rows(s, &n_rows);
    ck_assert_uint_gt(s->table.n_points, 20);
    for (size_t i = 0; i < n_rows; i++)
        for (uint64_t seq = rows[i].first_seq - 1; seq <= rows[i].last_seq + 1; seq += 23) {
            rig_forget(r);
            ck_assert_int_eq(rig_read_queue(r, s, rows[i].queue, seq, NO_LIMITS), OK);
            for (size_t k = 0; k < r->n; k++) {
                struct store_target t = r->messages[k].m.target;
                bool wanted = t.queue == rows[i].queue && t.seq >= seq;
                if ((r->messages[k].shown == 1) != wanted || r->messages[k].lost)
                    ck_abort_msg("queue %u seq %u", (unsigned)t.queue, (unsigned)t.seq);
            }
        }
    segment_close(s);
    rig_free(r);
}
END_TEST

START_TEST(a_queue_that_is_not_there_has_nothing)
{
    struct rig *r = rig_new(0);
    rig_note_fan_out(r, 1, 5, 10);
    struct segment *s = written(r);
    ck_assert_int_eq(rig_read_queue(r, s, 2, 0, NO_LIMITS), OK);
    ck_assert_int_eq(rig_read_queue(r, s, 1, 105, NO_LIMITS), OK);
    ck_assert_int_eq(rig_read_queue(r, s, 1, UINT64_MAX, NO_LIMITS), OK);
    ck_assert_uint_eq(r->n_shown, 0);
    ck_assert_int_eq(rig_read_queue(r, s, 1, 104, NO_LIMITS), OK);
    ck_assert_uint_eq(r->n_shown, 1);
    segment_close(s);
    rig_free(r);
}
END_TEST

START_TEST(a_call_stops_behind_the_message_that_reaches_a_limit)
{
    static const struct {
        struct segment_limits limits;
        uint64_t shown;
    } ROWS[] = {{{0, 0}, 1},      {{1, 1000}, 1},   {{1000, 1}, 1},     {{1000, 7}, 7},
                {{100, 1000}, 1}, {{101, 1000}, 2}, {{1000, 1000}, 10}, {{UINT64_MAX, 1000}, 30}};
    struct rig *r = rig_new(0);
    struct segment_visitor v = {rig_message, rig_more, rig_damaged, r};
    for (uint64_t i = 0; i < 30; i++)
        (void)rig_note(r, 1, 2 * i, 100, RIG_SAME_NONE);
    struct segment *s = written(r);
    for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
        struct segment_cursor c = {.queue = 1};
        bool more;
        rig_forget(r);
        r->last_seq = 0;
        ck_assert_int_eq(segment_read(s, r->window, &c, ROWS[i].limits, &v, &more), OK);
        ck_assert_uint_eq(r->n_shown, ROWS[i].shown);
        ck_assert_uint_eq(c.seq, 2 * ROWS[i].shown - 1);
        ck_assert_int_eq(more, ROWS[i].shown != 30);
    }
    segment_close(s);
    rig_free(r);
}
END_TEST

/* Each call goes on where the last ended, without looking for it: few bytes are read. */
START_TEST(reading_goes_on_through_the_same_window)
{
    struct rig *r = rig_new(0);
    for (uint64_t i = 0; i < 20000; i++)
        (void)rig_note(r, 1, i, 100, RIG_SAME_NONE);
    struct segment *s = written(r);
    uint64_t before = false_disk_count(r->fd);
    ck_assert_int_eq(rig_read_queue(r, s, 1, 0, (struct segment_limits){1000, 10}), OK);
    ck_assert_uint_eq(r->n_shown, r->n);
    ck_assert_uint_le(false_disk_count(r->fd) - before, rig_file_size(r) / (250 * 1024) + 1);
    segment_close(s);
    rig_free(r);
}
END_TEST

/* From the middle by the sparse index: about one read of it, and one of the messages. */
START_TEST(a_seq_in_the_middle_is_found_by_the_sparse_index)
{
    struct rig *r = rig_new(0);
    for (uint64_t i = 0; i < 80; i++)
        (void)rig_note(r, 1, i, 300000, RIG_SAME_NONE);
    struct segment *s = written(r);
    uint64_t before = false_disk_count(r->fd);
    ck_assert_int_eq(rig_read_queue(r, s, 1, 79, NO_LIMITS), OK);
    ck_assert_uint_eq(r->n_shown, 1);
    ck_assert_uint_le(false_disk_count(r->fd) - before, 4);
    segment_close(s);
    rig_free(r);
}
END_TEST

START_TEST(one_window_serves_several_segments)
{
    struct rig *r[2];
    struct segment *s[2];
    for (size_t i = 0; i < 2; i++) {
        r[i] = rig_new(0);
        r[i]->chance.state = i + 1;
        rig_note_fan_out(r[i], 2, 50, 200 * (i + 1));
        s[i] = written(r[i]);
    }
    struct segment_window *other = r[1]->window;
    r[1]->window = r[0]->window;
    for (uint64_t seq = 100; seq < 150; seq++)
        for (size_t i = 0; i < 2; i++)
            ck_assert_int_eq(rig_read_queue(r[i], s[i], 2, seq, (struct segment_limits){1, 1}), OK);
    /* And one that is opened where another was. */
    segment_close(s[0]);
    segment_close(s[1]);
    for (int again = 0; again < 4; again++)
        for (size_t i = 0; i < 2; i++) {
            ck_assert_int_eq(rig_open(r[i], &s[i]), OK);
            ck_assert_uint_eq(rig_read(r[i], s[i], false), r[i]->n);
            segment_close(s[i]);
        }
    r[1]->window = other;
    rig_free(r[0]);
    rig_free(r[1]);
}
END_TEST

START_TEST(what_the_visitor_answers_ends_the_reading)
{
    struct rig *r = rig_new(0);
    rig_note_few_large(r);
    struct segment *s = written(r);
    r->refuses = ERR_LIMIT;
    ck_assert_int_eq(rig_read_queue(r, s, 3, 0, NO_LIMITS), ERR_LIMIT);
    ck_assert_int_eq(rig_read_queue(r, s, 9, 0, NO_LIMITS), ERR_LIMIT);
    r->refuses = OK;
    ck_assert_uint_eq(rig_read(r, s, false), r->n);
    segment_close(s);
    rig_free(r);
}
END_TEST

/* ---- Damage ---- */

/* Which record has this byte; -1: none has. */
struct extent {
    uint64_t from;
    uint64_t to;
};

/* Where the records of each message are, its own or the reference. */
static struct extent *extents_of(const struct rig *r)
{
    struct extent *extents = calloc(r->n, sizeof(*extents));
    ck_assert_ptr_nonnull(extents);
    uint64_t at = BLOCK_BYTES;
    for (size_t i = 0; i < r->n; i++) {
        const struct rig_message *m = &r->messages[i];
        struct segment_item item = {.kind = m->same == RIG_SAME_NONE ? RECORD_message
                                                                     : RECORD_reference,
                                    .message = m->m,
                                    .size = m->size};
        if (item.kind == RECORD_message)
            item.bytes.size = segment_part_size(m->size, 0);
        segment_item_measure(&item);
        extents[i] = (struct extent){at, at + segment_item_span(&item)};
        at = extents[i].to;
    }
    return extents;
}

static bool hit(const struct extent *e, uint64_t byte)
{
    return byte >= e->from && byte < e->to;
}

/* Everything but what lies there, or refers to it, is read. */
static void ck_costs_at_most(struct rig *r, const struct extent *extents, uint64_t byte)
{
    bool recovered;
    struct segment *s = rig_open_somehow(r, &recovered);
    (void)rig_read(r, s, recovered);
    for (size_t i = 0; i < r->n; i++)
        if (r->messages[i].shown == 0 && !hit(&extents[i], byte) &&
            !hit(&extents[rig_owner(r, i)], byte))
            ck_abort_msg("byte %u cost message %u", (unsigned)byte, (unsigned)i);
    segment_close(s);
}

START_TEST(a_flipped_bit_costs_at_most_what_it_hit)
{
    struct rig *r = rig_new(0);
    uint64_t n_lost = 0;
    rig_note_fan_out(r, 2, 1, 20);
    (void)rig_note(r, 5, 1, 0, RIG_SAME_NONE);
    (void)rig_note(r, 5, 3, 10, RIG_SAME_NONE);
    struct segment *s = written(r);
    segment_close(s);
    struct extent *extents = extents_of(r);
    for (uint64_t bit = 0; bit < rig_file_size(r) * 8; bit++) {
        if (bit == FILE_HEAD_SIZE * (uint64_t)8)
            bit = BLOCK_BYTES * (uint64_t)8 - 8; /* zeros, and the second copy */
        rig_flip(r, bit / 8, (uint8_t)(1 << bit % 8));
        ck_costs_at_most(r, extents, bit / 8);
        n_lost += r->n - r->n_shown;
        rig_flip(r, bit / 8, (uint8_t)(1 << bit % 8));
    }
    ck_assert_uint_gt(n_lost, 2000);
    free(extents);
    rig_free(r);
}
END_TEST

START_TEST(damage_to_a_large_message_costs_it_alone)
{
    struct rig *r = rig_new(0);
    rig_note_few_large(r);
    struct segment *s = written(r);
    segment_close(s);
    struct extent *extents = extents_of(r);
    for (uint64_t at = BLOCK_BYTES; at < extents[r->n - 1].to; at += 337 * 1001) {
        rig_flip(r, at, 8);
        ck_costs_at_most(r, extents, at);
        ck_assert_uint_lt(r->n_shown, r->n);
        rig_flip(r, at, 8);
    }
    for (size_t i = 0; i < r->n; i++) /* and to each length */
        for (uint64_t at = extents[i].from + 4; at < extents[i].from + 8; at++) {
            rig_flip(r, at, 64);
            ck_costs_at_most(r, extents, at);
            rig_flip(r, at, 64);
        }
    free(extents);
    rig_free(r);
}
END_TEST

/* Many places at once, so that several messages in a row are lost, in a file that has a footer, and
 * in one that has none. */
START_TEST(damage_in_many_places_costs_what_it_hit)
{
    for (uint64_t seed = 0; seed < 40; seed++) {
        struct rig *r = rig_new(0);
        r->chance.state = seed;
        rig_note_random(r, 6, 80, 600);
        struct segment *s = written(r);
        segment_close(s);
        struct extent *extents = extents_of(r);
        bool *damaged = calloc(r->n, sizeof(*damaged));
        ck_assert_ptr_nonnull(damaged);
        for (uint64_t k = 0; k < seed; k++) {
            size_t i = rng_below(&r->chance, r->n);
            size_t size = (size_t)(extents[i].to - extents[i].from);
            rig_flip(r, extents[i].from + rng_below(&r->chance, size), 1);
            damaged[i] = true;
        }
        if (seed % 2 == 0)
            rig_flip(r, rig_file_size(r) - 1, 1);
        bool recovered;
        s = rig_open_somehow(r, &recovered);
        ck_assert_int_eq(recovered, seed % 2 == 0);
        (void)rig_read(r, s, recovered);
        for (size_t i = 0; i < r->n; i++)
            ck_assert(r->messages[i].shown == 1 || damaged[i] || damaged[rig_owner(r, i)]);
        segment_close(s);
        free(damaged);
        free(extents);
        rig_free(r);
    }
}
END_TEST

/* Points that lie, and points at damaged messages, cost nothing else, wherever one begins. */
START_TEST(the_sparse_index_is_not_trusted)
{
    struct rig *r = rig_new(0);
    rig_note_random(r, 3, 900, 1000);
    struct segment *s = written(r);
    uint64_t points_at = s->points_at;
    size_t n_points = s->table.n_points;
    ck_assert_uint_gt(n_points, 10);
    for (int n = 0; n < 300; n++) {
        uint64_t at = points_at + rng_below(&r->chance, n_points * SEGMENT_POINT_SIZE);
        uint8_t mask = (uint8_t)(1 + rng_below(&r->chance, 255));
        rig_flip(r, at, mask);
        struct store_target t = r->messages[rng_below(&r->chance, r->n)].m.target;
        rig_forget(r);
        ck_assert_int_eq(rig_read_queue(r, s, t.queue, t.seq, NO_LIMITS), OK);
        for (size_t i = rig_find(r, t); i < r->n && r->messages[i].m.target.queue == t.queue; i++)
            ck_assert_uint_eq(r->messages[i].shown, 1);
        if (n % 2 == 0)
            rig_flip(r, at, mask);
    }
    segment_close(s);
    rig_free(r);
}
END_TEST

START_TEST(a_damaged_message_at_a_point_costs_it_alone)
{
    struct rig *r = rig_new(0);
    rig_note_random(r, 2, 900, 1000);
    struct segment *s = written(r);
    struct extent *extents = extents_of(r);
    for (size_t i = 0; i < r->n; i += 19) {
        struct store_target t = r->messages[i].m.target;
        rig_flip(r, extents[i].from + 30, 1);
        segment_close(s);
        ck_assert_int_eq(rig_open(r, &s), OK);
        rig_forget(r);
        ck_assert_int_eq(rig_read_queue(r, s, t.queue, t.seq, NO_LIMITS), OK);
        ck_assert(r->messages[i].lost);
        ck_assert(i == 0 || !r->messages[i - 1].lost);
        for (size_t k = i + 1; k < r->n && r->messages[k].m.target.queue == t.queue; k++)
            ck_assert(r->messages[k].shown == 1 || rig_owner(r, k) == i);
        rig_flip(r, extents[i].from + 30, 1);
    }
    free(extents);
    segment_close(s);
    rig_free(r);
}
END_TEST

/* A body that holds records of this very file, in a message that is damaged. */
START_TEST(a_record_in_a_body_is_no_record)
{
    struct rig *r = rig_new(0);
    struct segment_writer *w;
    struct segment_place place;
    struct segment_options o = {.disk = r->disk, .env = &r->env, .store_id = "store"};
    uint8_t forged[512];
    o.number = RIG_NUMBER;
    for (uint64_t seq = 1; seq <= 5; seq++)
        (void)rig_note(r, 1, seq, seq == 4 ? sizeof(forged) : 40, RIG_SAME_NONE);
    ck_assert_int_eq(segment_begin(&w, &o), OK);
    for (size_t i = 0; i < 3; i++)
        ck_assert_int_eq(rig_add(r, w, i, 100), OK);
    ck_assert_int_eq(segment_add(w, &r->messages[3].m, sizeof(forged), &place), OK);
    struct file_head h;
    struct disk_file *f;
    struct segment_item item = {.kind = RECORD_message,
                                .message = {.target = {1, 4}, .time_ns = 3}};
    segment_item_measure(&item);
    /* Nobody can know the nonce of the file; but of another one, perhaps. */
    for (uint64_t k = 0; k < sizeof(forged); k += item.length) {
        memset(forged + k, 0, sizeof(forged) - k);
        if (sizeof(forged) - k < item.length)
            break;
        segment_item_put(forged + k, segment_place_mark(99, place.offset + 56 + k), &item);
        record_seal(forged + k);
    }
    ck_assert_int_eq(segment_add_bytes(w, span_of(forged, sizeof(forged))), OK);
    ck_assert_int_eq(rig_add(r, w, 4, 100), OK);
    ck_assert_int_eq(segment_end(w, &r->made), OK);
    rig_flip(r, place.offset + 20, 1);
    /* The same with the right nonce, but from another place. */
    for (int moved = 0; moved < 2; moved++) {
        bool recovered;
        struct segment *s = rig_open_somehow(r, &recovered);
        ck_assert_uint_eq(rig_read(r, s, false), 4);
        ck_assert(r->messages[3].lost);
        segment_close(s);
        ck_assert_int_eq(disk_open(r->disk, SEGMENT_FOLDER "/7", DISK_WRITE, &f), OK);
        uint8_t head[FILE_HEAD_SIZE];
        size_t got;
        ck_assert_int_eq(disk_read(f, 0, head, sizeof(head), &got), OK);
        ck_assert_int_eq(file_head_read(span_of(head, got), ROLE_SEGMENT, r->name.store_id, &h),
                         FILE_OURS);
        segment_item_put(forged, segment_place_mark(h.nonce, place.offset + 64), &item);
        record_seal(forged);
        struct span part = span_of(forged, sizeof(forged));
        ck_assert_int_eq(disk_write(f, place.offset + 56, &part, 1), OK);
        disk_close(f);
        rig_window_anew(r);
    }
    rig_free(r);
}
END_TEST

START_TEST(what_cannot_be_read_is_tried_again_and_is_then_damage)
{
    for (unsigned times = 0; times <= 3; times++) {
        struct rig *r = rig_new(0);
        for (uint64_t seq = 1; seq <= 40; seq++)
            (void)rig_note(r, 1, seq, 1000, RIG_SAME_NONE);
        struct segment *s = written(r);
        /* The whole, then its second block. */
        uint64_t n = false_disk_count(r->fd);
        false_disk_fail_at(r->fd, n + 1, ERR_IO);
        for (unsigned k = 0; k < times; k++)
            false_disk_fail_at(r->fd, n + 3 + k, ERR_IO);
        (void)rig_read(r, s, false);
        ck_assert_uint_eq(r->n_unreadable, times == 3);
        if (times == 3)
            ck_assert(r->n_shown < 40 && r->n_shown > 32);
        else
            ck_assert_uint_eq(r->n_shown, 40);
        rig_window_anew(r);
        ck_assert_uint_eq(rig_read(r, s, false), 40); /* another day */
        segment_close(s);
        rig_free(r);
    }
}
END_TEST

SUITE("segment_read", reading_begins_at_any_seq, a_queue_that_is_not_there_has_nothing,
      a_call_stops_behind_the_message_that_reaches_a_limit, reading_goes_on_through_the_same_window,
      a_seq_in_the_middle_is_found_by_the_sparse_index, one_window_serves_several_segments,
      what_the_visitor_answers_ends_the_reading, a_flipped_bit_costs_at_most_what_it_hit,
      damage_to_a_large_message_costs_it_alone, damage_in_many_places_costs_what_it_hit,
      the_sparse_index_is_not_trusted, a_damaged_message_at_a_point_costs_it_alone,
      a_record_in_a_body_is_no_record, what_cannot_be_read_is_tried_again_and_is_then_damage)
