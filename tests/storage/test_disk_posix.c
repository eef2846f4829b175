// SPDX-License-Identifier: Apache-2.0
/* What only the real disk has: a system that interrupts, does things in part, and fails. Its calls
 * are replaced when this is linked (tests/meson.build), and do as `rule` says. */
#include "storage/disk_posix.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/storage/temporary.h"

static struct {
    size_t piece;       /* bytes at most that a call moves, 0 = all */
    unsigned interrupt; /* so many calls first fail with EINTR */
    int fails;          /* then one with this */
    bool nothing;       /* calls move nothing, and say so */
    unsigned n_calls;
} rule;

/* Names that the linker's --wrap asks for. */
ssize_t __real_pwritev64(int fd, const struct iovec *parts, int n, off_t offset);
ssize_t __real_pread64(int fd, void *at, size_t size, off_t offset);
int __real_fdatasync(int fd);
int __real_fsync(int fd);
int __real_fallocate64(int fd, int mode, off_t offset, off_t size);
ssize_t __wrap_pwritev64(int fd, const struct iovec *parts, int n, off_t offset);
ssize_t __wrap_pread64(int fd, void *at, size_t size, off_t offset);
int __wrap_fdatasync(int fd);
int __wrap_fsync(int fd);
int __wrap_fallocate64(int fd, int mode, off_t offset, off_t size);

static bool rule_fails(void)
{
    rule.n_calls++;
    int error = rule.fails;
    if (rule.interrupt != 0) {
        rule.interrupt--;
        error = EINTR;
    } else {
        rule.fails = 0;
    }
    if (error != 0)
        errno = error;
    return error != 0;
}

ssize_t __wrap_pwritev64(int fd, const struct iovec *parts, int n, off_t offset)
{
    if (rule_fails())
        return -1;
    if (rule.nothing) {
        errno = ENOSPC; /* of an earlier call */
        return 0;
    }
    if (rule.piece == 0)
        return __real_pwritev64(fd, parts, n, offset);
    struct iovec first = parts[0];
    if (first.iov_len > rule.piece)
        first.iov_len = rule.piece;
    return __real_pwritev64(fd, &first, 1, offset);
}

ssize_t __wrap_pread64(int fd, void *at, size_t size, off_t offset)
{
    if (rule_fails())
        return -1;
    return __real_pread64(fd, at, rule.piece != 0 && size > rule.piece ? rule.piece : size, offset);
}

int __wrap_fdatasync(int fd)
{
    return rule_fails() ? -1 : __real_fdatasync(fd);
}

int __wrap_fsync(int fd)
{
    return rule_fails() ? -1 : __real_fsync(fd);
}

int __wrap_fallocate64(int fd, int mode, off_t offset, off_t size)
{
    return rule_fails() ? -1 : __real_fallocate64(fd, mode, offset, size);
}

static void rule_set(size_t piece, unsigned interrupt, int fails)
{
    rule.piece = piece;
    rule.interrupt = interrupt;
    rule.fails = fails;
    rule.n_calls = 0;
}

static struct disk_file *new_file(struct temporary *t)
{
    struct disk_file *f;
    ck_assert_int_eq(disk_open(t->disk, "a", DISK_NEW, &f), OK);
    return f;
}

static void check_text(struct disk_file *f, const char *wanted)
{
    uint8_t bytes[64];
    size_t got;
    ck_assert_int_eq(disk_read(f, 0, bytes, sizeof(bytes), &got), OK);
    ck_assert(span_eq(span_of(bytes, got), span_str(wanted)));
}

