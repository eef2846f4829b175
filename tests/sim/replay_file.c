// SPDX-License-Identifier: Apache-2.0
/* replay FILE: what `whippet --record` wrote, once more; see replay.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/sim/replay.h"

int main(int argc, char **argv)
{
    if (argc != 2) {
        fputs("Usage: replay FILE\n", stderr);
        return 2;
    }
    struct stat is;
    void *bytes = MAP_FAILED;
    int fd = open(argv[1], O_RDONLY | O_CLOEXEC);
    if (fd >= 0 && fstat(fd, &is) == 0) {
        if (is.st_size == 0)
            return replay(SPAN_NONE);
        bytes = mmap(NULL, (size_t)is.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    }
    if (bytes == MAP_FAILED) {
        fprintf(stderr, "%s: %s\n", argv[1], strerror(errno));
        return 2;
    }
    return replay(span_of(bytes, (size_t)is.st_size));
}
