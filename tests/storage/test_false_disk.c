// SPDX-License-Identifier: Apache-2.0
/* What tests/sim/false_disk.h promises of a power cut: whatever harm it may do is done by some
 * seed, and no other harm by any. What the disk does while nothing goes wrong is in test_disk. */
#include "tests/sim/false_disk.h"

#include "tests/storage/scenario.h"

/* ---- Bytes ---- */

static unsigned synced_bytes(void)
{
    struct disk_file *f = durable("a", (size_t)8 * SECTOR, 1);
    ck_assert_int_eq(fill(f, (uint64_t)2 * SECTOR, SECTOR, 2), OK);
    ck_assert_int_eq(disk_sync(f), OK);
    ck_assert_int_eq(fill(f, (uint64_t)4 * SECTOR, SECTOR, 3), OK);
    ck_assert_int_eq(disk_reserve(f, (uint64_t)100 * SECTOR), OK);
    disk_close(f);
    cut();
    ck_assert_int_eq(filled("a", 0, (size_t)2 * SECTOR), 1);
    ck_assert_int_eq(filled("a", (uint64_t)2 * SECTOR, SECTOR), 2);
    ck_assert_int_eq(filled("a", (uint64_t)3 * SECTOR, SECTOR), 1);
    ck_assert_int_eq(filled("a", (uint64_t)5 * SECTOR, (size_t)3 * SECTOR), 1);
    cut(); /* what was left is durable */
    return 1;
}

START_TEST(what_was_synced_survives)
{
    all_outcomes(synced_bytes, 1);
}
END_TEST

/* 1 = all of it, 2 = nothing, 4 = a part. */
static unsigned torn_write(void)
{
    uint64_t at = SECTOR - 100; /* in five sectors, the first and the last in part */
    size_t size = 100 + 3 * SECTOR + 50;
    unsigned n_new = 0;
    struct disk_file *f = durable("a", (size_t)8 * SECTOR, 1);
    ck_assert_int_eq(fill(f, at, size, 2), OK);
    disk_close(f);
    cut();
    ck_assert_int_eq(filled("a", 0, at), 1);
    ck_assert_int_eq(filled("a", at + size, (size_t)8 * SECTOR - at - size), 1);
    for (uint64_t piece = at; piece < at + size;) {
        uint64_t next = (piece / SECTOR + 1) * SECTOR;
        if (next > at + size)
            next = at + size;
        int byte = filled("a", piece, next - piece);
        ck_assert_int_ge(byte, 1);
        n_new += byte == 2;
        piece = next;
    }
    return n_new == 5 ? 1 : n_new == 0 ? 2 : 4;
}

START_TEST(what_was_not_synced_is_torn_at_sectors)
{
    all_outcomes(torn_write, 1 | 2 | 4);
}
END_TEST

/* 1 << (first survives, second survives). */
static unsigned two_writes(void)
{
    struct disk_file *f = durable("a", (size_t)2 * SECTOR, 1);
    ck_assert_int_eq(fill(f, 0, SECTOR, 2), OK);
    ck_assert_int_eq(fill(f, SECTOR, SECTOR, 2), OK);
    disk_close(f);
    cut();
    int first = filled("a", 0, SECTOR) == 2;
    int second = filled("a", SECTOR, SECTOR) == 2;
    return 1u << (2 * first + second);
}

START_TEST(writes_do_not_keep_their_order)
{
    all_outcomes(two_writes, 15);
}
END_TEST

/* 0 = nothing, 1 = a part, 2 = all. */
static unsigned amount(uint64_t offset, size_t size)
{
    int byte = filled("a", offset, size);
    return byte == 1 ? 0 : byte == 2 ? 2 : 1;
}

static unsigned two_long_writes(void)
{
    const size_t size = (size_t)30 * SECTOR;
    struct disk_file *f = durable("a", 2 * size, 1);
    ck_assert_int_eq(fill(f, 0, size, 2), OK);
    ck_assert_int_eq(fill(f, size, size, 2), OK);
    disk_close(f);
    cut();
    return 1u << (3 * amount(0, size) + amount(size, size));
}