START_TEST(what_is_interrupted_or_done_in_part_is_gone_on_with)
{
    struct span parts[] = {SPAN_LIT("hound"), SPAN_NONE, SPAN_LIT(" and "), SPAN_LIT("hare")};
    for (size_t piece = 1; piece < 8; piece++) {
        struct temporary t = temporary_begin();
        struct disk_file *f = new_file(&t);
        rule_set(piece, 2, 0);
        ck_assert_int_eq(disk_write(f, 0, parts, 4), OK);
        ck_assert_uint_gt(rule.n_calls, 4);
        rule.interrupt = 2;
        check_text(f, "hound and hare");
        rule_set(0, 3, 0);
        ck_assert_int_eq(disk_sync(f), OK);
        ck_assert_uint_eq(rule.n_calls, 4);
        rule_set(0, 3, 0);
        ck_assert_int_eq(disk_sync_folder(t.disk, ""), OK);
        ck_assert_uint_eq(rule.n_calls, 4);
        rule_set(0, 3, 0);
        ck_assert_int_eq(disk_reserve(f, 100), OK);
        ck_assert_uint_eq(rule.n_calls, 4);
        disk_close(f);
        temporary_end(&t);
    }
}
END_TEST

static const struct {
    int error;
    enum err e;
} MEANINGS[] = {{ENOSPC, ERR_FULL}, {EDQUOT, ERR_FULL},  {ENOMEM, ERR_NOMEM},
                {EIO, ERR_IO},      {EMFILE, ERR_LIMIT}, {ENOENT, ERR_NOT_FOUND}};

START_TEST(each_error_has_its_meaning)
{
    struct span part = SPAN_LIT("hound");
    uint8_t byte;
    size_t got;
    for (size_t i = 0; i < sizeof(MEANINGS) / sizeof(*MEANINGS); i++) {
        struct temporary t = temporary_begin();
        struct disk_file *f = new_file(&t);
        rule_set(0, 0, MEANINGS[i].error);
        ck_assert_int_eq(disk_reserve(f, 10), MEANINGS[i].e);
        rule_set(0, 0, MEANINGS[i].error);
        ck_assert_int_eq(disk_read(f, 0, &byte, 1, &got), MEANINGS[i].e);
        rule_set(0, 0, MEANINGS[i].error);
        ck_assert_int_eq(disk_sync_folder(t.disk, ""), MEANINGS[i].e);
        ck_assert(!f->failed);
        rule_set(0, 0, MEANINGS[i].error);
        ck_assert_int_eq(disk_write(f, 0, &part, 1), MEANINGS[i].e);
        ck_assert(f->failed);
        disk_close(f);
        temporary_end(&t);
    }
}
END_TEST

/* The kernel says OK to the second fdatasync, whatever it has dropped: it must not be asked. */
START_TEST(a_failed_sync_is_final)
{
    struct temporary t = temporary_begin();
    struct disk_file *f = new_file(&t);
    rule_set(0, 1, EIO);
    ck_assert_int_eq(disk_sync(f), ERR_IO);
    ck_assert_uint_eq(rule.n_calls, 2);
    ck_assert_int_eq(disk_sync(f), ERR_IO);
    ck_assert_uint_eq(rule.n_calls, 2);
    disk_close(f);
    temporary_end(&t);
}
END_TEST

START_TEST(a_write_that_moves_nothing_does_not_go_on_for_ever)
{
    struct span part = SPAN_LIT("hound");
    struct temporary t = temporary_begin();
    struct disk_file *f = new_file(&t);
    rule.nothing = true;
    ck_assert_int_eq(disk_write(f, 0, &part, 1), ERR_IO);
    disk_close(f);
    temporary_end(&t);
}
END_TEST

START_TEST(a_fault_is_logged_and_a_full_disk_is_not)
{
    char text[512];
    struct temporary t = temporary_begin();
    struct disk_file *f = new_file(&t);
    FILE *log = tmpfile();
    int saved = dup(STDERR_FILENO);
    dup2(fileno(log), STDERR_FILENO);
    rule_set(0, 0, ENOSPC);
    enum err full = disk_reserve(f, 10);
    rule_set(0, 0, EIO);
    enum err failed = disk_sync(f);
    dup2(saved, STDERR_FILENO);
    close(saved);
    rewind(log);
    text[fread(text, 1, sizeof(text) - 1, log)] = 0;
    fclose(log);
    ck_assert_int_eq(full, ERR_FULL);
    ck_assert_int_eq(failed, ERR_IO);
    const char *line = "error LOG_DISK_FAULT path=\"a\" call=fdatasync "
                       "error=\"Input/output error\"\n";
    ck_assert_ptr_nonnull(strstr(text, line));
    ck_assert_ptr_eq(strchr(text, '\n'), text + strlen(text) - 1);
    disk_close(f);
    temporary_end(&t);
}
END_TEST

