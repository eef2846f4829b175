// SPDX-License-Identifier: Apache-2.0
/* What storage/disk.h promises of any disk while nothing goes wrong, held by each of them. */
#include "storage/disk.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/sim/false_disk.h"
#include "tests/storage/temporary.h"

typedef void promise(struct disk *d);

static void held_by_each(promise *check)
{
    struct temporary t = temporary_begin();
    check(t.disk);
    temporary_end(&t);
    struct false_disk *fd = false_disk_new(0);
    check(false_disk(fd));
    false_disk_free(fd);
}

static struct disk_file *opened(struct disk *d, const char *path, enum disk_how how)
{
    struct disk_file *f;
    ck_assert_int_eq(disk_open(d, path, how, &f), OK);
    ck_assert_ptr_eq(f->disk, d);
    ck_assert_str_eq(f->path, path);
    return f;
}

static void write_at(struct disk_file *f, uint64_t offset, struct span bytes)
{
    ck_assert_int_eq(disk_write(f, offset, &bytes, 1), OK);
}

static void check_bytes(struct disk_file *f, uint64_t offset, struct span wanted)
{
    uint8_t bytes[256];
    size_t got;
    ck_assert_int_eq(disk_read(f, offset, bytes, wanted.size, &got), OK);
    ck_assert(span_eq(span_of(bytes, got), wanted));
}

static void check_size(struct disk_file *f, uint64_t wanted)
{
    uint64_t size;
    ck_assert_int_eq(disk_size(f, &size), OK);
    ck_assert_uint_eq(size, wanted);
}

static void make(struct disk *d, const char *path, struct span bytes)
{
    struct disk_file *f = opened(d, path, DISK_NEW);
    write_at(f, 0, bytes);
    disk_close(f);
}

static void check_file(struct disk *d, const char *path, struct span wanted)
{
    struct disk_file *f = opened(d, path, DISK_READ);
    check_size(f, wanted.size);
    check_bytes(f, 0, wanted);
    disk_close(f);
}

static void check_open_fails(struct disk *d, const char *path, enum disk_how how, enum err wanted)
{
    struct disk_file unused;
    struct disk_file *f = &unused;
    ck_assert_int_eq(disk_open(d, path, how, &f), wanted);
    ck_assert_ptr_null(f);
}

/* ---- Files ---- */

static void promise_read(struct disk *d)
{
    struct disk_file *f = opened(d, "a", DISK_NEW);
    check_size(f, 0);
    check_bytes(f, 0, SPAN_NONE);
    write_at(f, 0, SPAN_LIT("hound and hare"));
    write_at(f, 6, SPAN_LIT("AND"));
    check_bytes(f, 0, SPAN_LIT("hound AND hare"));
    check_size(f, 14);
    ck_assert_int_eq(disk_sync(f), OK);
    disk_close(f);
    f = opened(d, "a", DISK_WRITE);
    write_at(f, 10, SPAN_LIT("wolf"));
    disk_close(f);
    check_file(d, "a", SPAN_LIT("hound AND wolf"));
    disk_close(NULL);
}

START_TEST(what_was_written_is_read)
{
    held_by_each(promise_read);
}
END_TEST

static void promise_end(struct disk *d)
{
    uint8_t bytes[8];
    size_t got;
    make(d, "a", SPAN_LIT("12345"));
    struct disk_file *f = opened(d, "a", DISK_READ);
    ck_assert_int_eq(disk_read(f, 3, bytes, sizeof(bytes), &got), OK);
    ck_assert_uint_eq(got, 2);
    ck_assert_int_eq(disk_read(f, 5, bytes, sizeof(bytes), &got), OK);
    ck_assert_uint_eq(got, 0);
    ck_assert_int_eq(disk_read(f, 1000, bytes, sizeof(bytes), &got), OK);
    ck_assert_uint_eq(got, 0);
    disk_close(f);
}

START_TEST(reading_stops_at_the_end)
{
    held_by_each(promise_end);
}
END_TEST

static void promise_parts(struct disk *d)
{
    struct span parts[DISK_PARTS_MAX];
    for (size_t i = 0; i < DISK_PARTS_MAX; i++)
        parts[i] = i % 2 == 0 ? SPAN_LIT("ab") : SPAN_NONE;
    struct disk_file *f = opened(d, "a", DISK_NEW);
    ck_assert_int_eq(disk_write(f, 3, parts, DISK_PARTS_MAX), OK);
    check_size(f, 3 + DISK_PARTS_MAX);
    check_bytes(f, 0, SPAN_LIT("\0\0\0ababab"));
    check_bytes(f, 3 + DISK_PARTS_MAX - 4, SPAN_LIT("abab"));
    ck_assert_int_eq(disk_write(f, 100, parts + 1, 1), OK);
    ck_assert_int_eq(disk_write(f, 100, NULL, 0), OK);
    check_size(f, 3 + DISK_PARTS_MAX);
    disk_close(f);
}

