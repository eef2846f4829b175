// SPDX-License-Identifier: Apache-2.0
/* What every disk has in common: the checks of what it is asked, and the rule of the failed file.
 */
#include "storage/disk.h"

#include <string.h>

/* "name", or "folder/name". */
static bool disk_is_path(const char *path)
{
    const char *slash = strchr(path, '/');
    const char *name = slash == NULL ? path : slash + 1;
    return strlen(path) < DISK_PATH_MAX && path[0] != '/' && path[0] != '.' && name[0] != 0 &&
           name[0] != '.' && strchr(name, '/') == NULL;
}

static bool disk_is_folder(const char *path)
{
    return path[0] == 0 || (disk_is_path(path) && strchr(path, '/') == NULL);
}

static bool disk_same_folder(const char *a, const char *b)
{
    const char *slash = strchr(a, '/');
    if (slash == NULL)
        return strchr(b, '/') == NULL;
    return strncmp(a, b, (size_t)(slash - a) + 1) == 0;
}

static void disk_began(struct disk *d, const char *path, bool writable, struct disk_file *f)
{
    f->disk = d;
    f->failed = false;
    f->writable = writable;
    memcpy(f->path, path, strlen(path) + 1);
}

enum err disk_open(struct disk *d, const char *path, enum disk_how how, struct disk_file **out)
{
    ASSERT(disk_is_path(path));
    *out = NULL;
    enum err e = d->ops->open(d, path, how, out);
    if (e == OK)
        disk_began(d, path, how != DISK_READ, *out);
    return e;
}

void disk_close(struct disk_file *f)
{
    if (f != NULL)
        f->disk->ops->close(f);
}

enum err disk_size(struct disk_file *f, uint64_t *size)
{
    return f->disk->ops->size(f, size);
}

enum err disk_next_data(struct disk_file *f, uint64_t offset, uint64_t *at)
{
    return f->disk->ops->next_data(f, offset, at);
}

enum err disk_reserve(struct disk_file *f, uint64_t size)
{
    ASSERT(f->writable && size <= INT64_MAX);
    return f->disk->ops->reserve(f, size);
}

/* The one place where a file fails. */
static enum err disk_outcome(struct disk_file *f, enum err e)
{
    if (e != OK)
        f->failed = true;
    return e;
}

enum err disk_write(struct disk_file *f, uint64_t offset, const struct span *parts, size_t n)
{
    ASSERT(f->writable && n <= DISK_PARTS_MAX && offset <= INT64_MAX);
    if (f->failed)
        return ERR_IO;
    return disk_outcome(f, f->disk->ops->write(f, offset, parts, n));
}

enum err disk_read(struct disk_file *f, uint64_t offset, uint8_t *at, size_t size, size_t *got)
{
    ASSERT(offset <= INT64_MAX);
    *got = 0;
    return f->disk->ops->read(f, offset, at, size, got);
}

enum err disk_sync(struct disk_file *f)
{
    if (f->failed)
        return ERR_IO;
    return disk_outcome(f, f->disk->ops->sync(f));
}

enum err disk_rename(struct disk *d, const char *from, const char *to)
{
    ASSERT(disk_is_path(from) && disk_is_path(to) && disk_same_folder(from, to));
    return d->ops->rename(d, from, to);
}

enum err disk_remove(struct disk *d, const char *path)
{
    ASSERT(disk_is_path(path));
    return d->ops->remove(d, path);
}

enum err disk_make_folder(struct disk *d, const char *path)
{
    ASSERT(disk_is_folder(path) && path[0] != 0);
    return d->ops->make_folder(d, path);
}

enum err disk_sync_folder(struct disk *d, const char *path)
{
    ASSERT(disk_is_folder(path));
    return d->ops->sync_folder(d, path);
}

enum err disk_list(struct disk *d, const char *path, disk_name_fn each, void *arg)
{
    ASSERT(disk_is_folder(path));
    return d->ops->list(d, path, each, arg);
}

enum err disk_lock(struct disk *d, const char *path, struct disk_file **out, uint64_t *holder)
{
    ASSERT(disk_is_path(path));
    *out = NULL;
    *holder = 0;
    enum err e = d->ops->lock(d, path, out, holder);
    if (e == OK)
        disk_began(d, path, false, *out);
    return e;
}

enum err disk_free_bytes(struct disk *d, uint64_t *bytes)
{
    return d->ops->free_bytes(d, bytes);
}
