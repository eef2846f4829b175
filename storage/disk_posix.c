// SPDX-License-Identifier: Apache-2.0
/* Every path is looked up from the directory's descriptor, so that it stays the same directory
 * whatever becomes of its name.
 */
#include "storage/disk_posix.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/log.h"

enum {
    FILE_MODE = 0600, /* messages are nobody else's to read */
    FOLDER_MODE = 0700,
    FOLDERS_MAX = 8,        /* more than FORMAT.md has */
    ZEROS_BYTES = 64 * 1024 /* written at once where space cannot be taken otherwise */
};

struct disk_posix {
    struct disk disk;
    int fd;
    /* Folders that were synced, open for good: a sync needs no descriptor then. */
    pthread_mutex_t folders_lock; /* a leaf */
    struct disk_posix_folder {
        char path[DISK_PATH_MAX];
        int fd;
    } folders[FOLDERS_MAX];
    size_t n_folders;
};

struct disk_posix_file {
    struct disk_file file;
    int fd;
};

static int disk_posix_fd(struct disk *d)
{
    return CONTAINER_OF(d, struct disk_posix, disk)->fd;
}

static int disk_posix_file_fd(struct disk_file *f)
{
    return CONTAINER_OF(f, struct disk_posix_file, file)->fd;
}

/* What errno means; logged if it is a fault. */
static enum err disk_posix_fault(int error, const char *call, const char *path)
{
    char text[128];
    switch (error) {
    case ENOMEM: return ERR_NOMEM;
    case ENOENT: return ERR_NOT_FOUND;
    case EMFILE:
    case ENFILE: return ERR_LIMIT;
    case ENOSPC:
    case EDQUOT: return ERR_FULL;
    default:
        log_event(LOG_DISK_FAULT, "path=\"%s\" call=%s error=\"%s\"", path, call,
                  strerror_r(error, text, sizeof(text)));
        return ERR_IO;
    }
}

/* ---- Files ---- */

/* O_NOATIME is for a file's owner alone. */
static int disk_posix_openat(int directory, const char *path, int flags)
{
    flags |= O_CLOEXEC | O_NOFOLLOW;
    int fd = (int)TEMP_FAILURE_RETRY(openat(directory, path, flags, FILE_MODE));
    if (fd < 0 && errno == EPERM && (flags & O_NOATIME) != 0)
        fd = (int)TEMP_FAILURE_RETRY(openat(directory, path, flags & ~O_NOATIME, FILE_MODE));
    return fd;
}

static enum err disk_posix_open_flags(struct disk *d, const char *path, int flags,
                                      struct disk_file **out)
{
    struct disk_posix_file *f = calloc(1, sizeof(*f));
    if (f == NULL)
        return ERR_NOMEM;
    f->fd = disk_posix_openat(disk_posix_fd(d), path, flags);
    if (f->fd < 0) {
        enum err e = disk_posix_fault(errno, "openat", path);
        free(f);
        return e;
    }
    *out = &f->file;
    return OK;
}

static void disk_posix_close_file(struct disk_file *f)
{
    close(disk_posix_file_fd(f));
    free(CONTAINER_OF(f, struct disk_posix_file, file));
}

static enum err disk_posix_open_file(struct disk *d, const char *path, enum disk_how how,
                                     struct disk_file **out)
{
    static const int FLAGS[] = {
        /* Whoever only looks leaves no trace, and does not wait for what is no file. */
        [DISK_READ] = O_RDONLY | O_NOATIME | O_NONBLOCK,
        [DISK_WRITE] = O_RDWR,
        [DISK_NEW] = O_RDWR | O_CREAT | O_EXCL,
    };
    enum err e = disk_posix_open_flags(d, path, FLAGS[how], out);
    struct stat st;
    if (e != OK || how != DISK_READ ||
        (fstat(disk_posix_file_fd(*out), &st) == 0 && S_ISREG(st.st_mode)))
        return e;
    disk_posix_close_file(*out);
    *out = NULL;
    return disk_posix_fault(EINVAL, "openat", path);
}