START_TEST(parts_are_written_one_behind_the_other)
{
    held_by_each(promise_parts);
}
END_TEST

static void promise_reserve(struct disk *d)
{
    struct disk_file *f = opened(d, "a", DISK_NEW);
    ck_assert_int_eq(disk_reserve(f, 0), OK);
    check_size(f, 0);
    write_at(f, 0, SPAN_LIT("abc"));
    ck_assert_int_eq(disk_reserve(f, 200000), OK);
    check_size(f, 200000);
    check_bytes(f, 0, SPAN_LIT("abc\0\0\0"));
    check_bytes(f, 199998, SPAN_LIT("\0\0"));
    ck_assert_int_eq(disk_reserve(f, 10), OK);
    check_size(f, 200000);
    disk_close(f);
}

START_TEST(reserved_space_reads_as_zeros_and_stays)
{
    held_by_each(promise_reserve);
}
END_TEST

/* Nothing but zeros is passed over, and at the end of data is the end of the file. */
static void promise_next_data(struct disk *d)
{
    enum { SIZE = 1 << 20, PLACE = 300000 };
    struct disk_file *f = opened(d, "a", DISK_NEW);
    uint64_t at;
    ck_assert_int_eq(disk_reserve(f, SIZE), OK);
    write_at(f, 0, SPAN_LIT("first"));
    write_at(f, PLACE, SPAN_LIT("second"));
    ck_assert_int_eq(disk_next_data(f, 0, &at), OK);
    ck_assert_uint_eq(at, 0);
    ck_assert_int_eq(disk_next_data(f, 5, &at), OK);
    ck_assert_uint_ge(at, 5);
    ck_assert_uint_le(at, PLACE);
    ck_assert_int_eq(disk_next_data(f, PLACE + 6, &at), OK);
    ck_assert_uint_ge(at, PLACE + 6);
    ck_assert_uint_le(at, SIZE);
    ck_assert_int_eq(disk_next_data(f, SIZE, &at), OK);
    ck_assert_uint_eq(at, SIZE);
    disk_close(f);
}

START_TEST(reserved_space_may_be_passed_over)
{
    held_by_each(promise_next_data);
}
END_TEST

static void promise_how(struct disk *d)
{
    check_open_fails(d, "a", DISK_READ, ERR_NOT_FOUND);
    check_open_fails(d, "a", DISK_WRITE, ERR_NOT_FOUND);
    check_open_fails(d, "folder/a", DISK_READ, ERR_NOT_FOUND);
    check_open_fails(d, "folder/a", DISK_NEW, ERR_NOT_FOUND);
    make(d, "a", SPAN_LIT("here"));
    check_open_fails(d, "a", DISK_NEW, ERR_IO);
    check_file(d, "a", SPAN_LIT("here"));
}

START_TEST(opening_says_whether_it_must_be_there)
{
    held_by_each(promise_how);
}
END_TEST

/* ---- Names ---- */

static void promise_rename(struct disk *d)
{
    make(d, "from", SPAN_LIT("new"));
    make(d, "to", SPAN_LIT("old"));
    struct disk_file *replaced = opened(d, "to", DISK_READ);
    struct disk_file *f = opened(d, "from", DISK_WRITE);
    ck_assert_int_eq(disk_rename(d, "from", "to"), OK);
    write_at(f, 3, SPAN_LIT("er"));
    check_bytes(replaced, 0, SPAN_LIT("old"));
    disk_close(f);
    disk_close(replaced);
    check_file(d, "to", SPAN_LIT("newer"));
    check_open_fails(d, "from", DISK_READ, ERR_NOT_FOUND);
    ck_assert_int_eq(disk_rename(d, "from", "to"), ERR_NOT_FOUND);
    ck_assert_int_eq(disk_rename(d, "to", "to"), OK);
    check_file(d, "to", SPAN_LIT("newer"));
}

START_TEST(a_rename_replaces_and_an_open_file_goes_on)
{
    held_by_each(promise_rename);
}
END_TEST

static void promise_remove(struct disk *d)
{
    make(d, "a", SPAN_LIT("still here"));
    struct disk_file *f = opened(d, "a", DISK_WRITE);
    ck_assert_int_eq(disk_remove(d, "a"), OK);
    ck_assert_int_eq(disk_remove(d, "a"), ERR_NOT_FOUND);
    check_open_fails(d, "a", DISK_READ, ERR_NOT_FOUND);
    write_at(f, 0, SPAN_LIT("S"));
    check_bytes(f, 0, SPAN_LIT("Still here"));
    disk_close(f);
    make(d, "a", SPAN_LIT("another"));
    check_file(d, "a", SPAN_LIT("another"));
}

