// SPDX-License-Identifier: Apache-2.0
/* tests/storage/scenario.h — words for short lives of a false disk, each lived with many seeds.
 *
 * Deliberate: function bodies in a header, because every test is a program of one file.
 */
#ifndef TESTS_STORAGE_SCENARIO_H
#define TESTS_STORAGE_SCENARIO_H

#include <string.h>

#include "tests/base/suite.h"
#include "tests/sim/false_disk.h"

enum { SEEDS = 2000, SECTOR = 512 };

static struct false_disk *fd;
static struct disk *d;
static uint64_t seed;

static inline void begin(void)
{
    fd = false_disk_new(0);
    d = false_disk(fd);
}

static inline void end(void)
{
    false_disk_free(fd);
}

static inline struct disk_file *opened(const char *path, enum disk_how how)
{
    struct disk_file *f;
    ck_assert_int_eq(disk_open(d, path, how, &f), OK);
    return f;
}

static inline void make(const char *path)
{
    disk_close(opened(path, DISK_NEW));
}

static inline enum err fill(struct disk_file *f, uint64_t offset, size_t size, int byte)
{
    static uint8_t bytes[64 * SECTOR];
    memset(bytes, byte, size);
    struct span part = span_of(bytes, size);
    return disk_write(f, offset, &part, 1);
}

static inline void sync_all(struct disk_file *f)
{
    ck_assert_int_eq(disk_sync(f), OK);
    ck_assert_int_eq(disk_sync_folder(d, ""), OK);
}

/* A new file, durable, of so many bytes. */
static inline struct disk_file *durable(const char *path, size_t size, int byte)
{
    struct disk_file *f = opened(path, DISK_NEW);
    ck_assert_int_eq(fill(f, 0, size, byte), OK);
    sync_all(f);
    return f;
}

static inline void power_on(void)
{
    struct rng chance = {seed};
    false_disk_power_on(fd, &chance);
}

static inline void cut(void)
{
    false_disk_cut(fd);
    power_on();
}

/* Which byte fills this range, or -1 if it is not the same everywhere, or not there whole. */
static inline int filled(const char *path, uint64_t offset, size_t size)
{
    static uint8_t bytes[64 * SECTOR];
    size_t got;
    struct disk_file *f = opened(path, DISK_READ);
    ck_assert_int_eq(disk_read(f, offset, bytes, size, &got), OK);
    disk_close(f);
    if (got != size)
        return -1;
    for (size_t i = 1; i < size; i++)
        if (bytes[i] != bytes[0])
            return -1;
    return bytes[0];
}

static inline bool there(const char *path)
{
    return false_disk_file_size(fd, path) != UINT64_MAX;
}

static inline void scenario_count(void *n, const char *name)
{
    (void)name;
    ++*(unsigned *)n;
}

static inline unsigned n_names(const char *folder)
{
    unsigned n = 0;
    ck_assert_int_eq(disk_list(d, folder, scenario_count, &n), OK);
    return n;
}

/* Each of the scenarios of a test leaves some bit for what became of it; every bit must be there,
 * and nothing else may. */
static inline void all_outcomes(unsigned (*scenario)(void), unsigned wanted)
{
    unsigned seen = 0;
    for (seed = 0; seed < SEEDS; seed++) {
        begin();
        unsigned outcome = scenario();
        ck_assert_msg((outcome & ~wanted) == 0, "seed %u: outcome %x", (unsigned)seed, outcome);
        seen |= outcome;
        end();
    }
    ck_assert_uint_eq(seen, wanted);
}

static inline void fail_next(enum err e)
{
    false_disk_fail_at(fd, false_disk_count(fd) + 1, e);
}

#endif
