// SPDX-License-Identifier: Apache-2.0
/* Each allocation of writing and reading fails in turn: ERR_NOMEM, and nothing is lost or left. */
#include <string.h>

#include "storage/segment.h"
#include "tests/base/memory.h"
#include "tests/storage/temporary.h"

enum { QUEUES = 40, MESSAGES = 30, BODY_SIZE = 3000 };

static struct env env;

static enum err write_messages(struct segment_writer *w)
{
    static uint8_t body[BODY_SIZE];
    struct segment_place first = {.size = 0};
    enum err e = OK;
    for (uint64_t i = 0; i < QUEUES * MESSAGES && e == OK; i++) {
        struct segment_message m = {.target = {i / MESSAGES, i}};
        struct segment_place place;
        if (i % 2 == 1) {
            e = segment_add_same(w, &m, &first);
            continue;
        }
        e = segment_add(w, &m, BODY_SIZE, &place);
        if (e == OK)
            e = segment_add_bytes(w, span_of(body, BODY_SIZE));
        if (i == 0)
            first = place;
    }
    return e;
}

static enum err write_it(struct disk *d, struct segment_made *made)
{
    struct segment_writer *w;
    struct segment_options o = {.disk = d, .env = &env, .number = 1};
    enum err e = segment_begin(&w, &o);
    if (e != OK)
        return e;
    e = write_messages(w);
    enum err end = segment_end(w, made);
    return e == OK || e == end ? end : ERR_SYNTAX;
}

static enum err count_message(void *arg, const struct segment_shown *shown)
{
    *(uint64_t *)arg += shown->size == BODY_SIZE && shown->bytes.size == BODY_SIZE;
    return OK;
}

static enum err count_more(void *arg, struct span bytes)
{
    (void)arg;
    (void)bytes;
    return OK;
}

static void count_damaged(void *arg, uint64_t first, uint64_t last, bool unreadable)
{
    (void)first;
    (void)last;
    (void)unreadable;
    *(uint64_t *)arg += 1000 * 1000;
}

/* Opens and reads all. */
static enum err read_it(struct disk *d, bool recover, uint64_t *n)
{
    struct segment_name name = {.disk = d, .number = 1};
    struct segment_visitor v = {count_message, count_more, count_damaged, n};
    struct segment *s;
    enum file_state state;
    *n = 0;
    enum err e = recover ? segment_recover(&s, &name, &state)
                         : segment_open(&s, &name, NULL, &state);
    if (e != OK)
        return s == NULL ? e : ERR_SYNTAX;
    struct segment_window *w = segment_window_new();
    if (w == NULL)
        e = ERR_NOMEM;
    for (uint64_t queue = 0; queue < QUEUES && e == OK; queue++) {
        struct segment_cursor c = {.queue = queue};
        for (bool more = true; more && e == OK;)
            e = segment_read(s, w, &c, (struct segment_limits){50000, 10}, &v, &more);
    }
    segment_window_free(w);
    segment_close(s);
    return e;
}

START_TEST(writing_without_memory_leaves_nothing)
{
    struct temporary t = temporary_begin();
    struct segment_made made;
    struct disk_file *f;
    unsigned n = 0;
    env = env_real();
    ck_assert_int_eq(segment_make_folder(t.disk), OK);
    for (bool failed = true; failed; n++) {
        memory_fail_once(n);
        enum err e = write_it(t.disk, &made);
        failed = memory_failed;
        memory_heal();
        ck_assert_int_eq(e, failed ? ERR_NOMEM : OK);
        e = disk_open(t.disk, SEGMENT_FOLDER "/1", DISK_READ, &f);
        ck_assert_int_eq(e, failed ? ERR_NOT_FOUND : OK);
        disk_close(f);
    }
    ck_assert_uint_gt(n, 5);
    ck_assert_uint_eq(made.count, QUEUES * MESSAGES);
    free(made.rows);
    temporary_end(&t);
}
END_TEST

START_TEST(reading_without_memory_says_so_and_loses_nothing)
{
    struct temporary t = temporary_begin();
    struct segment_made made;
    env = env_real();
    ck_assert_int_eq(segment_make_folder(t.disk), OK);
    ck_assert_int_eq(write_it(t.disk, &made), OK);
    free(made.rows);
    for (int recover = 0; recover < 2; recover++) {
        unsigned n = 0;
        for (bool failed = true; failed; n++) {
            uint64_t shown;
            memory_fail_once(n);
            enum err e = read_it(t.disk, recover, &shown);
            failed = memory_failed;
            memory_heal();
            ck_assert_int_eq(e, failed ? ERR_NOMEM : OK);
            ck_assert(failed || shown == QUEUES * MESSAGES);
        }
        ck_assert_uint_gt(n, 4);
    }
    temporary_end(&t);
}
END_TEST

SUITE("segment_memory", writing_without_memory_leaves_nothing,
      reading_without_memory_says_so_and_loses_nothing)
