// SPDX-License-Identifier: Apache-2.0
/* tests/storage/temporary.h — a directory for one test, and the real disk on it.
 *
 * Deliberate: function bodies in a header, because every test is a program of one file.
 */
#ifndef TESTS_STORAGE_TEMPORARY_H
#define TESTS_STORAGE_TEMPORARY_H

#include <ftw.h>
#include <stdio.h>

#include "storage/disk_posix.h"
#include "tests/base/suite.h"

struct temporary {
    char path[64];
    struct disk *disk;
};

static inline struct temporary temporary_begin(void)
{
    struct temporary t = {.path = "/tmp/whippet-disk-XXXXXX"};
    ck_assert_ptr_nonnull(mkdtemp(t.path));
    ck_assert_int_eq(disk_posix_open(&t.disk, t.path), OK);
    return t;
}

static inline int temporary_remove(const char *path, const struct stat *st, int type,
                                   struct FTW *where)
{
    (void)st;
    (void)type;
    (void)where;
    return remove(path);
}

static inline void temporary_end(struct temporary *t)
{
    disk_posix_close(t->disk);
    ck_assert_int_eq(nftw(t->path, temporary_remove, 8, FTW_DEPTH | FTW_PHYS), 0);
}

#endif