static enum err disk_posix_size(struct disk_file *f, uint64_t *size)
{
    struct stat st;
    if (fstat(disk_posix_file_fd(f), &st) != 0)
        return disk_posix_fault(errno, "fstat", f->path);
    *size = (uint64_t)st.st_size;
    return OK;
}

static enum err disk_posix_next_data(struct disk_file *f, uint64_t offset, uint64_t *at)
{
    off_t found = lseek(disk_posix_file_fd(f), (off_t)offset, SEEK_DATA);
    if (found < 0 && errno == ENXIO)
        return disk_posix_size(f, at);          /* none up to the end */
    *at = found < 0 ? offset : (uint64_t)found; /* a file system need not know */
    return OK;
}

/* Steps over `size` bytes, and over what is empty behind them. */
static void disk_posix_advance(struct iovec **at, size_t *n, size_t size)
{
    while (*n != 0 && size >= (*at)->iov_len) {
        size -= (*at)->iov_len;
        (*at)++;
        (*n)--;
    }
    if (*n != 0) {
        (*at)->iov_base = (uint8_t *)(*at)->iov_base + size;
        (*at)->iov_len -= size;
    }
}

static enum err disk_posix_write(struct disk_file *f, uint64_t offset, const struct span *parts,
                                 size_t n)
{
    struct iovec rows[DISK_PARTS_MAX];
    struct iovec *at = rows;
    for (size_t i = 0; i < n; i++)
        rows[i] = (struct iovec){(void *)parts[i].at, parts[i].size};
    disk_posix_advance(&at, &n, 0);
    while (n != 0) {
        ssize_t wrote = TEMP_FAILURE_RETRY(
            pwritev(disk_posix_file_fd(f), at, (int)n, (off_t)offset));
        if (wrote <= 0)
            return disk_posix_fault(wrote == 0 ? EIO : errno, "pwritev", f->path);
        offset += (uint64_t)wrote;
        disk_posix_advance(&at, &n, (size_t)wrote);
    }
    return OK;
}

/* For file systems that cannot take space: zeros behind what is there. */
static enum err disk_posix_write_zeros(struct disk_file *f, uint64_t size)
{
    static const uint8_t ZEROS[ZEROS_BYTES];
    uint64_t at;
    enum err e = disk_posix_size(f, &at);
    while (e == OK && at < size) {
        uint64_t left = size - at;
        struct span part = span_of(ZEROS, left < ZEROS_BYTES ? (size_t)left : ZEROS_BYTES);
        e = disk_posix_write(f, at, &part, 1);
        at += part.size;
    }
    return e;
}

static enum err disk_posix_reserve(struct disk_file *f, uint64_t size)
{
    if (size == 0)
        return OK;
    if (TEMP_FAILURE_RETRY(fallocate(disk_posix_file_fd(f), 0, 0, (off_t)size)) == 0)
        return OK;
    if (errno == EOPNOTSUPP)
        return disk_posix_write_zeros(f, size);
    return disk_posix_fault(errno, "fallocate", f->path);
}

static enum err disk_posix_read(struct disk_file *f, uint64_t offset, uint8_t *at, size_t size,
                                size_t *got)
{
    while (*got < size) {
        ssize_t n = TEMP_FAILURE_RETRY(
            pread(disk_posix_file_fd(f), at + *got, size - *got, (off_t)(offset + *got)));
        if (n < 0)
            return disk_posix_fault(errno, "pread", f->path);
        if (n == 0)
            return OK;
        *got += (size_t)n;
    }
    return OK;
}

/* Tried again after EINTR alone: after any other failure the kernel may have dropped what it could
 * not write, and would say that all is well. */
static enum err disk_posix_sync(struct disk_file *f)
{
    if (TEMP_FAILURE_RETRY(fdatasync(disk_posix_file_fd(f))) != 0)
        return disk_posix_fault(errno, "fdatasync", f->path);
    return OK;
}

/* ---- Names ---- */

static enum err disk_posix_rename(struct disk *d, const char *from, const char *to)
{
    if (renameat(disk_posix_fd(d), from, disk_posix_fd(d), to) != 0)
        return disk_posix_fault(errno, "renameat", from);
    return OK;
}

