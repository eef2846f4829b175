// SPDX-License-Identifier: Apache-2.0
#include "storage/entry.h"

#include <string.h>

#include "tests/base/suite.h"

enum { ROOM = 256 };

static const struct store_target PAIRS[] = {{7, 8}, {9, UINT64_MAX - 1}}; /* ranges, too */

static const struct entry SAMPLES[] = {
    {.kind = RECORD_publish, .n = 2, .bytes = {(const uint8_t *)"body", 4}},
    {.kind = RECORD_publish,
     .n = 1,
     .n_chunks = 3,
     .name = {7, 1},
     .bytes = {(const uint8_t *)"b", 1}},
    {.kind = RECORD_chunk,
     .n = 2,
     .chunk = 2,
     .name = {7, 1},
     .bytes = {(const uint8_t *)"part", 4}},
    {.kind = RECORD_settle, .n = 2, .target = {7, 0}},
    {.kind = RECORD_mark, .target = {7, 5}},
    {.kind = RECORD_declared, .object = 9, .bytes = {(const uint8_t *)"what", 4}},
    {.kind = RECORD_undeclared, .object = 9},
    {.kind = RECORD_commit, .group = 4, .first_lsn = 11, .n = 3},
    {.kind = RECORD_stopped},
    {.kind = RECORD_started},
    {.kind = RECORD_dropped, .group = 4},
};

enum { SAMPLE_COUNT = sizeof(SAMPLES) / sizeof(SAMPLES[0]) };

/* The record's body, in `room`. */
static struct record written(const struct entry *e, uint8_t room[ROOM])
{
    uint8_t *bytes = entry_put(room, e, PAIRS);
    if (e->bytes.size != 0)
        memcpy(bytes, e->bytes.at, e->bytes.size);
    ck_assert_uint_eq((size_t)(bytes - room) + e->bytes.size, entry_size(e));
    return (struct record){.kind = (uint8_t)e->kind, .body = {room, entry_size(e)}};
}

START_TEST(what_is_written_is_read)
{
    for (size_t i = 0; i < SAMPLE_COUNT; i++) {
        uint8_t room[ROOM];
        const struct entry *e = &SAMPLES[i];
        struct record r = written(e, room);
        struct entry got;
        ck_assert(entry_read(&r, &got));
        ck_assert(got.kind == e->kind && got.n == e->n && got.n_chunks == e->n_chunks);
        ck_assert(got.chunk == e->chunk && got.object == e->object && got.group == e->group);
        ck_assert(got.name.queue == e->name.queue && got.name.seq == e->name.seq);
        ck_assert(got.target.queue == e->target.queue && got.target.seq == e->target.seq);
        ck_assert(got.first_lsn == e->first_lsn && span_eq(got.bytes, e->bytes));
        for (uint32_t k = 0; got.list.size != 0 && k < got.n; k++)
            ck_assert(entry_pair(&got, k).queue == PAIRS[k].queue &&
                      entry_pair(&got, k).seq == PAIRS[k].seq);
    }
}
END_TEST

START_TEST(seqs_that_cannot_be_make_no_sense)
{
    static const struct store_target BAD[][2] = {{{7, 0}, {8, 1}}, {{7, 8}, {8, UINT64_MAX}}};
    static const struct store_target RANGES[][2] = {{{9, 8}, {9, 9}}, {{7, 8}, {9, UINT64_MAX}}};
    for (size_t i = 0; i < 2; i++) {
        uint8_t room[ROOM] = {0};
        struct entry e = {.kind = RECORD_publish, .n = 2};
        struct entry got;
        (void)entry_put(room, &e, BAD[i]);
        struct record r = {.kind = RECORD_publish, .body = {room, entry_size(&e)}};
        ck_assert(!entry_read(&r, &got));
        e.kind = RECORD_settle;
        (void)entry_put(room, &e, RANGES[i]);
        r = (struct record){.kind = RECORD_settle, .body = {room, entry_size(&e)}};
        ck_assert(!entry_read(&r, &got));
    }
}
END_TEST

START_TEST(a_group_comes_from_the_record)
{
    uint8_t room[ROOM];
    struct entry got;
    struct record r = written(&SAMPLES[0], room);
    r.in_group = true;
    r.group = 6;
    ck_assert(entry_read(&r, &got) && got.in_group && got.group == 6);
}
END_TEST

/* Only those that end with bytes of any number can be shorter and make sense. */
START_TEST(one_that_is_cut_or_too_long_makes_no_sense)
{
    for (size_t i = 0; i < SAMPLE_COUNT; i++) {
        uint8_t room[ROOM] = {0};
        struct record r = written(&SAMPLES[i], room);
        struct entry got;
        size_t size = r.body.size;
        for (r.body.size = 0; r.body.size < size - SAMPLES[i].bytes.size; r.body.size++)
            ck_assert(!entry_read(&r, &got));
        r.body.size = size + 1;
        ck_assert(entry_read(&r, &got) == (SAMPLES[i].bytes.size != 0));
    }
}
END_TEST

START_TEST(one_that_goes_nowhere_or_is_unknown_makes_no_sense)
{
    uint8_t room[ROOM];
    struct entry got;
    struct record r = written(&(struct entry){.kind = RECORD_publish}, room);
    ck_assert(!entry_read(&r, &got));
    r = written(&SAMPLES[4], room);
    r.kind = 99;
    ck_assert(!entry_read(&r, &got));
    r = written(&SAMPLES[3], room);
    memset(room + 8, 0xff, 4); /* so many ranges are not there */
    ck_assert(!entry_read(&r, &got));
}
END_TEST

SUITE("entry", what_is_written_is_read, a_group_comes_from_the_record,
      seqs_that_cannot_be_make_no_sense, one_that_is_cut_or_too_long_makes_no_sense,
      one_that_goes_nowhere_or_is_unknown_makes_no_sense)
