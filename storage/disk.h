// SPDX-License-Identifier: Apache-2.0
/* storage/disk.h — the only door to files.
 *
 * A disk is one data directory; all paths are relative to it, with folders one deep. The real one
 * is disk_posix.h; tests/sim has one that loses, tears, reorders and fails.
 *
 * What a crash leaves: bytes that were written and then synced (disk_sync) are there. Of those
 * written since, any part may be, in any order, cut at 512 bytes. A name that was made, renamed or
 * removed is as it was before, or as it became, until its folder is synced (disk_sync_folder). So a
 * new file is written, synced, its folder synced, and only then referred to.
 *
 * After a failed write or sync nothing is known of what the file holds, and syncing again would say
 * nothing: the file has *failed*, and every later write or sync of it answers ERR_IO without being
 * tried. It can still be read, and closed.
 *
 * Space is taken before it is written to (disk_reserve), so that a full disk is met there, where
 * nothing is lost yet.
 *
 * Errors: ERR_NOMEM; ERR_IO, logged with the path and the system's own error; ERR_FULL, no space or
 * quota is left; ERR_LIMIT, no descriptor is left; ERR_NOT_FOUND, no such path; ERR_TAKEN, see
 * disk_lock. Whatever is interrupted or done in part by the system is gone on with inside.
 *
 * A path, and a folder's, is made by us: a bad one is a bug. So is writing to what was opened to be
 * read. An implementation fills in its ops alone; disk.c keeps `struct disk_file`.
 *
 * Thread: any but the core: each call blocks for as long as the disk takes. A file is used by one
 * thread at a time; different files, and the disk itself, by several.
 */
#ifndef STORAGE_DISK_H
#define STORAGE_DISK_H

#include "base/assert.h"
#include "base/err.h"
#include "base/span.h"

enum {
    DISK_PATH_MAX = 64, /* with its end */
    DISK_PARTS_MAX = 64 /* of one write */
};

struct disk {
    const struct disk_ops *ops;
};

struct disk_file {
    struct disk *disk;
    bool failed;
    bool writable;            /* unless DISK_READ */
    char path[DISK_PATH_MAX]; /* as it was opened; its user may tell of a rename */
};

enum disk_how {
    DISK_READ,  /* there already */
    DISK_WRITE, /* there already, to be written in place */
    DISK_NEW    /* made, and must not be there: ERR_IO else */
};

/* Called with each name in a folder, which it must not change. */
typedef void (*disk_name_fn)(void *arg, const char *name);

struct disk_ops {
    enum err (*open)(struct disk *d, const char *path, enum disk_how how, struct disk_file **out);
    void (*close)(struct disk_file *f);
    enum err (*size)(struct disk_file *f, uint64_t *size);
    enum err (*next_data)(struct disk_file *f, uint64_t offset, uint64_t *at);
    enum err (*reserve)(struct disk_file *f, uint64_t size);
    enum err (*write)(struct disk_file *f, uint64_t offset, const struct span *parts, size_t n);
    enum err (*read)(struct disk_file *f, uint64_t offset, uint8_t *at, size_t size, size_t *got);
    enum err (*sync)(struct disk_file *f);
    enum err (*rename)(struct disk *d, const char *from, const char *to);
    enum err (*remove)(struct disk *d, const char *path);
    enum err (*make_folder)(struct disk *d, const char *path);
    enum err (*sync_folder)(struct disk *d, const char *path);
    enum err (*list)(struct disk *d, const char *path, disk_name_fn each, void *arg);
    enum err (*lock)(struct disk *d, const char *path, struct disk_file **out, uint64_t *holder);
    enum err (*free_bytes)(struct disk *d, uint64_t *bytes);
};

MUST_USE enum err disk_open(struct disk *d, const char *path, enum disk_how how,
                            struct disk_file **out);

/* Never fails as far as the caller is concerned: what had to be durable was synced. NULL is fine.
 */
void disk_close(struct disk_file *f);

MUST_USE enum err disk_size(struct disk_file *f, uint64_t *size);

/* Where from `offset` on, at the earliest, there is something but zeros; the file's size if nothing
 * is known to be. It is a hint that saves reading reserved space, and may be `offset` itself. */
MUST_USE enum err disk_next_data(struct disk_file *f, uint64_t offset, uint64_t *at);

/* Takes space for the first `size` bytes; what is new reads as zeros. Never makes a file smaller.
 * ERR_FULL: nothing is wrong with the file, and it may have grown. */
MUST_USE enum err disk_reserve(struct disk_file *f, uint64_t size);

/* Writes all `parts`, at most DISK_PARTS_MAX, one behind the other from `offset` on. */
MUST_USE enum err disk_write(struct disk_file *f, uint64_t offset, const struct span *parts,
                             size_t n);

/* Reads up to `size` bytes; fewer only at the end of the file. */
MUST_USE enum err disk_read(struct disk_file *f, uint64_t offset, uint8_t *at, size_t size,
                            size_t *got);

/* OK: all that was written to the file is durable, if its name is. */
MUST_USE enum err disk_sync(struct disk_file *f);

/* Replaces what is at `to`. Within one folder. An open file goes on under its new name. */
MUST_USE enum err disk_rename(struct disk *d, const char *from, const char *to);
MUST_USE enum err disk_remove(struct disk *d, const char *path);

/* There already is fine. The folder that holds it is synced by its caller; "" is the directory. */
MUST_USE enum err disk_make_folder(struct disk *d, const char *path);
MUST_USE enum err disk_sync_folder(struct disk *d, const char *path);

/* The names in a folder, in no order, without "." and "..". */
MUST_USE enum err disk_list(struct disk *d, const char *path, disk_name_fn each, void *arg);

/* Takes the lock of that name, made if need be, until the file is closed or the process ends. The
 * holder's process number is written into it. ERR_TAKEN: another process holds it, and `*holder` is
 * its number, 0 if it cannot be read. */
MUST_USE enum err disk_lock(struct disk *d, const char *path, struct disk_file **out,
                            uint64_t *holder);

/* What an unprivileged writer could still write. */
MUST_USE enum err disk_free_bytes(struct disk *d, uint64_t *bytes);

#endif