static enum err disk_posix_remove(struct disk *d, const char *path)
{
    if (unlinkat(disk_posix_fd(d), path, 0) != 0)
        return disk_posix_fault(errno, "unlinkat", path);
    return OK;
}

static enum err disk_posix_make_folder(struct disk *d, const char *path)
{
    if (mkdirat(disk_posix_fd(d), path, FOLDER_MODE) != 0 && errno != EEXIST)
        return disk_posix_fault(errno, "mkdirat", path);
    return OK;
}

static enum err disk_posix_open_folder(struct disk *d, const char *path, int *fd)
{
    *fd = disk_posix_openat(disk_posix_fd(d), path[0] == 0 ? "." : path,
                            O_RDONLY | O_DIRECTORY | O_NOATIME);
    return *fd < 0 ? disk_posix_fault(errno, "openat", path) : OK;
}

/* The folder's descriptor, which stays open unless `*extra`. */
static enum err disk_posix_kept_folder(struct disk_posix *p, const char *path, int *fd, bool *extra)
{
    enum err e = OK;
    size_t i = 0;
    *extra = false;
    pthread_mutex_lock(&p->folders_lock);
    while (i < p->n_folders && strcmp(p->folders[i].path, path) != 0)
        i++;
    if (i < p->n_folders) {
        *fd = p->folders[i].fd;
    } else {
        e = disk_posix_open_folder(&p->disk, path, fd);
        *extra = e == OK && i == FOLDERS_MAX;
        if (e == OK && !*extra) {
            p->folders[i].fd = *fd;
            snprintf(p->folders[i].path, DISK_PATH_MAX, "%s", path);
            p->n_folders++;
        }
    }
    pthread_mutex_unlock(&p->folders_lock);
    return e;
}

static enum err disk_posix_sync_folder(struct disk *d, const char *path)
{
    int fd;
    bool extra;
    enum err e = disk_posix_kept_folder(CONTAINER_OF(d, struct disk_posix, disk), path, &fd,
                                        &extra);
    if (e != OK)
        return e;
    if (TEMP_FAILURE_RETRY(fsync(fd)) != 0)
        e = disk_posix_fault(errno, "fsync", path);
    if (extra)
        close(fd);
    return e;
}

static enum err disk_posix_list(struct disk *d, const char *path, disk_name_fn each, void *arg)
{
    int fd;
    enum err e = disk_posix_open_folder(d, path, &fd);
    if (e != OK)
        return e;
    DIR *folder = fdopendir(fd);
    if (folder == NULL) {
        e = disk_posix_fault(errno, "fdopendir", path);
        close(fd);
        return e;
    }
    errno = 0;
    for (struct dirent *entry; (entry = readdir(folder)) != NULL; errno = 0)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            each(arg, entry->d_name);
    if (errno != 0)
        e = disk_posix_fault(errno, "readdir", path);
    closedir(folder);
    return e;
}

/* ---- The lock ---- */

/* Lets the lock be held even if its holder's number cannot be written: a full disk must not keep
 * the broker from starting. Overwrites before it cuts, which takes no space. */
static void disk_posix_write_holder(int fd)
{
    char text[24];
    int size = snprintf(text, sizeof(text), "%ld\n", (long)getpid());
    if (pwrite(fd, text, (size_t)size, 0) != size)
        size = 0;
    if (ftruncate(fd, size) != 0)
        return;
}

static uint64_t disk_posix_read_holder(int fd)
{
    char text[24] = "";
    if (pread(fd, text, sizeof(text) - 1, 0) <= 0 || text[0] < '0' || text[0] > '9')
        return 0;
    return strtoull(text, NULL, 10);
}