static unsigned many_writes(void)
{
    const size_t size = (size_t)30 * SECTOR;
    struct disk_file *f = durable("a", size, 1);
    for (uint64_t i = 0; i < 30; i++)
        ck_assert_int_eq(fill(f, i * SECTOR, SECTOR, 2), OK);
    disk_close(f);
    cut();
    return 1u << amount(0, size);
}

START_TEST(much_survives_whole_or_in_part_or_not)
{
    all_outcomes(two_long_writes, 0x1ff);
    all_outcomes(many_writes, 7);
}
END_TEST

static unsigned overwritten(void)
{
    struct disk_file *f = durable("a", SECTOR, 1);
    ck_assert_int_eq(fill(f, 0, SECTOR, 2), OK);
    ck_assert_int_eq(fill(f, 0, SECTOR, 3), OK);
    ck_assert_int_eq(filled("a", 0, SECTOR), 3);
    disk_close(f);
    cut();
    return 1u << filled("a", 0, SECTOR);
}

START_TEST(of_two_writes_to_a_sector_either_or_none_is_left)
{
    all_outcomes(overwritten, 1 << 1 | 1 << 2 | 1 << 3);
}
END_TEST

/* 1 = as before, 2 = the size alone, 4 = size and bytes, 8 = some of the bytes, 16 = some of the
 * size. */
static unsigned appended(void)
{
    struct disk_file *f = durable("a", SECTOR, 1);
    ck_assert_int_eq(fill(f, SECTOR, (size_t)2 * SECTOR, 2), OK);
    disk_close(f);
    cut();
    uint64_t size = false_disk_file_size(fd, "a");
    ck_assert_int_eq(filled("a", 0, SECTOR), 1);
    if (size == SECTOR)
        return 1;
    int first = filled("a", SECTOR, SECTOR);
    ck_assert(first == 0 || first == 2);
    if (size == (uint64_t)2 * SECTOR)
        return 16;
    ck_assert_uint_eq(size, (uint64_t)3 * SECTOR);
    int second = filled("a", (uint64_t)2 * SECTOR, SECTOR);
    ck_assert(second == 0 || second == 2);
    return first != second ? 8 : first == 0 ? 2 : 4;
}

START_TEST(a_size_may_survive_without_its_bytes)
{
    all_outcomes(appended, 1 | 2 | 4 | 8 | 16);
}
END_TEST

static unsigned reserved(void)
{
    struct disk_file *f = durable("a", SECTOR, 1);
    ck_assert_int_eq(disk_reserve(f, (uint64_t)4 * SECTOR), OK);
    disk_close(f);
    cut();
    ck_assert_int_eq(filled("a", 0, SECTOR), 1);
    if (false_disk_file_size(fd, "a") == SECTOR)
        return 1;
    ck_assert_uint_eq(false_disk_file_size(fd, "a"), (uint64_t)4 * SECTOR);
    ck_assert_int_eq(filled("a", SECTOR, (size_t)3 * SECTOR), 0);
    return 2;
}

START_TEST(a_reservation_survives_or_not_until_it_is_synced)
{
    all_outcomes(reserved, 1 | 2);
}
END_TEST

/* ---- Names ---- */

/* 1 = gone, 2 = there without its bytes, 4 = with them. */
static unsigned made(void)
{
    struct disk_file *f = opened("a", DISK_NEW);
    ck_assert_int_eq(fill(f, 0, SECTOR, 2), OK);
    disk_close(f);
    cut();
    if (!there("a"))
        return 1;
    return false_disk_file_size(fd, "a") == SECTOR && filled("a", 0, SECTOR) == 2 ? 4 : 2;
}