START_TEST(a_removed_file_lives_until_it_is_closed)
{
    held_by_each(promise_remove);
}
END_TEST

struct names {
    char text[256];
    size_t n;
};

static void collect(void *arg, const char *name)
{
    struct names *names = arg;
    names->n++;
    size_t used = strlen(names->text);
    snprintf(names->text + used, sizeof(names->text) - used, "%s ", name);
}

static void check_list(struct disk *d, const char *path, size_t n, const char *has)
{
    struct names names = {.n = 0};
    ck_assert_int_eq(disk_list(d, path, collect, &names), OK);
    ck_assert_uint_eq(names.n, n);
    ck_assert_ptr_nonnull(strstr(names.text, has));
}

static void promise_folders(struct disk *d)
{
    struct names none = {.n = 0};
    ck_assert_int_eq(disk_list(d, "folder", collect, &none), ERR_NOT_FOUND);
    ck_assert_int_eq(disk_sync_folder(d, "folder"), ERR_NOT_FOUND);
    ck_assert_int_eq(disk_make_folder(d, "folder"), OK);
    ck_assert_int_eq(disk_make_folder(d, "folder"), OK);
    check_list(d, "folder", 0, "");
    make(d, "folder/1", SPAN_LIT("one"));
    make(d, "folder/2", SPAN_LIT("two"));
    make(d, "1", SPAN_LIT("outside"));
    ck_assert_int_eq(disk_rename(d, "folder/2", "folder/3"), OK);
    check_list(d, "folder", 2, "3 ");
    check_list(d, "folder", 2, "1 ");
    check_list(d, "", 2, "folder ");
    check_file(d, "folder/1", SPAN_LIT("one"));
    check_file(d, "1", SPAN_LIT("outside"));
    ck_assert_int_eq(disk_remove(d, "folder/1"), OK);
    check_list(d, "folder", 1, "3 ");
    ck_assert_int_eq(disk_sync_folder(d, "folder"), OK);
    ck_assert_int_eq(disk_sync_folder(d, ""), OK);
}

START_TEST(folders_hold_and_list_names)
{
    held_by_each(promise_folders);
}
END_TEST

static void promise_kinds(struct disk *d)
{
    struct disk_file *f;
    struct names none = {.n = 0};
    make(d, "a", SPAN_LIT("file"));
    ck_assert_int_eq(disk_make_folder(d, "folder"), OK);
    check_open_fails(d, "folder", DISK_WRITE, ERR_IO);
    ck_assert_int_eq(disk_remove(d, "folder"), ERR_IO);
    ck_assert_int_ne(disk_open(d, "a/b", DISK_NEW, &f), OK);
    ck_assert_int_ne(disk_list(d, "a", collect, &none), OK);
    ck_assert_int_ne(disk_sync_folder(d, "a"), OK);
}

START_TEST(a_file_is_no_folder)
{
    held_by_each(promise_kinds);
}
END_TEST

/* ---- The lock, and space ---- */

static void promise_lock(struct disk *d)
{
    struct disk_file *lock;
    struct disk_file unused;
    struct disk_file *second = &unused;
    uint64_t holder = 1;
    ck_assert_int_eq(disk_lock(d, "folder/lock", &second, &holder), ERR_NOT_FOUND);
    ck_assert_ptr_null(second);
    ck_assert_uint_eq(holder, 0);
    second = &unused;
    ck_assert_int_eq(disk_lock(d, "lock", &lock, &holder), OK);
    ck_assert_uint_eq(holder, 0);
    ck_assert_int_eq(disk_lock(d, "lock", &second, &holder), ERR_TAKEN);
    ck_assert_ptr_null(second);
    ck_assert_uint_ne(holder, 0);
    char number[24];
    snprintf(number, sizeof(number), "%llu\n", (unsigned long long)holder);
    check_file(d, "lock", span_str(number));
    ck_assert_int_eq(disk_lock(d, "lock", &second, &holder), ERR_TAKEN);
    disk_close(lock);
    ck_assert_int_eq(disk_lock(d, "lock", &lock, &holder), OK);
    disk_close(lock);
}

START_TEST(a_lock_is_held_until_it_is_closed)
{
    held_by_each(promise_lock);
}
END_TEST

static void promise_free_bytes(struct disk *d)
{
    uint64_t bytes = 0;
    ck_assert_int_eq(disk_free_bytes(d, &bytes), OK);
    ck_assert_uint_ge(bytes, 4096);
}

START_TEST(free_space_is_told)
{
    held_by_each(promise_free_bytes);
}
END_TEST

/* ---- The failed file ---- */

static unsigned n_tried;
static enum err given;