static enum err disk_posix_lock(struct disk *d, const char *path, struct disk_file **out,
                                uint64_t *holder)
{
    struct disk_file *f;
    enum err e = disk_posix_open_flags(d, path, O_RDWR | O_CREAT, &f);
    if (e != OK)
        return e;
    int fd = disk_posix_file_fd(f);
    if (TEMP_FAILURE_RETRY(flock(fd, LOCK_EX | LOCK_NB)) == 0) {
        disk_posix_write_holder(fd);
        *out = f;
        return OK;
    }
    if (errno == EWOULDBLOCK) {
        *holder = disk_posix_read_holder(fd);
        e = ERR_TAKEN;
    } else {
        e = disk_posix_fault(errno, "flock", path);
    }
    disk_posix_close_file(f);
    return e;
}

/* A line of /proc/locks: `1: FLOCK  ADVISORY  WRITE PID MAJOR:MINOR:INODE 0 EOF`. Some file systems
 * tell another device there than stat does; then the process tells. */
static bool disk_posix_is_lock_of(const char *line, const struct stat *st, uint64_t holder)
{
    long long pid;
    unsigned device[2];
    unsigned long long inode;
    if (sscanf(line, "%*s FLOCK %*s WRITE %lld %x:%x:%llu", &pid, &device[0], &device[1], &inode) !=
            4 ||
        inode != st->st_ino)
        return false;
    return (device[0] == major(st->st_dev) && device[1] == minor(st->st_dev)) ||
           (pid > 0 && (uint64_t)pid == holder);
}

bool disk_posix_is_locked(struct disk *d, const char *path, uint64_t *holder)
{
    char line[256];
    struct stat st;
    bool locked = false;
    *holder = 0;
    int fd = disk_posix_openat(disk_posix_fd(d), path, O_RDONLY | O_NOATIME | O_NONBLOCK);
    FILE *locks = fd < 0 ? NULL : fopen("/proc/locks", "re");
    if (locks != NULL && fstat(fd, &st) == 0) {
        *holder = disk_posix_read_holder(fd);
        while (!locked && fgets(line, sizeof(line), locks) != NULL)
            locked = disk_posix_is_lock_of(line, &st, *holder);
    }
    if (locks != NULL)
        fclose(locks);
    if (fd >= 0)
        close(fd);
    return locked;
}

/* ---- The disk ---- */

static enum err disk_posix_free_bytes(struct disk *d, uint64_t *bytes)
{
    struct statvfs st;
    if (TEMP_FAILURE_RETRY(fstatvfs(disk_posix_fd(d), &st)) != 0)
        return disk_posix_fault(errno, "fstatvfs", "");
    *bytes = (uint64_t)st.f_bavail * st.f_frsize;
    return OK;
}

static const struct disk_ops DISK_POSIX_OPS = {
    .open = disk_posix_open_file,
    .close = disk_posix_close_file,
    .size = disk_posix_size,
    .next_data = disk_posix_next_data,
    .reserve = disk_posix_reserve,
    .write = disk_posix_write,
    .read = disk_posix_read,
    .sync = disk_posix_sync,
    .rename = disk_posix_rename,
    .remove = disk_posix_remove,
    .make_folder = disk_posix_make_folder,
    .sync_folder = disk_posix_sync_folder,
    .list = disk_posix_list,
    .lock = disk_posix_lock,
    .free_bytes = disk_posix_free_bytes,
};

enum err disk_posix_open(struct disk **out, const char *directory)
{
    *out = NULL;
    struct disk_posix *p = calloc(1, sizeof(*p));
    if (p == NULL)
        return ERR_NOMEM;
    p->disk.ops = &DISK_POSIX_OPS;
    p->fd = (int)TEMP_FAILURE_RETRY(open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (p->fd < 0) {
        enum err e = disk_posix_fault(errno, "open", directory);
        free(p);
        return e;
    }
    pthread_mutex_init(&p->folders_lock, NULL);
    *out = &p->disk;
    return OK;
}

void disk_posix_close(struct disk *d)
{
    if (d == NULL)
        return;
    struct disk_posix *p = CONTAINER_OF(d, struct disk_posix, disk);
    for (size_t i = 0; i < p->n_folders; i++)
        close(p->folders[i].fd);
    close(p->fd);
    pthread_mutex_destroy(&p->folders_lock);
    free(p);
}