static unsigned made_and_synced_alone(void)
{
    struct disk_file *f = opened("a", DISK_NEW);
    ck_assert_int_eq(fill(f, 0, SECTOR, 2), OK);
    ck_assert_int_eq(disk_sync(f), OK);
    disk_close(f);
    cut();
    return !there("a") ? 1 : filled("a", 0, SECTOR) == 2 ? 4 : 2;
}

static unsigned made_and_its_folder_synced(void)
{
    struct disk_file *f = opened("a", DISK_NEW);
    ck_assert_int_eq(fill(f, 0, SECTOR, 2), OK);
    ck_assert_int_eq(disk_sync_folder(d, ""), OK);
    disk_close(f);
    cut();
    return !there("a") ? 1 : false_disk_file_size(fd, "a") == SECTOR ? 4 : 2;
}

START_TEST(a_new_name_and_its_bytes_are_synced_each_for_itself)
{
    all_outcomes(made, 1 | 2 | 4);
    all_outcomes(made_and_synced_alone, 1 | 4);
    all_outcomes(made_and_its_folder_synced, 2 | 4);
}
END_TEST

/* 1 = before, 2 = after. */
static unsigned renamed(void)
{
    disk_close(durable("from", SECTOR, 2));
    disk_close(durable("to", SECTOR, 1));
    ck_assert_int_eq(disk_rename(d, "from", "to"), OK);
    cut();
    ck_assert_int_eq(filled("to", 0, SECTOR), there("from") ? 1 : 2);
    return there("from") ? 1 : 2;
}

static unsigned renamed_and_synced(void)
{
    struct disk_file *f = durable("from", SECTOR, 2);
    disk_close(durable("to", SECTOR, 1));
    ck_assert_int_eq(disk_rename(d, "from", "to"), OK);
    ck_assert_int_eq(disk_sync_folder(d, ""), OK);
    ck_assert_int_eq(fill(f, 0, SECTOR, 3), OK);
    ck_assert_int_eq(disk_sync(f), OK); /* follows the file to its new name */
    disk_close(f);
    cut();
    ck_assert_int_eq(filled("to", 0, SECTOR), 3);
    return there("from") ? 1 : 2;
}

START_TEST(a_rename_is_made_whole_or_not)
{
    all_outcomes(renamed, 1 | 2);
    all_outcomes(renamed_and_synced, 2);
}
END_TEST

/* Made, renamed onto what is durable, and that made anew: 1 << which combination was left. */
static unsigned chain(void)
{
    disk_close(durable("b", SECTOR, 1));
    struct disk_file *f = opened("a", DISK_NEW);
    ck_assert_int_eq(fill(f, 0, SECTOR, 2), OK);
    ck_assert_int_eq(disk_sync(f), OK);
    disk_close(f);
    ck_assert_int_eq(disk_rename(d, "a", "b"), OK);
    cut();
    int b = filled("b", 0, SECTOR);
    ck_assert_int_ge(b, 1); /* there in any case */
    ck_assert(!(b == 2 && there("a")));
    return b == 2 ? 1 : there("a") ? 2 : 4;
}

START_TEST(changes_to_names_survive_where_they_make_sense)
{
    all_outcomes(chain, 1 | 2 | 4);
}
END_TEST

/* 1 = back, 2 = gone, 4 = another in its place. */
static unsigned removed(void)
{
    struct disk_file *f = durable("a", SECTOR, 1);
    ck_assert_int_eq(disk_remove(d, "a"), OK);
    ck_assert_int_eq(fill(f, 0, SECTOR, 3), OK); /* the file lives on without a name */
    ck_assert_int_eq(disk_sync(f), OK);
    disk_close(f);
    f = opened("a", DISK_NEW);
    ck_assert_int_eq(fill(f, 0, SECTOR, 2), OK);
    ck_assert_int_eq(disk_sync(f), OK);
    disk_close(f);
    cut();
    ck_assert_uint_eq(n_names(""), there("a"));
    if (!there("a"))
        return 2;
    return filled("a", 0, SECTOR) == 3 ? 1 : filled("a", 0, SECTOR) == 2 ? 4 : 8;
}