static enum err give_write(struct disk_file *f, uint64_t offset, const struct span *parts, size_t n)
{
    (void)f, (void)offset, (void)parts, (void)n;
    n_tried++;
    return given;
}

static enum err give_sync(struct disk_file *f)
{
    (void)f;
    n_tried++;
    return given;
}

static enum err give_read(struct disk_file *f, uint64_t offset, uint8_t *at, size_t size,
                          size_t *got)
{
    (void)f, (void)offset, (void)at, (void)size;
    *got = 3;
    return OK;
}

static const struct disk_ops GIVING = {.write = give_write, .sync = give_sync, .read = give_read};

static void check_failed(struct disk_file *f)
{
    struct span part = SPAN_LIT("x");
    size_t got;
    given = OK;
    n_tried = 0;
    ck_assert_int_eq(disk_write(f, 0, &part, 1), ERR_IO);
    ck_assert_int_eq(disk_sync(f), ERR_IO);
    ck_assert_uint_eq(n_tried, 0);
    ck_assert_int_eq(disk_read(f, 0, NULL, 0, &got), OK);
    ck_assert_uint_eq(got, 3);
}

START_TEST(a_failed_file_is_not_tried_again)
{
    struct disk d = {&GIVING};
    struct span part = SPAN_LIT("x");
    struct disk_file f = {.disk = &d, .writable = true};
    given = OK;
    ck_assert_int_eq(disk_write(&f, 0, &part, 1), OK);
    ck_assert_int_eq(disk_sync(&f), OK);
    ck_assert_uint_eq(n_tried, 2);
    given = ERR_FULL;
    ck_assert_int_eq(disk_write(&f, 0, &part, 1), ERR_FULL);
    check_failed(&f);
    struct disk_file g = {.disk = &d, .writable = true};
    given = ERR_IO;
    ck_assert_int_eq(disk_sync(&g), ERR_IO);
    check_failed(&g);
}
END_TEST

/* ---- Mistakes of ours ---- */

static void dies(void (*act)(struct disk *, const void *), const void *arg)
{
    struct temporary t = temporary_begin();
    pid_t child = fork();
    if (child == 0) {
        fclose(stderr);
        act(t.disk, arg);
        _exit(0);
    }
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_msg(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT, "lives on");
    temporary_end(&t);
}

static void act_open(struct disk *d, const void *path)
{
    struct disk_file *f;
    (void)!disk_open(d, path, DISK_NEW, &f);
}

static void act_make_folder(struct disk *d, const void *path)
{
    (void)!disk_make_folder(d, path);
}

static void act_rename(struct disk *d, const void *to)
{
    (void)!disk_rename(d, "folder/a", to);
}

static void act_rename_into(struct disk *d, const void *to)
{
    (void)!disk_rename(d, "a", to);
}

static void act_write(struct disk *unused, const void *f)
{
    struct span parts[DISK_PARTS_MAX + 1] = {SPAN_NONE};
    struct disk giving = {&GIVING};
    struct disk_file file = *(const struct disk_file *)f;
    (void)unused;
    file.disk = &giving;
    (void)!disk_write(&file, 0, parts, file.writable ? DISK_PARTS_MAX + 1 : 1);
}

START_TEST(mistakes_of_ours_abort)
{
    static const char LONG[] = "a-name-of-sixty-four-bytes-is-one-too-long-for-the-end-has-no-rm";
    static const char *const PATHS[] = {"", ".", "..", "/etc", "a/", "a/b/c", "../a", "a/..", LONG};
    static const struct disk_file TO_READ = {.writable = false};
    static const struct disk_file TO_WRITE = {.writable = true};
    ck_assert_uint_eq(sizeof(LONG) - 1, DISK_PATH_MAX);
    for (size_t i = 0; i < sizeof(PATHS) / sizeof(*PATHS); i++)
        dies(act_open, PATHS[i]);
    dies(act_make_folder, "");
    dies(act_make_folder, "a/b");
    dies(act_rename, "a");
    dies(act_rename, "folders/a");
    dies(act_rename_into, "folder/a");
    dies(act_write, &TO_READ);
    dies(act_write, &TO_WRITE);
}
END_TEST

SUITE("disk", what_was_written_is_read, reading_stops_at_the_end,
      parts_are_written_one_behind_the_other, reserved_space_reads_as_zeros_and_stays,
      reserved_space_may_be_passed_over, opening_says_whether_it_must_be_there,
      a_rename_replaces_and_an_open_file_goes_on, a_removed_file_lives_until_it_is_closed,
      folders_hold_and_list_names, a_file_is_no_folder, a_lock_is_held_until_it_is_closed,
      free_space_is_told, a_failed_file_is_not_tried_again, mistakes_of_ours_abort)
