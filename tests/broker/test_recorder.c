// SPDX-License-Identifier: Apache-2.0
#include "broker/server/recorder.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "broker/server/recording.h"
#include "tests/broker/core_fixture.h"

static char folder[64];
static char path[128];
static char old[160];
static char why[256];

static void begin(void)
{
    strcpy(folder, "/tmp/recorder.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/recording", folder);
    snprintf(old, sizeof(old), "%s.old", path);
}

static void end(void)
{
    unlink(path);
    unlink(old);
    rmdir(folder);
}

static struct recorder *open_recorder(const char *at)
{
    struct recorder *r;
    ck_assert_int_eq(recorder_open(&r, at, SPAN_LIT("1.2"), why, sizeof(why)), OK);
    return r;
}

/* Bytes of the file, and how many records of a kind are in it. */
static size_t count(enum recording_kind kind, size_t *n)
{
    static uint8_t bytes[1 << 20];
    FILE *file = fopen(path, "re");
    ck_assert_ptr_nonnull(file);
    size_t size = fread(bytes, 1, sizeof(bytes), file);
    ck_assert_uint_lt(size, sizeof(bytes));
    fclose(file);
    struct span in = span_of(bytes, size);
    struct recording_record r;
    *n = 0;
    if (size == 0)
        return 0;
    ck_assert(recording_take_magic(&in));
    enum recording_got got;
    while ((got = recording_next(&in, &r)) == RECORDING_RECORD)
        *n += r.kind == kind;
    ck_assert_int_eq(got, RECORDING_END);
    return size;
}

START_TEST(every_turn_of_a_core_is_in_the_file)
{
    size_t n;
    begin();
    struct recorder *r = open_recorder(path);
    struct fixture *fx = fixture_new(0);
    fx->core->options.observer = recorder_observer(r);
    struct client *c = fixture_connect(fx);
    say(c, "1 queue_declare queue=q");
    heard(c, "1 queue_declare_ok queue=q");
    count(RECORDING_DONE, &n); /* at rest everything is written */
    ck_assert_uint_eq(n, fx->core->stats.turns);
    fixture_free(fx);
    size_t n_turns;
    count(RECORDING_TURN, &n_turns);
    ck_assert_uint_gt(n_turns, n);
    recorder_close(r);
    count(RECORDING_HEAD, &n);
    ck_assert_uint_eq(n, 1);
    struct stat is;
    ck_assert_int_eq(stat(path, &is), 0);
    ck_assert_uint_eq(is.st_mode & 0777, 0600);
    end();
}
END_TEST

/* The core is at work all the time: what it does is in the file at some time all the same. */
START_TEST(a_core_at_work_is_written_now_and_then)
{
    size_t n;
    begin();
    struct recorder *r = open_recorder(path);
    struct fixture *fx = fixture_new(0);
    const struct core_observer *o = recorder_observer(r);
    o->began(o->arg, fx->core);
    o->ended(o->arg, fx->core, true);
    ck_assert_uint_eq(count(RECORDING_DONE, &n), 0);
    recorder_flush(r);
    count(RECORDING_DONE, &n);
    ck_assert_uint_eq(n, 1);
    fx->core->now_ns += RECORDER_NS;
    o->began(o->arg, fx->core);
    o->ended(o->arg, fx->core, true);
    count(RECORDING_DONE, &n);
    ck_assert_uint_eq(n, 2);
    fixture_free(fx);
    recorder_close(r);
    end();
}
END_TEST

START_TEST(an_older_recording_is_kept)
{
    begin();
    recorder_close(open_recorder(path));
    recorder_close(open_recorder(path));
    ck_assert_int_eq(access(path, F_OK), 0);
    ck_assert_int_eq(access(old, F_OK), 0);
    end();
}
END_TEST

START_TEST(a_file_that_cannot_be_made_is_said)
{
    struct recorder *r;
    ck_assert_int_eq(recorder_open(&r, "/nowhere/at/all", SPAN_NONE, why, sizeof(why)), ERR_IO);
    ck_assert_ptr_null(r);
    ck_assert_str_eq(why, "/nowhere/at/all: No such file or directory");
}
END_TEST

START_TEST(a_failing_write_ends_the_recording_and_nothing_else)
{
    struct recorder *r = open_recorder("/dev/full");
    struct fixture *fx = fixture_new(0);
    fx->core->options.observer = recorder_observer(r);
    struct client *c = fixture_connect(fx);
    say(c, "1 queue_declare queue=q");
    heard(c, "1 queue_declare_ok queue=q");
    fixture_free(fx);
    recorder_flush(r);
    recorder_close(r);
    recorder_close(NULL);
}
END_TEST

SUITE("recorder", every_turn_of_a_core_is_in_the_file, a_core_at_work_is_written_now_and_then,
      an_older_recording_is_kept, a_file_that_cannot_be_made_is_said,
      a_failing_write_ends_the_recording_and_nothing_else)