START_TEST(space_is_taken_by_zeros_where_it_cannot_be_reserved)
{
    static uint8_t bytes[300000];
    struct span part = SPAN_LIT("hound");
    size_t got;
    struct temporary t = temporary_begin();
    struct disk_file *f = new_file(&t);
    rule_set(0, 0, 0);
    ck_assert_int_eq(disk_write(f, 0, &part, 1), OK);
    rule_set(50000, 0, EOPNOTSUPP);
    ck_assert_int_eq(disk_reserve(f, 200001), OK);
    rule_set(0, 0, EOPNOTSUPP);
    ck_assert_int_eq(disk_reserve(f, 7), OK); /* is not smaller for it */
    ck_assert_int_eq(disk_read(f, 0, bytes, sizeof(bytes), &got), OK);
    ck_assert_uint_eq(got, 200001);
    ck_assert_mem_eq(bytes, "hound", 5);
    for (size_t i = 5; i < got; i++)
        ck_assert_msg(bytes[i] == 0, "byte %zu is not zero", i);
    disk_close(f);
    temporary_end(&t);
}
END_TEST

START_TEST(reserved_space_is_taken_from_the_disk)
{
    struct temporary t = temporary_begin();
    struct disk_file *f = new_file(&t);
    struct stat st;
    char path[128];
    rule_set(0, 0, 0);
    ck_assert_int_eq(disk_reserve(f, 1 << 20), OK);
    snprintf(path, sizeof(path), "%s/a", t.path);
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_int_ge(st.st_blocks * 512, 1 << 20);
    disk_close(f);
    temporary_end(&t);
}
END_TEST

START_TEST(files_are_for_their_owner)
{
    struct temporary t = temporary_begin();
    struct stat st;
    char path[128];
    umask(0);
    disk_close(new_file(&t));
    ck_assert_int_eq(disk_make_folder(t.disk, "folder"), OK);
    snprintf(path, sizeof(path), "%s/a", t.path);
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_uint_eq(st.st_mode & 0777, 0600);
    snprintf(path, sizeof(path), "%s/folder", t.path);
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_uint_eq(st.st_mode & 0777, 0700);
    temporary_end(&t);
}
END_TEST

START_TEST(a_link_is_not_followed)
{
    struct temporary t = temporary_begin();
    struct disk_file *f;
    uint64_t holder;
    char path[128];
    disk_close(new_file(&t));
    snprintf(path, sizeof(path), "%s/link", t.path);
    ck_assert_int_eq(symlink("a", path), 0);
    ck_assert_int_eq(disk_open(t.disk, "link", DISK_READ, &f), ERR_IO);
    ck_assert_int_eq(disk_lock(t.disk, "link", &f, &holder), ERR_IO);
    temporary_end(&t);
}
END_TEST

START_TEST(descriptors_are_not_inherited)
{
    struct temporary t = temporary_begin();
    int before = dup(0);
    close(before);
    struct disk_file *f = new_file(&t);
    ck_assert_int_ne(fcntl(before, F_GETFD) & FD_CLOEXEC, 0);
    disk_close(f);
    ck_assert_int_eq(fcntl(before, F_GETFD), -1);
    ck_assert_int_ne(fcntl(before - 1, F_GETFD) & FD_CLOEXEC, 0); /* the directory's */
    temporary_end(&t);
}
END_TEST

START_TEST(no_descriptor_left_is_a_limit)
{
    struct temporary t = temporary_begin();
    struct rlimit saved;
    struct disk_file *f;
    getrlimit(RLIMIT_NOFILE, &saved);
    struct rlimit none = {0, saved.rlim_max};
    setrlimit(RLIMIT_NOFILE, &none);
    enum err e = disk_open(t.disk, "a", DISK_NEW, &f);
    struct disk *second;
    enum err directory = disk_posix_open(&second, t.path);
    setrlimit(RLIMIT_NOFILE, &saved);
    ck_assert_int_eq(e, ERR_LIMIT);
    ck_assert_int_eq(directory, ERR_LIMIT);
    temporary_end(&t);
}
END_TEST