static unsigned removed_and_synced(void)
{
    disk_close(durable("a", SECTOR, 1));
    ck_assert_int_eq(disk_remove(d, "a"), OK);
    ck_assert_int_eq(disk_sync_folder(d, ""), OK);
    cut();
    return there("a") ? 1 : 2;
}

/* The sync of another folder is nothing to them: 1 << which are back. */
static unsigned removed_in_folder(void)
{
    ck_assert_int_eq(disk_make_folder(d, "folder"), OK);
    make("folder/old");
    ck_assert_int_eq(disk_sync_folder(d, "folder"), OK);
    make("folder/new");
    ck_assert_int_eq(disk_remove(d, "folder/old"), OK);
    ck_assert_int_eq(disk_remove(d, "folder/new"), OK);
    ck_assert_int_eq(disk_sync_folder(d, ""), OK);
    disk_close(durable("another", 1, 1)); /* must not be taken for them */
    disk_close(durable("a-third", 1, 1));
    cut();
    ck_assert_uint_ne(false_disk_file_size(fd, "folder/old"), 1);
    ck_assert_uint_ne(false_disk_file_size(fd, "folder/new"), 1);
    return 1u << (there("folder/old") + 2 * there("folder/new"));
}

START_TEST(a_removed_file_may_come_back)
{
    all_outcomes(removed_in_folder, 15);
    all_outcomes(removed, 1 | 2 | 4);
    all_outcomes(removed_and_synced, 2);
}
END_TEST

/* 1 = nothing, 2 = the folder without the file, 4 = both. */
static unsigned made_in_folder(void)
{
    struct disk_file *unused;
    ck_assert_int_eq(disk_make_folder(d, "folder"), OK);
    make("folder/a");
    cut();
    if (there("folder/a"))
        return 4;
    return disk_sync_folder(d, "folder") == ERR_NOT_FOUND &&
                   disk_open(d, "folder/a", DISK_NEW, &unused) == ERR_NOT_FOUND
               ? 1
               : 2;
}

static unsigned made_in_synced_folder(void)
{
    ck_assert_int_eq(disk_make_folder(d, "folder"), OK);
    make("folder/a");
    ck_assert_int_eq(disk_make_folder(d, "folder"), OK);
    ck_assert_int_eq(disk_sync_folder(d, "folder"), OK);
    cut();
    /* The directory was not synced. */
    return there("folder/a") ? 4 : disk_sync_folder(d, "folder") == ERR_NOT_FOUND ? 1 : 2;
}

static unsigned made_and_all_synced(void)
{
    ck_assert_int_eq(disk_make_folder(d, "folder"), OK);
    make("folder/a");
    ck_assert_int_eq(disk_sync_folder(d, ""), OK);
    ck_assert_int_eq(disk_sync_folder(d, "folder"), OK);
    cut();
    return there("folder/a") ? 4 : 2;
}

START_TEST(a_folder_is_a_name_too)
{
    all_outcomes(made_in_folder, 1 | 2 | 4);
    all_outcomes(made_in_synced_folder, 1 | 4);
    all_outcomes(made_and_all_synced, 4);
}
END_TEST

SUITE("false_disk", what_was_synced_survives, what_was_not_synced_is_torn_at_sectors,
      writes_do_not_keep_their_order, much_survives_whole_or_in_part_or_not,
      of_two_writes_to_a_sector_either_or_none_is_left, a_size_may_survive_without_its_bytes,
      a_reservation_survives_or_not_until_it_is_synced,
      a_new_name_and_its_bytes_are_synced_each_for_itself, a_rename_is_made_whole_or_not,
      changes_to_names_survive_where_they_make_sense, a_removed_file_may_come_back,
      a_folder_is_a_name_too)
