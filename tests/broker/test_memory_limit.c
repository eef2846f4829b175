// SPDX-License-Identifier: Apache-2.0
/* On a directory that stands for the root of a machine, with the files that the kernel would show.
 */
#include "broker/server/memory_limit.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/base/suite.h"

static char root[64];

static void begin(void)
{
    snprintf(root, sizeof(root), "/tmp/memory_limit.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(root));
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *where)
{
    (void)status;
    (void)kind;
    (void)where;
    return remove(path);
}

static void end(void)
{
    ck_assert_int_eq(nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

static void put_file(const char *path, const char *text)
{
    char at[512];
    int n = snprintf(at, sizeof(at), "%s%s", root, path);
    ck_assert_int_lt(n, (int)sizeof(at));
    for (char *slash = at + strlen(root); (slash = strchr(slash + 1, '/')) != NULL;) {
        *slash = 0;
        ck_assert(mkdir(at, 0700) == 0 || errno == EEXIST);
        *slash = '/';
    }
    FILE *f = fopen(at, "w");
    ck_assert_ptr_nonnull(f);
    ck_assert_int_ge(fputs(text, f), 0);
    ck_assert_int_eq(fclose(f), 0);
}

#define expect(bytes) ck_assert_uint_eq(memory_limit_of_groups(root), bytes)

START_TEST(without_groups_the_machine_is_the_limit)
{
    begin();
    expect(UINT64_MAX);
    uint64_t machine = memory_limit_bytes(root);
    ck_assert_uint_gt(machine, 1 << 20);
    put_file("/proc/self/cgroup", "0::/\n");
    expect(UINT64_MAX);
    put_file("/sys/fs/cgroup/memory.max", "65536\n");
    ck_assert_uint_eq(memory_limit_bytes(root), 65536);
    put_file("/sys/fs/cgroup/memory.max", "9223372036854771712\n");
    ck_assert_uint_eq(memory_limit_bytes(root), machine);
    end();
}
END_TEST

START_TEST(the_smallest_limit_on_the_way_up_holds)
{
    begin();
    put_file("/proc/self/cgroup", "0::/a.slice/b.service/c\n");
    put_file("/sys/fs/cgroup/a.slice/b.service/c/memory.max", "max\n");
    expect(UINT64_MAX);
    put_file("/sys/fs/cgroup/a.slice/b.service/memory.max", "3000\n");
    expect(3000);
    put_file("/sys/fs/cgroup/a.slice/memory.max", "2000\n");
    expect(2000);
    put_file("/sys/fs/cgroup/memory.max", "4000\n");
    expect(2000);
    put_file("/sys/fs/cgroup/a.slice/b.service/c/memory.max", "1000\n");
    expect(1000);
    /* Another group's is not ours. */
    put_file("/sys/fs/cgroup/a.slice/other/memory.max", "1\n");
    expect(1000);
    end();
}
END_TEST

START_TEST(version_1_counts_where_memory_is_among_the_controllers)
{
    begin();
    put_file("/proc/self/cgroup", "5:cpu,cpuacct:/x\n4:hugetlb,memory:/docker/1\n0::/x\n");
    put_file("/sys/fs/cgroup/memory/x/memory.limit_in_bytes", "1\n");
    expect(UINT64_MAX);
    /* A container sees its own group at the root, under a path of the host's. */
    put_file("/sys/fs/cgroup/memory/memory.limit_in_bytes", "7000\n");
    expect(7000);
    put_file("/sys/fs/cgroup/memory/docker/1/memory.limit_in_bytes", "6000\n");
    expect(6000);
    put_file("/sys/fs/cgroup/x/memory.max", "5000\n");
    expect(5000);
    end();
}
END_TEST

START_TEST(a_group_outside_of_the_name_space_is_seen_by_its_root)
{
    begin();
    put_file("/proc/self/cgroup", "0::/../../elsewhere\n");
    put_file("/sys/fs/cgroup/memory.max", "8000\n");
    put_file("/elsewhere/memory.max", "1\n");
    put_file("/sys/elsewhere/memory.max", "1\n");
    expect(8000);
    end();
}
END_TEST

START_TEST(what_is_malformed_is_no_limit)
{
    static const char *const LIMITS[] = {
        "", "\n", "max", "-1\n", " 5\n", "5x\n", "0\n", "0x10\n", "99999999999999999999999\n"};
    static const char *const LINES[] = {"", "\n", "0", "0:", "0:\n::\n", "1::/\n", ":memory\n"};
    begin();
    put_file("/proc/self/cgroup", "0::/\n");
    for (size_t i = 0; i < sizeof(LIMITS) / sizeof(LIMITS[0]); i++) {
        put_file("/sys/fs/cgroup/memory.max", LIMITS[i]);
        expect(UINT64_MAX);
    }
    put_file("/sys/fs/cgroup/memory.max", "5");
    expect(5);
    for (size_t i = 0; i < sizeof(LINES) / sizeof(LINES[0]); i++) {
        put_file("/proc/self/cgroup", LINES[i]);
        expect(UINT64_MAX);
    }
    end();
}
END_TEST

START_TEST(a_path_without_end_is_seen_by_its_root)
{
    static char line[20000];
    begin();
    memset(line, 'd', sizeof(line) - 1);
    memcpy(line, "0::/", 4);
    put_file("/proc/self/cgroup", line);
    put_file("/sys/fs/cgroup/memory.max", "8000\n");
    expect(8000);
    end();
}
END_TEST

SUITE("memory_limit", without_groups_the_machine_is_the_limit,
      the_smallest_limit_on_the_way_up_holds,
      version_1_counts_where_memory_is_among_the_controllers,
      a_group_outside_of_the_name_space_is_seen_by_its_root, what_is_malformed_is_no_limit,
      a_path_without_end_is_seen_by_its_root)