START_TEST(a_folder_synced_once_is_synced_without_a_descriptor)
{
    struct temporary t = temporary_begin();
    struct rlimit saved;
    ck_assert_int_eq(disk_make_folder(t.disk, "a"), OK);
    ck_assert_int_eq(disk_sync_folder(t.disk, "a"), OK);
    ck_assert_int_eq(disk_sync_folder(t.disk, ""), OK);
    getrlimit(RLIMIT_NOFILE, &saved);
    struct rlimit none = {0, saved.rlim_max};
    setrlimit(RLIMIT_NOFILE, &none);
    enum err folder = disk_sync_folder(t.disk, "a");
    enum err directory = disk_sync_folder(t.disk, "");
    setrlimit(RLIMIT_NOFILE, &saved);
    ck_assert_int_eq(folder, OK);
    ck_assert_int_eq(directory, OK);
    temporary_end(&t);
}
END_TEST

START_TEST(the_directory_must_be_there)
{
    struct temporary t = temporary_begin();
    struct disk *second = t.disk;
    char path[128];
    disk_close(new_file(&t));
    snprintf(path, sizeof(path), "%s/none", t.path);
    ck_assert_int_eq(disk_posix_open(&second, path), ERR_NOT_FOUND);
    ck_assert_ptr_null(second);
    snprintf(path, sizeof(path), "%s/a", t.path);
    ck_assert_int_eq(disk_posix_open(&second, path), ERR_IO);
    disk_posix_close(NULL);
    temporary_end(&t);
}
END_TEST

/* Takes the lock, says so through the pipe, and holds it until it is killed. */
static pid_t hold_in_child(struct temporary *t)
{
    int ends[2];
    char told = 0;
    ck_assert_int_eq(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        struct disk_file *lock;
        uint64_t holder;
        told = disk_lock(t->disk, "lock", &lock, &holder) == OK ? 'y' : 'n';
        if (write(ends[1], &told, 1) == 1)
            pause();
        _exit(0);
    }
    ck_assert_int_eq(read(ends[0], &told, 1), 1);
    ck_assert_int_eq(told, 'y');
    close(ends[0]);
    close(ends[1]);
    return child;
}

START_TEST(a_lock_names_the_process_that_holds_it_and_ends_with_it)
{
    struct temporary t = temporary_begin();
    struct disk_file *lock;
    uint64_t holder;
    pid_t child = hold_in_child(&t);
    rule_set(0, 0, 0);
    ck_assert_int_eq(disk_lock(t.disk, "lock", &lock, &holder), ERR_TAKEN);
    ck_assert_uint_eq(holder, (uint64_t)child);
    rule_set(0, 0, EIO); /* of reading the number */
    ck_assert_int_eq(disk_lock(t.disk, "lock", &lock, &holder), ERR_TAKEN);
    ck_assert_uint_eq(holder, 0);
    kill(child, SIGKILL);
    ck_assert_int_eq(waitpid(child, NULL, 0), child);
    ck_assert_int_eq(disk_lock(t.disk, "lock", &lock, &holder), OK);
    disk_close(lock);
    temporary_end(&t);
}
END_TEST

SUITE("disk_posix", what_is_interrupted_or_done_in_part_is_gone_on_with, each_error_has_its_meaning,
      a_failed_sync_is_final, a_write_that_moves_nothing_does_not_go_on_for_ever,
      a_fault_is_logged_and_a_full_disk_is_not, space_is_taken_by_zeros_where_it_cannot_be_reserved,
      reserved_space_is_taken_from_the_disk, files_are_for_their_owner, a_link_is_not_followed,
      descriptors_are_not_inherited, no_descriptor_left_is_a_limit,
      a_folder_synced_once_is_synced_without_a_descriptor, the_directory_must_be_there,
      a_lock_names_the_process_that_holds_it_and_ends_with_it)
