// SPDX-License-Identifier: Apache-2.0
/* /proc/self/cgroup has a line for each hierarchy, ID:CONTROLLERS:PATH. That of version 2 has the
 * id 0 and no controllers; that of version 1 which counts has "memory" among them. A container may
 * see a path of the host's that is not in its own /sys: then only the root is there, and it is the
 * container's own group. */
#include "broker/server/memory_limit.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PATH_SIZE = 4096 + 256 };

/* One number in a file of its own, "max" for none. */
static uint64_t group_read(const char *path)
{
    char text[64];
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return UINT64_MAX;
    bool read = fgets(text, sizeof(text), f) != NULL;
    fclose(f);
    if (!read || !isdigit((unsigned char)text[0]))
        return UINT64_MAX;
    char *end;
    errno = 0;
    uint64_t limit = strtoull(text, &end, 10);
    bool whole = errno == 0 && (*end == '\n' || *end == 0);
    /* Nothing runs in a group without memory. */
    return whole && limit != 0 ? limit : UINT64_MAX;
}

/* The smallest limit from the group at `path` up to the root of the hierarchy. */
static uint64_t group_walk(const char *root, const char *mount, const char *path, const char *file)
{
    char group[4096];
    char at[PATH_SIZE];
    uint64_t least = UINT64_MAX;
    /* One outside of our name space begins with "/..": only its root can be seen. */
    bool visible = path[0] == '/' && strstr(path, "/..") == NULL && strlen(path) < sizeof(group);
    snprintf(group, sizeof(group), "%s", visible ? path : "");
    for (;;) {
        int n = snprintf(at, sizeof(at), "%s%s%s/%s", root, mount, group, file);
        uint64_t limit = n > 0 && (size_t)n < sizeof(at) ? group_read(at) : UINT64_MAX;
        least = limit < least ? limit : least;
        char *slash = strrchr(group, '/');
        if (slash == NULL)
            return least;
        *slash = 0;
    }
}

static bool group_has_memory(char *controllers)
{
    char *rest = NULL;
    for (char *c = strtok_r(controllers, ",", &rest); c != NULL; c = strtok_r(NULL, ",", &rest))
        if (strcmp(c, "memory") == 0)
            return true;
    return false;
}

/* The limit that one line of /proc/self/cgroup leads to. */
static uint64_t group_limit_of_line(const char *root, char *line)
{
    line[strcspn(line, "\n")] = 0;
    char *controllers = strchr(line, ':');
    char *path = controllers == NULL ? NULL : strchr(controllers + 1, ':');
    if (path == NULL)
        return UINT64_MAX;
    *controllers++ = 0;
    *path++ = 0;
    if (group_has_memory(controllers))
        return group_walk(root, "/sys/fs/cgroup/memory", path, "memory.limit_in_bytes");
    if (strcmp(line, "0") != 0 || controllers[0] != 0)
        return UINT64_MAX;
    return group_walk(root, "/sys/fs/cgroup", path, "memory.max");
}

uint64_t memory_limit_of_groups(const char *root)
{
    char at[PATH_SIZE];
    uint64_t least = UINT64_MAX;
    snprintf(at, sizeof(at), "%s/proc/self/cgroup", root);
    FILE *f = fopen(at, "re");
    if (f == NULL)
        return UINT64_MAX;
    char *line = NULL;
    size_t size = 0;
    while (getline(&line, &size, f) >= 0) {
        uint64_t limit = group_limit_of_line(root, line);
        least = limit < least ? limit : least;
    }
    free(line);
    fclose(f);
    return least;
}

uint64_t memory_limit_bytes(const char *root)
{
    uint64_t machine = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
    uint64_t group = memory_limit_of_groups(root);
    return group < machine ? group : machine;
}
