// SPDX-License-Identifier: Apache-2.0
/* Everything that can be done to an overlay shows there, and leaves no trace below. */
#include "storage/disk_overlay.h"

#include "tests/storage/scenario.h"

static struct disk *o;

static struct disk_file *over(const char *path, enum disk_how how)
{
    struct disk_file *f;
    ck_assert_int_eq(disk_open(o, path, how, &f), OK);
    return f;
}

static void expect(struct disk_file *f, uint64_t offset, size_t size, int byte)
{
    uint8_t bytes[16 * SECTOR];
    size_t got;
    ck_assert_int_eq(disk_read(f, offset, bytes, size, &got), OK);
    ck_assert_uint_eq(got, size);
    for (size_t i = 0; i < size; i++)
        ck_assert_int_eq(bytes[i], byte);
}

static void begin_over(void)
{
    begin();
    disk_close(durable("a", 10000, 7));
    ck_assert_int_eq(disk_overlay_new(&o, d), OK);
}

static void end_over(void)
{
    disk_overlay_free(o);
    end();
}

START_TEST(a_write_is_seen_there_and_not_below)
{
    begin_over();
    struct disk_file *f = over("a", DISK_WRITE);
    ck_assert_int_eq(fill(f, 4000, 300, 9), OK);
    ck_assert_int_eq(disk_sync(f), OK);
    expect(f, 0, 4000, 7);
    expect(f, 4000, 300, 9);
    expect(f, 4300, 3000, 7);
    struct disk_file *below = opened("a", DISK_READ);
    expect(below, 0, 8000, 7);
    disk_close(below);
    disk_close(f);
    end_over();
}
END_TEST

START_TEST(a_file_grows_with_zeros)
{
    begin_over();
    struct disk_file *f = over("a", DISK_WRITE);
    uint64_t size;
    uint64_t at;
    ck_assert_int_eq(disk_reserve(f, 50000), OK);
    expect(f, 10000, 6000, 0);
    ck_assert_int_eq(fill(f, 30000, 10, 1), OK);
    expect(f, 29990, 10, 0);
    expect(f, 30000, 10, 1);
    expect(f, 30010, 100, 0);
    ck_assert_int_eq(disk_next_data(f, 20000, &at), OK);
    ck_assert(at > 20000 && at <= 30000);
    ck_assert_int_eq(disk_next_data(f, 40000, &at), OK);
    ck_assert_uint_eq(at, 50000);
    ck_assert_int_eq(disk_size(f, &size), OK);
    ck_assert_uint_eq(size, 50000);
    disk_close(f);
    end_over();
}
END_TEST

static char listed[256];

static void list_name(void *arg, const char *name)
{
    (void)arg;
    strcat(strcat(listed, name), " ");
}

static const char *names(struct disk *disk)
{
    listed[0] = 0;
    ck_assert_int_eq(disk_list(disk, "", list_name, NULL), OK);
    return listed;
}

START_TEST(names_come_and_go)
{
    begin_over();
    struct disk_file *f;
    ck_assert_int_eq(disk_open(o, "a", DISK_NEW, &f), ERR_IO);
    ck_assert_int_eq(disk_open(o, "b", DISK_READ, &f), ERR_NOT_FOUND);
    ck_assert_int_eq(disk_rename(o, "a", "b"), OK);
    ck_assert_int_eq(disk_open(o, "a", DISK_READ, &f), ERR_NOT_FOUND);
    ck_assert_str_eq(names(o), "b ");
    f = over("b", DISK_READ);
    expect(f, 0, 8000, 7);
    disk_close(f);
    disk_close(over("a", DISK_NEW));
    ck_assert_int_eq(disk_remove(o, "b"), OK);
    ck_assert_int_eq(disk_remove(o, "b"), ERR_NOT_FOUND);
    ck_assert_str_eq(names(o), "a ");
    ck_assert_str_eq(names(d), "a ");
    end_over();
}
END_TEST

START_TEST(a_folder_may_be_there_alone)
{
    begin_over();
    ck_assert_int_eq(disk_make_folder(o, "x"), OK);
    ck_assert_int_eq(disk_sync_folder(o, "x"), OK);
    disk_close(over("x/1", DISK_NEW));
    listed[0] = 0;
    ck_assert_int_eq(disk_list(o, "x", list_name, NULL), OK);
    ck_assert_str_eq(listed, "1 ");
    ck_assert_int_eq(disk_list(d, "x", list_name, NULL), ERR_NOT_FOUND);
    end_over();
}
END_TEST

START_TEST(a_lock_is_its_own)
{
    begin_over();
    struct disk_file *f;
    uint64_t holder;
    ck_assert_int_eq(disk_lock(o, "lock", &f, &holder), OK);
    disk_close(f);
    ck_assert_str_eq(names(d), "a ");
    end_over();
}
END_TEST

SUITE("disk_overlay", a_write_is_seen_there_and_not_below, a_file_grows_with_zeros,
      names_come_and_go, a_folder_may_be_there_alone, a_lock_is_its_own)
